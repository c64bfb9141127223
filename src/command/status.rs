//! `waproxy status`: how the daemon fares, for a person at a terminal or as it comes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::table::{Align, Column, field, table};
use super::{Error, Options, certificate, health_word, print, print_text};
use crate::control::{self, BudgetStatus, HostSource, ListenerStatus, Request, State, Status};
use crate::upstream;

/// Prints the status: a table, or with `json` the daemon's own answer.
pub fn run(options: &Options, json: bool) -> Result<(), Error> {
    if json {
        print(&(control::ask(&options.control()?, Request::Status)? + "\n"))
    } else {
        print_text(options, Request::StatusText)
    }
}

/// The status for a terminal of 80 columns.
pub fn render(status: &Status) -> String {
    let mut out = String::new();
    summary(&mut out, status);
    if !status.listeners.is_empty() {
        out.push('\n');
        listeners(&mut out, &status.listeners);
    }
    let reasons = reasons(&status.listeners);
    if !reasons.is_empty() {
        out.push('\n');
        table(&mut out, REASONS, &reasons);
    }
    if !status.upstreams.is_empty() {
        out.push('\n');
        upstreams(&mut out, &status.upstreams);
    }
    if let Some(status) = &status.certificate {
        out.push('\n');
        out += &certificate::render(status);
    }
    out
}

const LISTENERS: &[Column] = &[
    Column("LISTENER", Align::Left, 80),
    Column("PORT", Align::Left, 12),
    Column("SERVICE", Align::Left, 8),
    Column("TLS", Align::Left, 3),
    Column("ACTIVE", Align::Right, 6),
    Column("ACCEPTED", Align::Right, 8),
    Column("REFUSED", Align::Right, 7),
    Column("UP", Align::Right, 5),
    Column("DOWN", Align::Right, 5),
];

const REASONS: &[Column] = &[
    Column("LISTENER", Align::Left, 40),
    Column("WHAT", Align::Left, 12),
    Column("REASON", Align::Left, 40),
    Column("COUNT", Align::Right, 6),
];

const UPSTREAMS: &[Column] = &[
    Column("UPSTREAM", Align::Left, 40),
    Column("HEALTH", Align::Left, 7),
    Column("ADDRESS", Align::Left, 49),
    Column("CONNECT", Align::Right, 8),
];

/// What concerns the daemon as a whole.
fn summary(out: &mut String, status: &Status) {
    let state = match status.state {
        State::Draining => "draining",
        State::Running => "running",
    };
    let uptime = duration(status.uptime_seconds);
    let state = format!("{state}, started {uptime} ago, version {}", status.version);
    field(out, "waproxy", &state);
    let file = status.configuration_file.as_deref();
    field(
        out,
        "configuration",
        file.unwrap_or("the default, built in"),
    );
    for error in &status.configuration_errors {
        field(out, "  not loaded", error);
    }
    for problem in &status.service_problems {
        field(out, "problem", problem);
    }
    address(out, status);
    let connections = &status.connections;
    let (now, peak, cap) = (connections.now, connections.peak, connections.cap);
    let bound_by = &connections.bound_by;
    let text = format!("{now} now, {peak} at the peak, at most {cap} ({bound_by})");
    field(out, "connections", &text);
    let today = &status.today;
    let (up, down) = (bytes(today.bytes_up), bytes(today.bytes_down));
    let connections = count(today.connections);
    let s = if today.connections == 1 { "" } else { "s" };
    let text = format!("{up} up and {down} down in {connections} connection{s}");
    field(out, "today", &text);
    let (people, week) = (status.people_today, status.people_week);
    let text = format!("about {people} today, {week} in seven days (each day counted anew)");
    field(out, "people", &text);
    budget(out, &status.budget);
    let outside = status.last_outside_seconds.map_or_else(
        || "no connection since the start".into(),
        |seconds| format!("the last connection {} ago", duration(seconds)),
    );
    field(out, "from outside", &outside);
    let (memory, workers) = (bytes(status.memory_bytes), status.workers);
    let s = if workers == 1 { "" } else { "s" };
    field(out, "memory", &format!("{memory}, {workers} worker{s}"));
}

/// What people are to enter, how it leads here, and what stands in its way.
fn address(out: &mut String, status: &Status) {
    let address = &status.address;
    if let Some(host) = &address.host {
        let source = match address.source {
            Some(HostSource::Ddns) => " (dynamic DNS)",
            Some(HostSource::Gateway) => " (of the router in front)",
            Some(HostSource::Own) => " (of this machine)",
            Some(HostSource::Option) | None => "",
        };
        field(out, "host", &format!("{host}{source}"));
    }
    if let Some(mapping) = &status.port_mapping {
        let gateway = mapping.gateway.map(|gateway| gateway.to_string());
        let gateway = gateway.as_deref().unwrap_or("no router");
        let granted = mapping.ports.iter().filter_map(|port| {
            let external = port.external_port?;
            Some(format!("{external}->{}", port.internal_port))
        });
        let granted: Vec<_> = granted.collect();
        let text = match &mapping.error {
            Some(error) => format!("{gateway}: {error}"),
            None if mapping.gateway.is_none() => "being asked".to_owned(),
            None if mapping.ports.is_empty() => "not needed".to_owned(),
            None if granted.is_empty() => format!("{gateway} opens no port"),
            None => format!("{gateway} opens {}", granted.join(", ")),
        };
        field(out, "port mapping", &text);
    }
    for hint in &status.hints {
        field(out, "hint", hint);
    }
}

/// Whether people are let in, and what is left; nothing where there is no budget.
fn budget(out: &mut String, budget: &BudgetStatus) {
    if let (Some(pause), Some(until)) = (budget.pause, &budget.until) {
        let why = pause.in_words();
        field(out, "closed", &format!("until {until}: {why}"));
    }
    if let Some(all) = budget.bytes {
        // As it is written in the configuration.
        let [used, all] = [budget.used_bytes, all].map(|bytes| short(bytes, 1000, "B"));
        field(out, "budget", &format!("{used} of {all} on the line"));
    }
    if let Some(rate) = budget.rate {
        let rate = short(rate, 1000, "");
        field(out, "rate", &format!("{rate}bit/s for all together"));
    }
}

fn listeners(out: &mut String, listeners: &[ListenerStatus]) {
    let row = |listener: &ListenerStatus| {
        let mut port = listener.port.to_string();
        if listener.bind_port != listener.port {
            let _ = write!(port, "->{}", listener.bind_port);
        }
        if let Some(address) = listener.bind_address {
            let _ = write!(port, " on {address}");
        }
        let tls = if listener.tls { "yes" } else { "no" };
        vec![
            listener.name.clone(),
            port,
            listener.service.clone(),
            tls.into(),
            count(listener.active),
            count(listener.accepted),
            count(listener.refused.values().sum()),
            bytes(listener.bytes_up),
            bytes(listener.bytes_down),
        ]
    };
    let rows: Vec<_> = listeners.iter().map(row).collect();
    table(out, LISTENERS, &rows);
}

/// Why connections were refused or ended, for each listener that has any.
fn reasons(listeners: &[ListenerStatus]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for listener in listeners {
        let mut name = listener.name.clone();
        let mut add = |what: &str, reasons: &BTreeMap<String, u64>| {
            for (reason, times) in reasons.iter().filter(|(_, times)| **times > 0) {
                let name = std::mem::take(&mut name);
                rows.push(vec![name, what.into(), reason.clone(), count(*times)]);
            }
        };
        add("refused", &listener.refused);
        add("ended", &listener.ended);
        add("accept error", &listener.accept_errors);
    }
    rows
}

/// A row an upstream, below it one for each of its names, and below that one for each address.
fn upstreams(out: &mut String, upstreams: &[upstream::Status]) {
    let mut rows = Vec::new();
    for upstream in upstreams {
        let error = upstream.last_error.clone().unwrap_or_default();
        let head = [upstream.name.clone(), health_word(upstream.health).into()];
        rows.push([&head[..], &[error, String::new()]].concat());
        let mut name = "";
        for address in &upstream.addresses {
            if name != address.name {
                name = &address.name;
                rows.push(vec![
                    String::new(),
                    String::new(),
                    name.into(),
                    String::new(),
                ]);
            }
            let connect = address.connect_ms.map(|ms| format!("{ms} ms"));
            rows.push(vec![
                String::new(),
                health_word(address.health).into(),
                format!("  {}", address.address),
                connect.unwrap_or_default(),
            ]);
            if let Some(error) = &address.last_error {
                let error = format!("  {error}");
                rows.push(vec![String::new(), String::new(), error, String::new()]);
            }
        }
    }
    table(out, UPSTREAMS, &rows);
}

/// A number of bytes in at most five characters.
fn bytes(bytes: u64) -> String {
    short(bytes, 1024, "B")
}

/// A number of things in at most six characters.
fn count(things: u64) -> String {
    if things < 1_000_000 {
        things.to_string()
    } else {
        short(things, 1000, "")
    }
}

/// A number in thousands (`step` 1000 or 1024), millions and so on, else in `one`. Rounded down.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "a step is 1000 or 1024, and a rest is less than that"
)]
fn short(number: u64, step: u64, one: &str) -> String {
    let (mut value, mut rest) = (number, 0);
    let mut units = [one, "K", "M", "G", "T", "P", "E"].into_iter();
    let mut unit = units.next();
    while value >= step {
        rest = value % step;
        value /= step;
        unit = units.next();
    }
    let unit = unit.unwrap_or("");
    if value < 10 && number >= step {
        format!("{value}.{}{unit}", rest * 10 / step)
    } else {
        format!("{value}{unit}")
    }
}

/// Seconds in their two largest units.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    if days > 0 {
        format!("{days} d {} h", hours % 24)
    } else if hours > 0 {
        format!("{hours} h {} min", minutes % 60)
    } else if minutes > 0 {
        format!("{minutes} min {} s", seconds % 60)
    } else {
        format!("{seconds} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Status {
        serde_json::from_str(include_str!("../control/status.json")).unwrap()
    }

    #[test]
    fn the_table_says_what_a_volunteer_wants_to_know() {
        let text = render(&example());
        for part in [
            "running, started 3 d 4 h ago",
            "option port '70000'",
            "problem        port 587 stays closed",
            "host           proxy.example.org\n",
            "port mapping   192.168.178.1 opens 443->443\n",
            "hint           have the router in front",
            "19 now, 87 at the peak, at most 4096 (nf_conntrack_max)",
            "today          51M up and 6.0G down in 4321 connections\n",
            "people         about 23 today, 140 in seven days (each day counted anew)\n",
            "closed         until 2026-12-01 07:00: the budget is used up\n",
            "budget         50G of 50G on the line\n",
            "rate           20Mbit/s for all together\n",
            "from outside   the last connection 3 min 5 s ago\n",
            "chat_tls  443->10443    chat     yes      12      1.2M     1221   1.3G  7.0G\n",
            "media     587->10587    media    no        7       500        0  1023B   15E\n",
            "chat_tls  refused       max_connections_per_client     17\n",
            "chat      up\n",
            "          up         157.240.252.61:5222                                23 ms\n",
            "Network unreachable",
            "certificate    qvtmrelk.net\n",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }

    #[test]
    fn nobody_from_outside_is_told_too() {
        let status = Status {
            last_outside_seconds: None,
            ..example()
        };
        let outside = "from outside   no connection since the start\n";
        assert!(render(&status).contains(outside));
    }

    #[test]
    fn nothing_is_wider_than_a_terminal() {
        let mut status = example();
        let long = "long-and-ä-".repeat(30);
        status.configuration_errors.push(long.clone());
        status.service_problems.push(long.clone());
        status.configuration_file = Some(long.clone());
        status.host = Some(long.clone());
        status.address.host = Some(long.clone());
        status.hints.push(long.clone());
        status.port_mapping.as_mut().unwrap().error = Some(long.clone());
        status.connections.bound_by.clone_from(&long);
        for listener in &mut status.listeners {
            listener.name.clone_from(&long);
            listener.service.clone_from(&long);
            listener.bind_address = Some("2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap());
            (listener.port, listener.bind_port) = (55_555, 65_535);
            (listener.active, listener.accepted) = (u64::MAX, u64::MAX);
            (listener.bytes_up, listener.bytes_down) = (u64::MAX, u64::MAX / 1000);
            listener.refused = [(long.clone(), u64::MAX)].into();
        }
        for upstream in &mut status.upstreams {
            upstream.name.clone_from(&long);
            upstream.last_error = Some(long.clone());
            for address in &mut upstream.addresses {
                address.name.clone_from(&long);
                address.connect_ms = Some(65_535);
                address.address = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"
                    .parse()
                    .unwrap();
            }
        }
        let certificate = status.certificate.as_mut().unwrap();
        certificate.names = vec![long.clone(); 9];
        certificate.error = Some(long);
        let text = render(&status);
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
        let whole = |line: &str| line.contains("5:6666]:65535 ") && line.ends_with(" 65535 ms");
        assert!(text.lines().any(whole), "{text}");
    }

    #[test]
    fn numbers_are_short() {
        for (number, text) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.0K"),
            (10_239, "9.9K"),
            (10_240, "10K"),
            (1_048_575, "1023K"),
            (1_048_576, "1.0M"),
            (u64::MAX, "15E"),
        ] {
            assert_eq!(bytes(number), text);
        }
        assert_eq!(count(999_999), "999999");
        assert_eq!(count(1_990_000), "1.9M");
        assert_eq!(count(u64::MAX), "18E");
    }

    #[test]
    fn durations_have_two_units() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7_260), "2 h 1 min");
        assert_eq!(duration(90_000), "1 d 1 h");
    }
}
