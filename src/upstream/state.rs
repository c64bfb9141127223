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
        let entry = &mut self.entries[entry];
        let was_bad = entry.error.is_some();
        entry.take_over(answer);
        match &entry.error {
            Some(error) if !was_bad => {
                let line = format!("{}: {error}; trying on", entry.name);
                self.news.push((Level::Warn, line));
            }
            None if was_bad => {
                let line = format!("{}: found again", entry.name);
                self.news.push((Level::Info, line));
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
mod tests {
    use std::time::Duration;

    use rustix::io::Errno;

    use super::super::DialError;
    use super::*;

    const TOOK: Duration = Duration::from_millis(42);

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn answer(addresses: &[&str]) -> Answer {
        Answer::new(addresses.iter().map(|text| address(text)), false)
    }

    fn refused() -> DialError {
        DialError::Connect(Errno::CONNREFUSED.into())
    }

    fn order(state: &State) -> Vec<String> {
        state.order().iter().map(ToString::to_string).collect()
    }

    fn news(state: &mut State) -> Vec<String> {
        state
            .take_news()
            .into_iter()
            .map(|(level, line)| format!("{level} {line}"))
            .collect()
    }

    /// Two names with two addresses each.
    fn two_names() -> State {
        let mut state = State::new(["a:1".to_owned(), "b:1".to_owned()].into_iter());
        state.answered(0, Ok(answer(&["1.1.1.1:1", "1.1.1.2:1"])));
        state.answered(1, Ok(answer(&["1.1.2.1:1", "1.1.2.2:1"])));
        state
    }

    #[test]
    fn healthy_addresses_come_first_and_then_the_order_of_the_configuration() {
        let mut state = two_names();
        assert_eq!(
            order(&state),
            ["1.1.1.1:1", "1.1.1.2:1", "1.1.2.1:1", "1.1.2.2:1"]
        );

        state.tell(address("1.1.2.1:1"), |record| record.connected(TOOK));
        assert_eq!(
            order(&state),
            ["1.1.2.1:1", "1.1.1.1:1", "1.1.1.2:1", "1.1.2.2:1"]
        );

        state.tell(address("1.1.1.1:1"), |record| {
            record.dial_failed(&refused());
        });
        assert_eq!(
            order(&state),
            ["1.1.2.1:1", "1.1.1.2:1", "1.1.2.2:1", "1.1.1.1:1"]
        );

        for _ in 0..3 {
            state.tell(address("1.1.1.2:1"), |record| {
                record.check_failed(&refused());
            });
        }
        assert_eq!(
            order(&state),
            ["1.1.2.1:1", "1.1.2.2:1", "1.1.1.1:1", "1.1.1.2:1"]
        );

        state.tell(address("1.1.1.2:1"), |record| record.connected(TOOK));
        assert_eq!(
            order(&state),
            ["1.1.1.2:1", "1.1.2.1:1", "1.1.2.2:1", "1.1.1.1:1"]
        );
    }

    #[test]
    fn checks_alone_take_an_address_down_and_one_connection_brings_it_up() {
        let mut state = State::new(["a:1".to_owned()].into_iter());
        state.answered(0, Ok(answer(&["1.1.1.1:1"])));
        let only = address("1.1.1.1:1");
        for _ in 0..10 {
            state.tell(only, |record| record.dial_failed(&refused()));
            assert_eq!(state.health(), Health::Failing);
        }
        state.tell(only, |record| record.check_failed(&refused()));
        state.tell(only, |record| record.check_failed(&refused()));
        assert_eq!(state.health(), Health::Failing);
        state.tell(only, |record| record.connected(TOOK));
        assert_eq!(state.health(), Health::Up);
        for _ in 0..3 {
            assert_ne!(state.health(), Health::Down);
            state.tell(only, |record| record.check_failed(&refused()));
        }
        assert_eq!(state.health(), Health::Down);
        state.tell(only, |record| record.connected(TOOK));
        assert_eq!(state.health(), Health::Up);
    }

    #[test]
    fn the_log_gets_a_line_a_change_and_none_a_failure() {
        let mut state = State::new(["a:1".to_owned()].into_iter());
        let only = address("1.1.1.1:1");
        for _ in 0..3 {
            state.answered(0, Err("no DNS".to_owned()));
        }
        assert_eq!(
            news(&mut state),
            [
                "WARN a:1: no DNS; trying on",
                "WARN down: no address answers"
            ],
        );

        state.answered(0, Ok(answer(&["1.1.1.1:1"])));
        state.tell(only, |record| record.connected(TOOK));
        state.tell(only, |record| record.connected(TOOK));
        assert_eq!(news(&mut state), ["INFO a:1: found again", "INFO up"]);

        for _ in 0..10 {
            state.tell(only, |record| record.dial_failed(&refused()));
            state.tell(only, |record| record.check_failed(&refused()));
        }
        assert_eq!(
            news(&mut state),
            [
                "INFO 1.1.1.1:1: down: Connection refused (os error 111)",
                "WARN down: no address answers",
            ],
        );

        state.tell(only, |record| record.connected(TOOK));
        assert_eq!(
            news(&mut state),
            ["INFO 1.1.1.1:1: answers again", "INFO up"]
        );
    }

    #[test]
    fn a_bad_answer_leaves_the_last_good_one() {
        let mut state = two_names();
        let before = order(&state);
        for bad in [
            Err("no DNS".to_owned()),
            Ok(answer(&[])),
            Ok(answer(&["10.0.0.1:1", "[::1]:1"])),
        ] {
            state.answered(0, bad);
            assert_eq!(order(&state), before);
        }
        let status = state.status("chat");
        assert_eq!(
            status.last_error.as_deref(),
            Some("a:1: leads to 10.0.0.1, a private address: refused"),
        );
        let refused: Vec<_> = status
            .addresses
            .iter()
            .filter_map(|a| a.last_error.as_deref())
            .collect();
        assert_eq!(
            refused,
            ["refused: private address", "refused: loopback address"]
        );
    }

    #[test]
    fn a_good_answer_replaces_the_last_but_not_what_is_known_of_its_addresses() {
        let mut state = two_names();
        state.tell(address("1.1.1.2:1"), |record| record.connected(TOOK));
        let checks = state.checks();
        state.answered(0, Ok(answer(&["1.1.1.3:1", "1.1.1.2:1"])));
        assert_eq!(
            order(&state),
            ["1.1.1.2:1", "1.1.1.3:1", "1.1.2.1:1", "1.1.2.2:1"]
        );
        assert_eq!(state.health_of(address("1.1.1.2:1")), Health::Up);
        assert_eq!(state.health_of(address("1.1.1.3:1")), Health::Unknown);
        assert!(Arc::ptr_eq(&checks[1].1, &state.checks()[1].1));
    }

    #[test]
    fn an_address_of_two_names_is_one_address() {
        let mut state = two_names();
        state.answered(1, Ok(answer(&["1.1.1.1:1"])));
        state.tell(address("1.1.1.1:1"), |record| record.connected(TOOK));
        assert_eq!(order(&state), ["1.1.1.1:1", "1.1.1.2:1"]);
        let status = state.status("chat");
        let names: Vec<_> = status
            .addresses
            .iter()
            .map(|a| (a.name.as_str(), a.connect_ms))
            .collect();
        assert_eq!(names, [("a:1", Some(42)), ("a:1", None), ("b:1", Some(42))]);
    }

    #[test]
    fn our_own_shortage_is_not_held_against_an_address() {
        let mut state = two_names();
        state.tell(address("1.1.1.1:1"), |record| record.connected(TOOK));
        let shortage = DialError::Connect(Errno::MFILE.into());
        state.tell(address("1.1.1.1:1"), |record| record.dial_failed(&shortage));
        for _ in 0..3 {
            state.tell(address("1.1.1.1:1"), |record| {
                record.check_failed(&shortage);
            });
        }
        assert_eq!(state.health_of(address("1.1.1.1:1")), Health::Up);
    }

    #[test]
    fn status_says_what_was_never_found() {
        let mut state = State::new(["a:1".to_owned(), "b:1".to_owned()].into_iter());
        assert_eq!(state.status("chat").health, Health::Unknown);
        state.answered(0, Err("no DNS".to_owned()));
        state.answered(1, Ok(answer(&["192.168.1.1:1"])));
        let status = state.status("chat");
        assert_eq!(status.health, Health::Down);
        assert_eq!(
            status.last_error.as_deref(),
            Some("a:1: no DNS; b:1: leads to 192.168.1.1, a private address: refused"),
        );
        let json = serde_json::to_value(&status).unwrap();
        assert_eq!(
            json["addresses"][0],
            serde_json::json!({
                "name": "b:1",
                "address": "192.168.1.1:1",
                "health": "down",
                "connect_ms": null,
                "last_error": "refused: private address",
            }),
        );
    }
}
