//! Has the router in front of this machine send people's ports here, and keeps it so: the ports that
//! are wanted enter, what the router grants leaves. Asks by PCP, or by NAT-PMP where it knows no more.
//! Never asks anyone but the gateway.

mod gateway;
mod mapper;
mod nat_pmp;
mod pcp;

use std::cell::RefCell;
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
    /// `pcp` or `nat_pmp`, once it has answered.
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
    ending: RefCell<bool>,
}

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
    /// It does not know this protocol.
    Version,
    /// Any other reason, in words.
    Other(&'static str),
}

/// A router's word on a port.
type Answer = Result<Granted, Refusal>;

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
        self.shared.ending.replace(true);
        self.want(Vec::new());
        async move {
            let mut task = self.task;
            let holds = self.shared.status.borrow().grants();
            if !holds || timeout(END, &mut task).await.is_err() {
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

// === impl Refusal ===

impl Refusal {
    fn words(self) -> &'static str {
        match self {
            Self::Version => "it knows neither PCP nor NAT-PMP",
            Self::Other(words) => words,
        }
    }
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
