//! What carrying bytes and connections costs: waproxy beside other relays, measured from outside.
//!
//! `host` compares relays on this machine and prints tables; `inside` measures one relay on a
//! machine as small as a router; `pump` is the limit that both are held against.

// Nothing outside can reach anything in here.
#![allow(unreachable_pub)]

mod certificate;
mod cores;
mod cost;
mod inside;
mod pair;
mod port;
mod process;
mod pump;
mod relay;
mod tls;
mod work;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures one relay on a small machine.
    Inside(inside::Options),
    /// Relays by splice alone, for ever.
    Pump {
        /// Where to listen.
        port: u16,
        /// Where to connect to.
        upstream: u16,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Inside(options) => inside::run(&options),
        Command::Pump { port, upstream } => pump::run(port, upstream),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
