//! The hosts that a service leads to. A client's connection enters with nothing but its wish, a
//! connection to the best address leaves. Never connects to what is not out on the Internet.

mod answer;
mod networks;
mod race;
mod record;
mod refresh;
mod refused;
mod state;

use std::future::poll_fn;
use std::io;
use std::iter;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use self::answer::Answer;
use self::race::Race;
use self::record::Record;
use self::state::State;
use crate::config::{self, Host, HostPort};
use crate::shortage;

/// One upstream of the configuration, shared by the workers, which dial, and the main thread, which
/// keeps it fresh.
#[derive(Debug)]
pub struct Upstream {
    config: Arc<config::Upstream>,
    state: Mutex<State>,
    /// Tells of each answer of the resolver.
    answered: Notify,
    /// One for each configured address: asks for it to be looked up before its time.
    doubted: Box<[Notify]>,
}

/// Why there is no connection to an upstream.
#[derive(Debug, Error)]
pub enum DialError {
    /// The last address to fail refused, reset or could not be reached.
    #[error(transparent)]
    Connect(io::Error),
    /// Names lead to refused addresses alone.
    #[error("refused address")]
    Forbidden,
    /// It is we who lack descriptors, memory or ports: that says nothing about an address.
    #[error(transparent)]
    Shortage(io::Error),
    /// No address answered in time.
    #[error("no answer in time")]
    TimedOut,
    /// No name leads to an address.
    #[error("no address known")]
    Unresolved,
}

/// How an upstream or one of its addresses does; better is less.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answered last time.
    Up,
    /// It was not tried yet.
    Unknown,
    /// It did not answer last time.
    Failing,
    /// It has not answered several times in a row.
    Down,
}

/// What is known of an upstream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// The section of the configuration.
    pub name: String,
    /// That of its best address.
    pub health: Health,
    /// Where its names lead, in the order of the configuration.
    pub addresses: Vec<AddressStatus>,
    /// What is wrong with its names, or else why no address answers.
    pub last_error: Option<String>,
}

/// What is known of an address of an upstream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AddressStatus {
    /// As configured, `host:port`.
    pub name: String,
    /// Where that leads.
    pub address: SocketAddr,
    /// Down for good where the address is refused.
    pub health: Health,
    /// How long the last connection took to be made, in milliseconds.
    pub connect_ms: Option<u32>,
    /// Why it does not answer, or is refused.
    pub last_error: Option<String>,
}

impl Upstream {
    /// An upstream of which nothing is known but the literal addresses of the configuration.
    pub fn new(config: Arc<config::Upstream>) -> Arc<Self> {
        let upstream = Arc::new(Self {
            state: Mutex::new(State::new(config.addresses.iter().map(label))),
            answered: Notify::new(),
            doubted: config.addresses.iter().map(|_| Notify::new()).collect(),
            config,
        });
        for (entry, address) in upstream.config.addresses.iter().enumerate() {
            if let Host::Address(ip) = address.host {
                upstream.answer_literal(entry, SocketAddr::new(ip, address.port.get()));
            }
        }
        upstream
    }

    /// The section that it was made from.
    pub fn config(&self) -> &Arc<config::Upstream> {
        &self.config
    }

    /// Connects to the best address that answers before `patience` ends. Waits for a name's first
    /// answer, and for no later one.
    pub async fn dial(&self, patience: impl Future<Output = ()>) -> Result<TcpStream, DialError> {
        let mut patience = pin!(patience);
        let candidates = self.candidates(patience.as_mut()).await?;
        let mut race = Race::new(candidates, patience, &self.config);
        let mut failure = DialError::TimedOut;
        while let Some(ended) = race.next().await {
            match ended.result {
                Ok((stream, took)) => {
                    self.tell(ended.address, |record| record.connected(took));
                    race.overtaken()
                        .for_each(|address| self.tell(address, Record::overtaken));
                    return Ok(stream);
                }
                Err(error) => {
                    self.tell(ended.address, |record| record.dial_failed(&error));
                    failure = error;
                }
            }
        }
        if !matches!(failure, DialError::Shortage(_)) {
            self.doubt();
        }
        Err(failure)
    }

    /// What is known of it now.
    pub fn status(&self) -> Status {
        self.lock().status(&self.config.name)
    }

    async fn candidates(
        &self,
        mut patience: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Arc<[SocketAddr]>, DialError> {
        loop {
            let mut answered = pin!(self.answered.notified());
            {
                let state = self.lock();
                let order = state.order();
                if !order.is_empty() {
                    return Ok(order);
                }
                if !state.is_waiting() {
                    break;
                }
            }
            let is_late = poll_fn(|cx| match answered.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending => patience.as_mut().poll(cx).map(|()| true),
            });
            if is_late.await {
                break;
            }
        }
        self.doubt();
        if self.lock().is_forbidden() {
            return Err(DialError::Forbidden);
        }
        Err(DialError::Unresolved)
    }

    fn answer_literal(&self, entry: usize, address: SocketAddr) -> bool {
        let answer = Answer::new(iter::once(address), self.config.allow_private);
        self.answer(entry, Ok(answer))
    }

    /// Takes over where a configured address leads. False where that is of no use.
    fn answer(&self, entry: usize, answer: Result<Answer, String>) -> bool {
        let good = answer.as_ref().is_ok_and(|answer| answer.error().is_none());
        self.update(|state| state.answered(entry, answer));
        self.answered.notify_waiters();
        good
    }

    /// Has every name looked up anew: no address serves.
    fn doubt(&self) {
        self.doubted.iter().for_each(Notify::notify_one);
    }

    /// Tells the record of `address` what happened.
    fn tell(&self, address: SocketAddr, what: impl FnOnce(&mut Record)) {
        self.update(|state| state.tell(address, what));
    }

    /// Changes what is known, and logs what is worth it once nobody waits for the lock any more.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let news = state.take_news();
        drop(state);
        for (level, line) in news {
            log::log!(level, "upstream {}: {line}", self.config.name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DialError {
    /// The label under which it is counted.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Connect(_) => "upstream_connect",
            Self::Forbidden => "upstream_forbidden",
            Self::Shortage(_) => "shortage",
            Self::TimedOut => "upstream_timeout",
            Self::Unresolved => "upstream_unresolved",
        }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        if shortage::is(&error) {
            Self::Shortage(error)
        } else {
            Self::Connect(error)
        }
    }
}

/// An address as it stands in the configuration.
fn label(address: &HostPort) -> String {
    match &address.host {
        Host::Address(ip) => SocketAddr::new(*ip, address.port.get()).to_string(),
        Host::Name(name) => format!("{name}:{}", address.port),
    }
}

#[cfg(test)]
mod tests;
