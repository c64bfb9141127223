//! What carrying bytes and connections costs: waproxy beside other relays, measured from outside.
//!
//! `host` compares relays on this machine and prints tables; `inside` measures one relay on a
//! machine as small as a router; `pump`, `bare` and `tokio` are limits to hold a relay against.

// Nothing outside can reach anything in here.
#![allow(unreachable_pub)]

mod bare;
mod certificate;
mod cipher;
mod cores;
mod cost;
mod faulty;
mod figure;
mod figures;
mod host;
mod inside;
mod pair;
// The ports of the tests.
#[allow(clippy::unwrap_used)]
#[path = "../it/support/port.rs"]
mod port;
mod process;
mod proof;
mod pump;
// The bytes of the tests; not all that makes them is wanted here.
#[allow(dead_code, clippy::unwrap_used)]
#[path = "../it/support/random.rs"]
mod random;
mod relay;
mod results;
mod rounds;
mod seat;
mod site;
mod table;
mod tls;
mod tokio_alone;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Said by `cargo bench`.
    #[arg(long, hide = true, global = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Relays with as few calls as can be, for ever.
    Bare {
        /// Where to listen.
        port: u16,
        /// Where to connect to.
        upstream: u16,
    },
    /// Relays wrongly, for ever.
    Faulty {
        /// What is wrong.
        fault: faulty::Fault,
        /// Where to listen.
        port: u16,
        /// Where to connect to.
        upstream: u16,
    },
    /// Compares relays on this machine.
    Host(host::Options),
    /// Measures one relay on a small machine.
    Inside(inside::Options),
    /// Becomes a program that ends with its parent.
    Leash {
        /// The parent.
        parent: u32,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        words: Vec<OsString>,
    },
    /// Relays by splice alone, for ever.
    Pump {
        /// Where to listen.
        port: u16,
        /// Where to connect to.
        upstream: u16,
    },
    /// Relays with nothing but tokio, for ever.
    Tokio {
        /// Where to listen.
        port: u16,
        /// Where to connect to.
        upstream: u16,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Bare { port, upstream } => bare::run(port, upstream).map(|()| true),
        Command::Faulty {
            fault,
            port,
            upstream,
        } => faulty::run(port, upstream, fault).map(|()| true),
        Command::Host(options) => host::run(&options),
        Command::Inside(options) => inside::run(&options).map(|()| true),
        Command::Leash { parent, words } => Err(process::leash(parent, &words)),
        Command::Pump { port, upstream } => pump::run(port, upstream).map(|()| true),
        Command::Tokio { port, upstream } => tokio_alone::run(port, upstream).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
