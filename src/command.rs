//! What the commands share: the options that each takes, asking the running daemon, printing, and
//! how a failure ends. One module a command.

pub mod certificate;
pub mod check;
pub mod doctor;
pub mod metrics;
pub mod run;
pub mod share;
pub mod status;
mod table;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::{self, Loaded, Problems};
use crate::control::{self, Request};
use crate::daemon;
use crate::one_line::OneLine;
use crate::paths;
use crate::share::BadLink;
use crate::upstream::Health;

/// What every machine with OpenWrt has.
const ROUTER: &str = "/etc/openwrt_release";

/// What the configuration without a file is called.
const BUILT_IN: &str = "the built-in configuration";

/// The options of every command.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// The configuration of `run` and `check` [default: /etc/config/waproxy]
    #[arg(short, value_name = "FILE", global = true)]
    pub configuration: Option<PathBuf>,
    #[arg(long, value_name = "FOLDER", global = true)]
    #[arg(help = "What must survive a restart [env: WAPROXY_STATE_DIR]")]
    state_dir: Option<PathBuf>,
    #[arg(long, value_name = "SOCKET", global = true)]
    #[arg(help = "Where the running proxy answers [env: WAPROXY_CONTROL]")]
    control: Option<PathBuf>,
}

impl Options {
    /// The configuration, and the file that it comes from; none where it is the built-in one,
    /// which a machine that is no router and has no file runs with, enabled.
    fn load(&self) -> Result<(Loaded, Option<&Path>), Problems> {
        let default = Path::new(paths::CONFIGURATION);
        let file = self.configuration.as_deref().unwrap_or(default);
        let is_router = || Path::new(ROUTER).exists();
        if self.configuration.is_some() || file.exists() || is_router() {
            return Ok((config::load(file)?, Some(file)));
        }
        let mut loaded = config::parse(BUILT_IN, config::DEFAULT)?;
        loaded.config.enabled = true;
        Ok((loaded, None))
    }

    /// The folder of what must survive.
    pub fn state_dir(&self) -> Result<PathBuf, paths::Error> {
        paths::state_dir(self.state_dir.clone())
    }

    /// The control socket.
    pub fn control(&self) -> Result<PathBuf, paths::Error> {
        paths::control(self.control.clone(), self.state_dir.clone())
    }
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] Problems),
    /// The daemon did not answer, or refused; or there is one already.
    #[error(transparent)]
    Control(#[from] control::Error),
    /// The daemon cannot start.
    #[error(transparent)]
    Daemon(#[from] daemon::Error),
    /// A link that is none.
    #[error(transparent)]
    Link(#[from] BadLink),
    /// Standard output takes nothing.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// There is no telling where the daemon is.
    #[error(transparent)]
    Paths(#[from] paths::Error),
    /// The runtime or its signals cannot be set up.
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    /// A file that a command was given.
    #[error("{file}: {source}", file = .file.display())]
    Unreadable {
        /// Its path.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The link is too long for any QR code.
    #[error("the link is too long for a QR code")]
    QrCode,
}

/// How a command ends: says what went wrong, where something did.
pub fn finish(result: Result<(), Error>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    // A configuration may have many, a line each.
    for line in error.to_string().lines() {
        complain("error", &line);
    }
    ExitCode::FAILURE
}

/// Writes a line to standard error. If that fails there is nobody to tell.
fn complain(level: &str, what: &dyn Display) {
    let _ = writeln!(io::stderr(), "{level}: {}", OneLine(&what.to_string()));
}

/// Prints the running daemon's text.
fn print_text(options: &Options, request: Request) -> Result<(), Error> {
    print(&control::text(&options.control()?, request)?)
}

/// Writes to standard output. A reader that has seen enough, as `head` has, is no error.
fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::Output(error)),
        _ => Ok(()),
    }
}

fn health_word(health: Health) -> &'static str {
    match health {
        Health::Unknown => "unknown",
        Health::Up => "up",
        Health::Failing => "failing",
        Health::Down => "down",
    }
}
