//! A relay that runs: a listener for plain connections, one that terminates TLS and one that wants a
//! PROXY header, all leading to the same upstream, carried by one thread. How each kind is started is in its own file.

mod haproxy;
mod nginx;
mod realm;
mod waproxy;

use std::env;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

pub use self::waproxy::Limits;
use crate::certificate::Certificate;
use crate::faulty::Fault;
use crate::port;
use crate::process::Process;

/// The relays there are, in the order of the tables.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, clap::ValueEnum)]
pub enum Kind {
    /// None: clients connect to the upstream.
    Direct,
    /// `splice` and nothing else.
    Pump,
    /// The fewest calls.
    Bare,
    /// The runtime of this project's relay, and nothing else.
    Tokio,
    Waproxy,
    /// With the options of the reference.
    Haproxy,
    /// With buffers as large as its own default.
    #[value(name = "haproxy-16k")]
    Haproxy16k,
    HaproxySpliced,
    /// With a certificate as the reference makes it.
    HaproxyRsa,
    Nginx,
    Realm,
}

impl Kind {
    /// In a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Pump => "splice pump",
            Self::Bare => "bare epoll",
            Self::Tokio => "tokio alone",
            Self::Waproxy => "waproxy",
            Self::Haproxy => "HAProxy, reference's options",
            Self::Haproxy16k => "HAProxy, 16 KiB buffers",
            Self::HaproxySpliced => "HAProxy, 16 KiB, spliced",
            Self::HaproxyRsa => "HAProxy, RSA 4096",
            Self::Nginx => "nginx stream",
            Self::Realm => "realm",
        }
    }

    /// Whether it is a program of somebody else that does this job.
    pub fn is_peer(self) -> bool {
        !self.is_limit() && self != Self::Waproxy
    }

    pub fn has_tls(self) -> bool {
        !self.is_limit()
    }

    /// Whether it does less than the job, to show what that takes at the least.
    fn is_limit(self) -> bool {
        matches!(self, Self::Direct | Self::Pump | Self::Bare | Self::Tokio)
    }
}

/// What relays are made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub folder: PathBuf,
    /// Where every relay leads to, on loopback.
    pub upstream: u16,
    pub ecdsa: Certificate,
    /// Only where [`Kind::HaproxyRsa`] is asked for.
    pub rsa: Option<Certificate>,
    pub waproxy: PathBuf,
    pub haproxy: PathBuf,
    pub nginx: PathBuf,
    pub realm: PathBuf,
}

impl Parts {
    /// Where the certificate of a kind is.
    fn certificate(&self, kind: Kind) -> io::Result<&Certificate> {
        match kind {
            Kind::HaproxyRsa => self
                .rsa
                .as_ref()
                .ok_or_else(|| io::Error::other("there is no RSA certificate")),
            _ => Ok(&self.ecdsa),
        }
    }
}

/// Where a relay listens.
#[derive(Clone, Copy, Debug)]
struct Listen {
    plain: u16,
    tls: u16,
    behind: u16,
}

impl Listen {
    fn fresh() -> Self {
        Self {
            plain: port::fresh(),
            tls: port::fresh(),
            behind: port::fresh(),
        }
    }
}

#[derive(Debug)]
pub struct Relay {
    pub kind: Kind,
    listen: Listen,
    process: Option<Process>,
    /// All processes of it.
    pub processes: Vec<u32>,
}

impl Relay {
    /// Starts one and waits until it takes connections.
    pub fn start(kind: Kind, parts: &Parts) -> io::Result<Self> {
        let listen = Listen::fresh();
        let command = match kind {
            Kind::Direct => return Ok(Self::direct(parts)),
            Kind::Pump => ours(&["pump"], parts, listen)?,
            Kind::Bare => ours(&["bare"], parts, listen)?,
            Kind::Tokio => ours(&["tokio"], parts, listen)?,
            Kind::Waproxy => waproxy::command(parts, listen, Limits::default())?,
            Kind::Haproxy | Kind::Haproxy16k | Kind::HaproxySpliced | Kind::HaproxyRsa => {
                haproxy::command(kind, parts, listen)?
            }
            Kind::Nginx => nginx::command(parts, listen)?,
            Kind::Realm => realm::command(parts, listen)?,
        };
        Self::run(kind, &command, parts, listen)
    }

    /// This project's daemon, with limits.
    pub fn limited(limits: Limits, parts: &Parts) -> io::Result<Self> {
        let listen = Listen::fresh();
        let command = waproxy::command(parts, listen, limits)?;
        Self::run(Kind::Waproxy, &command, parts, listen)
    }

    /// A pump that is wrong.
    pub fn faulty(fault: Fault, parts: &Parts) -> io::Result<Self> {
        let listen = Listen {
            plain: port::fresh(),
            tls: 0,
            behind: 0,
        };
        let fault = clap::ValueEnum::to_possible_value(&fault);
        let fault = fault.as_ref().map_or("", |fault| fault.get_name());
        let command = ours(&["faulty", fault], parts, listen)?;
        Self::run(Kind::Pump, &command, parts, listen)
    }

    fn direct(parts: &Parts) -> Self {
        let listen = Listen {
            plain: parts.upstream,
            tls: 0,
            behind: 0,
        };
        Self {
            kind: Kind::Direct,
            listen,
            process: None,
            processes: Vec::new(),
        }
    }

    fn run(kind: Kind, command: &Command, parts: &Parts, listen: Listen) -> io::Result<Self> {
        let log = parts.folder.join(format!("{}.log", listen.plain));
        let mut process = Process::start(command, &log)?;
        wait(&mut process, listen.plain)?;
        if kind.has_tls() {
            wait(&mut process, listen.tls)?;
        }
        // It listens before it has a worker.
        let expected = if kind == Kind::Nginx { 2 } else { 1 };
        let deadline = Instant::now() + PATIENCE;
        let mut processes = process.ids();
        while processes.len() < expected && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
            processes = process.ids();
        }
        Ok(Self {
            kind,
            listen,
            process: Some(process),
            processes,
        })
    }

    pub fn plain(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.listen.plain).into()
    }

    pub fn tls(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.listen.tls).into()
    }

    /// Where a PROXY header must come first; of those alone that are flooded.
    pub fn behind(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.listen.behind).into()
    }

    /// What is to be said of it when something went wrong.
    pub fn obituary(&mut self) -> String {
        let Some(process) = &mut self.process else {
            return String::new();
        };
        let end = process.has_ended();
        let end = end.map_or_else(String::new, |status| format!("it ended, {status}; "));
        format!("{end}{}", process.last_words())
    }
}

/// A relay that is a command of this program.
fn ours(words: &[&str], parts: &Parts, listen: Listen) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command
        .args(words)
        .arg(listen.plain.to_string())
        .arg(parts.upstream.to_string());
    Ok(command)
}

/// The connections that it makes end at once without a byte; who accepts upstream must ignore them.
fn wait(process: &mut Process, port: u16) -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if process.has_ended().is_some() || Instant::now() > deadline {
            let said = process.last_words();
            return Err(io::Error::other(format!("it does not listen: {said}")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A slow router under emulation takes its time.
const PATIENCE: Duration = Duration::from_mins(1);
