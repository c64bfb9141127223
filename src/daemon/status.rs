//! How the daemon fares, told in the words of the control socket.

use std::collections::BTreeMap;
use std::fs;

use super::Daemon;
use super::handed::handed;
use super::terminator::Terminator;
use crate::config::{self, Listener};
use crate::control::{Connections, History, ListenerStatus, NO_HOST, SCHEMA, Share, State, Status};
use crate::share::share;
use crate::stats::{Carried, Totals};
use crate::worker::Report;

impl Daemon {
    /// How the daemon fares, with what the workers have counted.
    pub fn status(&self, reports: &[Report]) -> Status {
        let sum = sum(reports.iter().flat_map(Report::values));
        let carried = Carried::from(&sum);
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
            today: self.today.of(carried),
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

    /// Takes a sample of what the workers have counted, looks whether more may be carried, and tries again to keep a certificate that
    /// could not be kept. To be called every [`INTERVAL`](super::INTERVAL).
    pub fn sample(&mut self, reports: &[Report]) {
        let carried = Carried::from(&sum(reports.iter().flat_map(Report::values)));
        self.carried = carried;
        let look = self.look();
        self.today.look(look.unix, look.uptime, carried);
        self.budget.look(look);
        self.history.add(carried, self.admission.now());
        if let Some(terminator) = &mut self.terminator {
            terminator.keep();
        }
    }

    /// What was carried in the last ten minutes.
    pub fn history(&self) -> History {
        self.history.told()
    }

    /// The link to the proxy for people who reach it as `host`, or as the configuration says.
    pub fn share(&self, host: Option<&str>) -> Result<Share, String> {
        let to = |host: &str| {
            let shared = share(&self.listeners(&[]), host);
            shared.map_err(|error| error.to_string())
        };
        let Some(host) = host.or(self.config.host.as_deref()) else {
            // What is wrong with any host comes first.
            to("")?;
            return Err(NO_HOST.into());
        };
        to(&config::public_host(host)?)
    }

    fn listeners(&self, reports: &[Report]) -> Vec<ListenerStatus> {
        let status = |listener: &Listener| {
            let of_each = reports.iter().filter_map(|one| one.get(&listener.name));
            listener_status(listener, sum(of_each))
        };
        self.config.listeners.iter().map(status).collect()
    }
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
