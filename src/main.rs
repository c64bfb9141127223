//! The command `waproxy`: arguments in, an exit code out.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use waproxy::command::{self, Options, certificate, check, doctor, metrics, run, share, status};

/// A WhatsApp proxy for home routers
///
/// `waproxy run` starts it. On a machine that is no router, and without a configuration file, it
/// runs with its built-in configuration. SIGHUP reads the file again, SIGTERM ends it. The other
/// commands, but for check and doctor, ask the running proxy.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Command {
    /// Run the proxy
    Run,
    /// Read the configuration and say what is wrong with it, or what would run
    Check {
        /// Print what an init script must know, a word and its value a line
        #[arg(long)]
        service: bool,
    },
    /// Show how the running proxy fares
    Status {
        /// Print the JSON that the proxy answers with
        #[arg(long)]
        json: bool,
    },
    /// Print the link that sets WhatsApp up for the running proxy
    Share {
        /// Print it as a QR code too
        #[arg(long)]
        qr: bool,
    },
    /// Print the running proxy's counters as OpenMetrics text
    Metrics,
    /// Show the running proxy's certificate
    Certificate {
        /// Replace it with a new one first
        #[arg(long)]
        new: bool,
    },
    /// Look at a proxy from here as a phone would, and say what is wrong with it
    Doctor(doctor::Arguments),
}

fn main() -> ExitCode {
    let Arguments { command, options } = Arguments::parse();
    command::finish(match command {
        Command::Run => return run::run(&options),
        Command::Check { service } => return check::run(&options, service),
        Command::Status { json } => status::run(&options, json),
        Command::Share { qr } => share::run(&options, qr),
        Command::Metrics => metrics::run(&options),
        Command::Certificate { new } => certificate::run(&options, new),
        Command::Doctor(arguments) => return doctor::run(&options, &arguments),
    })
}
