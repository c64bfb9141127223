//! The place of one relay in a run: there is a running one when somebody wants it, and none while
//! memory is measured, since two of a program share pages and each looks half as large.

use std::io;

use crate::relay::{Kind, Relay};
use crate::site::Site;

#[derive(Debug)]
pub struct Seat {
    pub kind: Kind,
    relay: Option<Relay>,
}

impl Seat {
    pub fn new(kind: Kind) -> Self {
        Self { kind, relay: None }
    }

    /// The relay, started if there is none.
    pub fn relay(&mut self, site: &Site) -> io::Result<&mut Relay> {
        if self.relay.is_none() {
            let start = || Relay::start(self.kind, &site.parts);
            self.relay = Some(site.cores.on_relay_core(start)?);
        }
        Ok(self.relay.as_mut().expect("it has just been started"))
    }

    /// Ends the relay.
    pub fn vacate(&mut self) {
        self.relay = None;
    }

    /// What is to be said of the relay when something went wrong.
    pub fn obituary(&mut self) -> String {
        self.relay.as_mut().map(Relay::obituary).unwrap_or_default()
    }
}
