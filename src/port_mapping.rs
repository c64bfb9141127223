//! Has the router in front of this machine send people's ports here, and keeps it so: the ports that
//! are wanted enter, what the router grants leaves. Asks by PCP, by NAT-PMP or by UPnP, whichever the
//! router knows. Never believes anyone but the gateway.

mod gateway;
mod mapper;
mod nat_pmp;
mod pcp;
mod upnp;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use self::mapper::Mapper;

/// How long giving everything back may take. procd gives a service five seconds more than it drains.
const END: Duration = Duration::from_secs(3);

/// How long each try of a question waits for the answer, as RFC 6886 3.1 begins.
const TRIES: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A TCP port that people use, and the one of this machine where it is to lead.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// What people use.
    pub external: u16,
    /// Of this machine.
    pub internal: u16,
}

/// What the router in front of this machine says.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// That router, where there is one.
    pub gateway: Option<Ipv4Addr>,
    /// `pcp`, `nat_pmp` or `upnp`, once it has answered.
    pub protocol: Option<Protocol>,
    /// Its address toward the Internet.
    pub external: Option<Ipv4Addr>,
    /// Why it was not asked, or does not answer.
    pub error: Option<String>,
    /// What became of each port. None where nothing is in front of this machine.
    pub ports: Vec<PortStatus>,
}

/// What became of a port.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct PortStatus {
    /// The public port that was asked for.
    pub port: u16,
    /// The port of this machine to which it leads.
    pub internal_port: u16,
    /// The public port that was granted: another one where that was taken.
    pub external_port: Option<u16>,
    /// Why none was.
    pub error: Option<String>,
}

/// How a router is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// RFC 6886.
    NatPmp,
    /// RFC 6887.
    Pcp,
    /// The services `WANIPConnection` and `WANPPPConnection` of the UPnP Forum, in any version.
    Upnp,
}

/// Keeps ports open at the router in front of this machine, as long as it lives.
#[derive(Debug)]
pub struct PortMapping {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

/// What the task and its owner both know.
#[derive(Debug, Default)]
struct Shared {
    wanted: RefCell<Vec<Wanted>>,
    status: RefCell<Status>,
    /// Something else is wanted, or perhaps the network is another.
    changed: Notify,
    ending: Cell<bool>,
    /// There is something to give back.
    holds: Cell<bool>,
}

/// What an answer to PCP or NAT-PMP says.
type Said = Result<Granted, Refusal>;

/// What a router granted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Granted {
    external_port: u16,
    /// The router's address, which PCP says with each port.
    external: Option<Ipv4Addr>,
    lifetime: u32,
}

/// Why a router granted nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refusal {
    /// It does not know this protocol, or opens no ports by it.
    Version,
    /// Any other reason, in words.
    Other(&'static str),
}

/// A router's word on a port: what it grants, or why it grants nothing.
type Answer = Result<Granted, &'static str>;

/// The way to the router.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Path {
    gateway: Ipv4Addr,
    /// This machine's address toward it.
    own: Ipv4Addr,
}

// === impl PortMapping ===

impl PortMapping {
    /// Asks for these ports from now on. Wants a tokio `LocalRuntime` around it.
    pub fn start(wanted: Vec<Wanted>) -> Self {
        let shared = Rc::new(Shared::default());
        shared.wanted.replace(wanted);
        let task = tokio::task::spawn_local(Mapper::new(Rc::clone(&shared)).keep());
        Self { shared, task }
    }

    /// Asks at once: for other ports, or on a network that may be another.
    pub fn want(&self, wanted: Vec<Wanted>) {
        self.shared.wanted.replace(wanted);
        self.shared.changed.notify_one();
    }

    /// What the router says.
    pub fn status(&self) -> Status {
        self.shared.status.borrow().clone()
    }

    /// Gives all ports back. What a router does not hear lapses soon by itself.
    pub fn end(self) -> impl Future<Output = ()> {
        self.shared.ending.set(true);
        self.want(Vec::new());
        async move {
            let mut task = self.task;
            if !self.shared.holds.get() || timeout(END, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

// === impl Status ===

impl Status {
    /// Whether any port was granted.
    pub fn grants(&self) -> bool {
        self.ports.iter().any(|port| port.external_port.is_some())
    }
}

/// Asks, and asks again until an answer is heard.
async fn again<T>(
    ask: impl AsyncFn() -> io::Result<()>,
    hear: impl AsyncFn() -> io::Result<T>,
) -> io::Result<T> {
    for patience in TRIES {
        ask().await?;
        if let Ok(heard) = timeout(patience, hear()).await {
            return heard;
        }
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// A number of an answer, which are in network order.
fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*number))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let number = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*number))
}
