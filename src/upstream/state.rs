//! What is known of an upstream: the addresses that its names lead to, and how they do. Answers of
//! the resolver and ends of connections enter; the order to dial in and the status leave.

use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;

use log::Level;
use tokio::sync::Notify;

use super::answer::Answer;
use super::record::Record;
use super::{AddressStatus, Health, Status};

/// What is known of an upstream.
#[derive(Debug)]
pub(super) struct State {
    /// One for each configured address, in their order.
    entries: Vec<Entry>,
    /// Every address that may be dialled, once, in the order of the entries.
    records: Vec<Record>,
    /// The same addresses, the healthy ones first.
    order: Arc<[SocketAddr]>,
    /// Which of [`Health::Up`] and [`Health::Down`] was logged last.
    logged: Health,
    /// Lines that wait for being logged.
    news: Vec<(Level, String)>,
}

/// One configured address.
#[derive(Debug)]
struct Entry {
    /// As it stands in the configuration.
    name: String,
    /// Where the last good answer led.
    addresses: Vec<SocketAddr>,
    /// What of the last answer must not be used, and why.
    refused: Vec<(SocketAddr, &'static str)>,
    /// What is wrong with the last answer.
    error: Option<String>,
    /// Whether there was any answer, be it a bad one.
    answered: bool,
}

impl State {
    /// `names` as they stand in the configuration.
    pub(super) fn new(names: impl Iterator<Item = String>) -> Self {
        Self {
            entries: names.map(Entry::new).collect(),
            records: Vec::new(),
            order: Arc::from([]),
            logged: Health::Unknown,
            news: Vec::new(),
        }
    }

    /// Every address to dial, best first.
    pub(super) fn order(&self) -> Arc<[SocketAddr]> {
        Arc::clone(&self.order)
    }

    /// Every address to check, and what asks for that before its time.
    pub(super) fn checks(&self) -> Vec<(SocketAddr, Arc<Notify>)> {
        let check = |record: &Record| (record.address, Arc::clone(&record.check));
        self.records.iter().map(check).collect()
    }

    /// Whether the first answer for some name is still to come.
    pub(super) fn is_waiting(&self) -> bool {
        self.entries.iter().any(|entry| !entry.answered)
    }

    /// Whether names lead to addresses that are refused.
    pub(super) fn is_forbidden(&self) -> bool {
        self.entries.iter().any(|entry| !entry.refused.is_empty())
    }

    pub(super) fn health(&self) -> Health {
        let waiting = self.is_waiting().then_some(Health::Unknown);
        let records = self.records.iter().map(|record| record.health);
        records.chain(waiting).min().unwrap_or(Health::Down)
    }

    /// Lines to log, as soon as nobody has to wait for it.
    pub(super) fn take_news(&mut self) -> Vec<(Level, String)> {
        mem::take(&mut self.news)
    }

    /// Takes over where `entry` leads now; a bad answer leaves the addresses of the last good one.
    pub(super) fn answered(&mut self, entry: usize, answer: Result<Answer, String>) {
        let Some(entry) = self.entries.get_mut(entry) else {
            return;
        };
        let was_bad = entry.error.is_some();
        entry.take_over(answer);
        match &entry.error {
            Some(error) if !was_bad => {
                let line = format!("{}: {error}; trying on", entry.name);
                self.news.push((Level::Warn, line));
            }
            None if was_bad => {
                let line = format!("{}: found again", entry.name);
                self.news.push((Level::Warn, line));
            }
            _ => {}
        }

        let mut known = mem::take(&mut self.records);
        for address in self.entries.iter().flat_map(|entry| &entry.addresses) {
            if self.records.iter().all(|record| record.address != *address) {
                let same = known.iter().position(|record| record.address == *address);
                let record = same.map(|index| known.swap_remove(index));
                self.records
                    .push(record.unwrap_or_else(|| Record::new(*address)));
            }
        }
        self.arrange();
    }

    /// Tells the record of `address`, if there still is one, what happened.
    pub(super) fn tell(&mut self, address: SocketAddr, what: impl FnOnce(&mut Record)) {
        let Some(record) = self
            .records
            .iter_mut()
            .find(|record| record.address == address)
        else {
            return;
        };
        let before = record.health;
        what(record);
        let after = record.health;
        if before == after {
            return;
        }
        let verdict = match (before, after) {
            (_, Health::Down) => Some("down"),
            (Health::Down, Health::Up) => Some("answers again"),
            _ => None,
        };
        if let Some(verdict) = verdict {
            let error = record.last_error.as_ref();
            let why = error.map_or_else(String::new, |error| format!(": {error}"));
            self.news
                .push((Level::Info, format!("{address}: {verdict}{why}")));
        }
        self.arrange();
    }

    /// How `address` does; down where it is not known any more.
    pub(super) fn health_of(&self, address: SocketAddr) -> Health {
        let record = self.records.iter().find(|record| record.address == address);
        record.map_or(Health::Down, |record| record.health)
    }

    /// What the operator sees. `name` is the upstream's.
    pub(super) fn status(&self, name: &str) -> Status {
        let health = self.health();
        let errors: Vec<_> = self.entries.iter().filter_map(Entry::complaint).collect();
        let last_error = if !errors.is_empty() {
            Some(errors.join("; "))
        } else if health == Health::Up {
            None
        } else {
            self.records
                .iter()
                .find_map(|record| record.last_error.clone())
        };
        Status {
            name: name.to_owned(),
            health,
            addresses: self
                .entries
                .iter()
                .flat_map(|entry| self.entry_status(entry))
                .collect(),
            last_error,
        }
    }

    fn entry_status(&self, entry: &Entry) -> impl Iterator<Item = AddressStatus> {
        let allowed = entry.addresses.iter().filter_map(|address| {
            let record = self
                .records
                .iter()
                .find(|record| record.address == *address)?;
            Some(record.status(&entry.name))
        });
        let refused = entry.refused.iter().map(|(address, reason)| AddressStatus {
            name: entry.name.clone(),
            address: *address,
            health: Health::Down,
            connect_ms: None,
            last_error: Some(format!("refused: {reason}")),
        });
        allowed.chain(refused)
    }

    /// Brings the order up to date, and notes what the log should say of the whole.
    fn arrange(&mut self) {
        let mut records: Vec<_> = self.records.iter().collect();
        records.sort_by_key(|record| record.health);
        self.order = records.iter().map(|record| record.address).collect();

        let health = self.health();
        if health == self.logged {
            return;
        }
        match health {
            // As loud as the bad news that it ends.
            Health::Up if self.logged == Health::Down => {
                self.news.push((Level::Warn, "up again".to_owned()));
            }
            Health::Up => self.news.push((Level::Info, "up".to_owned())),
            Health::Down => self
                .news
                .push((Level::Warn, "down: no address answers".to_owned())),
            Health::Unknown | Health::Failing => return,
        }
        self.logged = health;
    }
}

impl Entry {
    fn new(name: String) -> Self {
        Self {
            name,
            addresses: Vec::new(),
            refused: Vec::new(),
            error: None,
            answered: false,
        }
    }

    fn take_over(&mut self, answer: Result<Answer, String>) {
        self.answered = true;
        match answer {
            Ok(answer) => {
                self.error = answer.error();
                self.refused = answer.refused;
                if !answer.allowed.is_empty() {
                    self.addresses = answer.allowed;
                }
            }
            Err(error) => {
                self.error = Some(error);
                self.refused.clear();
            }
        }
    }

    fn complaint(&self) -> Option<String> {
        let error = self.error.as_ref()?;
        Some(format!("{}: {error}", self.name))
    }
}

#[cfg(test)]
mod tests;
