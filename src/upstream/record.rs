//! An address that may be dialled, and how it does. What happened to connections enters, its health
//! and status leave.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{AddressStatus, DialError, Health};

/// Failed checks in a row after which an address is down.
const DOWN_AFTER: u8 = 3;

/// An address that may be dialled.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) address: SocketAddr,
    pub(super) health: Health,
    /// Why it is not up.
    pub(super) last_error: Option<String>,
    /// Asks for a check before its time.
    pub(super) check: Arc<Notify>,
    /// Failed checks in a row.
    failed: u8,
    /// What the last connection took to be made.
    connect: Option<Duration>,
}

impl Record {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            health: Health::Unknown,
            last_error: None,
            check: Arc::new(Notify::new()),
            failed: 0,
            connect: None,
        }
    }

    /// A connection was made within `took`.
    pub(super) fn connected(&mut self, took: Duration) {
        self.health = Health::Up;
        self.last_error = None;
        self.failed = 0;
        self.connect = Some(took);
    }

    /// It did not serve a client. A check will tell whether that was more than bad luck.
    pub(super) fn dial_failed(&mut self, error: &DialError) {
        if let DialError::Shortage(_) = error {
            return;
        }
        self.last_error = Some(error.to_string());
        self.ask_for_check();
        self.health = self.health.max(Health::Failing);
    }

    /// It kept a client waiting for so long that another was faster.
    pub(super) fn overtaken(&mut self) {
        self.ask_for_check();
    }

    /// It failed a check.
    pub(super) fn check_failed(&mut self, error: &DialError) {
        if let DialError::Shortage(_) = error {
            return;
        }
        self.last_error = Some(error.to_string());
        self.failed = self.failed.saturating_add(1);
        self.health = if self.failed < DOWN_AFTER {
            Health::Failing
        } else {
            Health::Down
        };
    }

    /// What the operator sees. `name` is the configured address that leads here.
    pub(super) fn status(&self, name: &str) -> AddressStatus {
        let in_ms = |took: Duration| took.as_millis().try_into().unwrap_or(u32::MAX);
        AddressStatus {
            name: name.to_owned(),
            address: self.address,
            health: self.health,
            connect_ms: self.connect.map(in_ms),
            last_error: self.last_error.clone(),
        }
    }

    /// One that fails already is checked often enough.
    fn ask_for_check(&self) {
        if self.health < Health::Failing {
            self.check.notify_one();
        }
    }
}
