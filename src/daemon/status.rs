//! How the daemon fares, told in the words of the control socket.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::Daemon;
use super::terminator::Terminator;
use crate::config::Listener;
use crate::control::{Connections, ListenerStatus, SCHEMA, State, Status};
use crate::stats::Totals;
use crate::worker::Report;

/// The most of the init script's words that is read, in bytes.
const MAX_PROBLEMS: u64 = 16 * 1024;

impl Daemon {
    /// How the daemon fares, with what the workers have counted.
    pub fn status(&self, reports: &[Report]) -> Status {
        let sum = |name: &str| {
            let mut sum = Totals::default();
            for totals in reports.iter().filter_map(|report| report.get(name)) {
                sum += totals;
            }
            sum
        };
        let accepted = reports
            .iter()
            .flat_map(Report::values)
            .map(|totals| totals.accepted);
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
            service_problems: self
                .file
                .as_deref()
                .map(problems_beside)
                .unwrap_or_default(),
            host: self.config.host.clone(),
            workers: u32::try_from(self.workers.len()).unwrap_or(u32::MAX),
            memory_bytes: resident_memory().unwrap_or_default(),
            connections: Connections {
                now: self.admission.now().into(),
                peak: self.admission.peak().into(),
                cap: self.cap.connections.into(),
                bound_by: self.cap.bound.name().into(),
                accepted: accepted.sum(),
            },
            listeners: self
                .config
                .listeners
                .iter()
                .map(|listener| listener_status(listener, sum(&listener.name)))
                .collect(),
            upstreams: self
                .upstreams
                .iter()
                .map(|kept| kept.upstream.status())
                .collect(),
            certificate: self.terminator.as_ref().map(Terminator::status),
        }
    }
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
        service: listener.upstream.name.clone(),
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

/// What the init script could not do, and says in a file beside the configuration that it hands us.
fn problems_beside(configuration: &Path) -> Vec<String> {
    let mut text = String::new();
    let path = configuration.with_file_name("problems");
    if path.is_file()
        && let Ok(file) = File::open(path)
    {
        // What is no text, or longer than any init script would write, is not from one.
        let _ = file.take(MAX_PROBLEMS).read_to_string(&mut text);
    }
    text.lines().map(str::to_owned).collect()
}

/// Bytes of memory that this process holds (`proc_pid_statm(5)`).
fn resident_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}
