//! How the daemon fares, told in the words of the control socket.

use std::collections::BTreeMap;
use std::fs;

use super::Daemon;
use super::days::Day;
use super::handed::{self, handed};
use super::terminator::Terminator;
use crate::config::{self, Listener};
use crate::control::{
    self, Connections, History, HostSource, ListenerStatus, NO_HOST, SCHEMA, Share, State, Status,
};
use crate::port_mapping::PortMapping;
use crate::share::share;
use crate::stats::{Carried, Totals};
use crate::worker::Report;

/// Seconds after which it proves nothing any more that somebody came from outside.
const DAY: u32 = 86_400;

impl Daemon {
    /// How the daemon fares, with what the workers have counted.
    pub fn status(&self, reports: &[Report]) -> Status {
        let sum = sum(reports.iter().flat_map(Report::values));
        let carried = Carried::from(&sum);
        let today = self.whole_day(carried);
        let mapping = self.port_mapping.as_ref().map(PortMapping::status);
        let address = self.address(mapping.as_ref());
        let proven = sum.last_outside.is_some_and(|seconds| seconds < DAY);
        let hints = if proven {
            Vec::new()
        } else {
            self.hints(&address, mapping.as_ref())
        };
        Status {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_seconds: self.started.elapsed().as_secs(),
            state: if self.draining {
                State::Draining
            } else {
                State::Running
            },
            configuration_file: self.file.as_ref().map(|file| file.display().to_string()),
            configuration_errors: self.errors.clone(),
            service_problems: handed(self.file.as_deref(), "problems")
                .lines()
                .map(str::to_owned)
                .collect(),
            host: self.config.host.clone(),
            address,
            port_mapping: mapping,
            hints,
            workers: u32::try_from(self.workers.len()).unwrap_or(u32::MAX),
            memory_bytes: resident_memory().unwrap_or_default(),
            connections: Connections {
                now: self.admission.now().into(),
                peak: self.admission.peak().into(),
                cap: self.cap.connections.into(),
                bound_by: self.cap.bound.name().into(),
                accepted: carried.connections,
            },
            last_outside_seconds: sum.last_outside.map(u64::from),
            today: today.carried,
            people_today: today.people,
            people_week: self.days.people_of_week(today),
            budget: self.budget.status(),
            listeners: self.listeners(reports),
            upstreams: self
                .upstreams
                .iter()
                .map(|kept| kept.upstream.status())
                .collect(),
            certificate: self.terminator.as_ref().map(Terminator::status),
        }
    }

    /// Takes a sample of what the workers have counted, looks whether more may be carried, forgets who
    /// has left, and tries again to keep a certificate that could not be kept. To be called every
    /// [`INTERVAL`](super::INTERVAL).
    pub fn sample(&mut self, reports: &[Report]) {
        let carried = carried(reports);
        self.look_at_clock(carried);
        self.look_at_address();
        self.admission.forget();
        self.history.add(carried, self.admission.now());
        self.days.save(self.whole_day(carried), false);
        self.budget.keep();
        if let Some(terminator) = &mut self.terminator {
            terminator.keep();
        }
    }

    /// Writes what a restart is to find again. To be called once, at the end.
    pub fn save(&mut self, reports: &[Report]) {
        let carried = carried(reports);
        self.look_at_clock(carried);
        self.budget.save();
        if handed::forgets(self.file.as_deref()) {
            self.days.keep(&self.state_dir, false);
        }
        self.days.save(self.whole_day(carried), true);
    }

    /// What was carried on each of the last thirty days.
    pub fn days(&self, reports: &[Report]) -> Vec<control::Day> {
        self.days.told(self.whole_day(carried(reports)))
    }

    /// Has days begin and end, and the budget be kept, now that so much was `carried`.
    pub(super) fn look_at_clock(&mut self, carried: Carried) {
        let day = self.day(carried);
        self.carried = carried;
        let look = self.look();
        if self.today.look(look.unix, look.uptime, carried) {
            self.days.add(day);
            self.admission.begin_day();
        }
        self.budget.look(look);
    }

    /// Today since the start.
    fn day(&self, carried: Carried) -> Day {
        Day {
            number: self.today.number(),
            carried: self.today.of(carried),
            people: self.admission.people(),
        }
    }

    /// Today, with what was before a restart.
    fn whole_day(&self, carried: Carried) -> Day {
        self.days.whole(self.day(carried))
    }

    /// What was carried in the last ten minutes.
    pub fn history(&self) -> History {
        self.history.told()
    }

    /// The link to the proxy for people who reach it as `host`, or as they best do.
    pub fn share(&self, host: Option<&str>) -> Result<Share, String> {
        let mapping = self.port_mapping.as_ref().map(PortMapping::status);
        let mut listeners = self.listeners(&[]);
        for listener in &mut listeners {
            // Where the router in front gave another port than was asked for.
            let ports = mapping.iter().flat_map(|mapping| &mapping.ports);
            let mut granted = ports.filter(|port| port.port == listener.port);
            let granted = granted.find_map(|port| port.external_port);
            listener.port = granted.unwrap_or(listener.port);
        }
        let to = |host: &str| {
            let shared = share(&listeners, host);
            shared.map_err(|error| error.to_string())
        };
        if let Some(host) = host {
            return to(&config::public_host(host)?);
        }
        let address = self.address(mapping.as_ref());
        let hints = self.hints(&address, mapping.as_ref());
        let Some(host) = &address.host else {
            // What is wrong with any host comes first.
            to("")?;
            return Err([&[NO_HOST.to_owned()][..], &hints].concat().join("; "));
        };
        let mut share = to(host)?;
        if address.source != Some(HostSource::Option) {
            share.hints = hints;
        }
        Ok(share)
    }

    fn listeners(&self, reports: &[Report]) -> Vec<ListenerStatus> {
        let status = |listener: &Listener| {
            let of_each = reports.iter().filter_map(|one| one.get(&listener.name));
            listener_status(listener, sum(of_each))
        };
        self.config.listeners.iter().map(status).collect()
    }
}

/// What was carried since the start.
fn carried(reports: &[Report]) -> Carried {
    Carried::from(&sum(reports.iter().flat_map(Report::values)))
}

fn sum<'a>(of_each: impl Iterator<Item = &'a Totals>) -> Totals {
    let mut sum = Totals::default();
    for totals in of_each {
        sum.add(totals);
    }
    sum
}

fn listener_status(listener: &Listener, totals: Totals) -> ListenerStatus {
    let by_reason = |counts: BTreeMap<&'static str, u64>| {
        let owned = |(reason, count): (&str, u64)| (reason.to_owned(), count);
        counts.into_iter().map(owned).collect()
    };
    ListenerStatus {
        name: listener.name.clone(),
        port: listener.port.get(),
        bind_port: listener.bind_port.get(),
        bind_address: listener.bind_address,
        service: listener.service().to_owned(),
        tls: listener.tls,
        accept_proxy: listener.accept_proxy,
        active: totals.active,
        accepted: totals.accepted,
        refused: by_reason(totals.refused),
        ended: by_reason(totals.ended),
        accept_errors: by_reason(totals.accept_errors),
        bytes_up: totals.bytes_up,
        bytes_down: totals.bytes_down,
    }
}

/// Bytes of memory that this process holds (`proc_pid_status(5)`). In kB there, and not in pages, the
/// size of which is in a file that the sandbox closes.
fn resident_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kilobytes.checked_mul(1024)
}
