//! `waproxy metrics`: the status as OpenMetrics text, for a collector. Never the names of a
//! certificate, nor anything of a client.

mod open_metrics;

use std::collections::{BTreeMap, BTreeSet};

use open_metrics::{Label, OpenMetrics};

use super::{Error, Options, print_text};
use crate::allowance::Pause;
use crate::control::{
    BudgetStatus, CertificateStatus, ListenerStatus, Request, State, Status, Whose,
};
use crate::upstream;

/// Prints the metrics.
pub fn run(options: &Options) -> Result<(), Error> {
    print_text(options, Request::Metrics)
}

/// The status as OpenMetrics text.
pub fn render(status: &Status) -> String {
    let mut text = OpenMetrics::default();
    daemon(&mut text, status);
    listeners(&mut text, &status.listeners);
    upstreams(&mut text, &status.upstreams);
    if let Some(status) = &status.certificate {
        certificate(&mut text, status);
    }
    text.finish()
}

fn daemon(text: &mut OpenMetrics, status: &Status) {
    text.info("waproxy_build", "The daemon.")
        .sample(&[("version", &status.version)], &1);
    let connections = &status.connections;
    let draining = u64::from(status.state == State::Draining);
    let errors = status.configuration_errors.len() as u64;
    let (uptime, memory) = (status.uptime_seconds, status.memory_bytes);
    let (now, peak) = (connections.now, connections.peak);
    for (name, help, value) in [
        ("waproxy_uptime_seconds", "Time since the start.", uptime),
        ("waproxy_draining", "1 while the daemon stops.", draining),
        (
            "waproxy_configuration_errors",
            "What kept the file from loading.",
            errors,
        ),
        (
            "waproxy_workers",
            "Threads that carry connections.",
            status.workers.into(),
        ),
        (
            "waproxy_resident_memory_bytes",
            "Memory of the daemon.",
            memory,
        ),
        ("waproxy_connections", "Connections open now.", now),
        (
            "waproxy_people_today",
            "Clients from outside that were served today, roughly.",
            status.people_today.into(),
        ),
        (
            "waproxy_people_week",
            "The same of seven days, each day counted anew.",
            status.people_week.into(),
        ),
        (
            "waproxy_connections_peak",
            "The most that were open at once.",
            peak,
        ),
    ] {
        text.gauge(name, help).sample(&[], &value);
    }
    text.gauge(
        "waproxy_connections_cap",
        "The most that may be open at once.",
    )
    .sample(&[("bound_by", &connections.bound_by)], &connections.cap);
    budget(text, &status.budget);
    text.counter(
        "waproxy_connections_accepted",
        "Connections accepted in all.",
    )
    .sample(&[], &connections.accepted);
}

fn budget(text: &mut OpenMetrics, budget: &BudgetStatus) {
    let help = "1 while nobody is let in, because of that.";
    let mut family = text.gauge("waproxy_paused", help);
    for pause in [Pause::Budget, Pause::Hours] {
        let reason: Label<'_> = ("reason", &pause.reason());
        family.sample(&[reason], &u8::from(budget.pause == Some(pause)));
    }
    if let Some(until) = budget.until_unix {
        let help = "When people are let in again, since 1970.";
        text.gauge("waproxy_paused_until_seconds", help)
            .sample(&[], &until);
    }
    let help = "Bytes on the line in this period: two for each that was carried.";
    text.gauge("waproxy_budget_used_bytes", help)
        .sample(&[], &budget.used_bytes);
    if let Some(bytes) = budget.bytes {
        text.gauge("waproxy_budget_bytes", "Bytes that a period has.")
            .sample(&[], &bytes);
    }
    if let Some(rate) = budget.rate {
        let help = "What all connections may take together in a second.";
        text.gauge("waproxy_rate_bytes", help)
            .sample(&[], &(rate / 8));
    }
}

fn listeners(text: &mut OpenMetrics, listeners: &[ListenerStatus]) {
    let mut family = text.gauge("waproxy_listener_connections", "Connections open now.");
    for listener in listeners {
        family.sample(&labels(listener), &listener.active);
    }
    let mut family = text.counter("waproxy_listener_accepted", "Connections accepted.");
    for listener in listeners {
        family.sample(&labels(listener), &listener.accepted);
    }
    let help = "Bytes carried: up is client to WhatsApp, down is the way back.";
    let mut family = text.counter("waproxy_listener_bytes", help);
    for listener in listeners {
        let (up, down) = (&listener.bytes_up, &listener.bytes_down);
        for (direction, bytes) in [("up", up), ("down", down)] {
            let direction: Label<'_> = ("direction", &direction);
            family.sample(&[&labels(listener)[..], &[direction]].concat(), bytes);
        }
    }
    let mut reasons = |name, help, of: fn(&ListenerStatus) -> &BTreeMap<String, u64>| {
        let mut family = text.counter(name, help);
        for listener in listeners {
            for (reason, count) in of(listener) {
                let reason: Label<'_> = ("reason", reason);
                family.sample(&[&labels(listener)[..], &[reason]].concat(), count);
            }
        }
    };
    let help = "Connections turned away by a rule.";
    reasons("waproxy_listener_refused", help, |listener| {
        &listener.refused
    });
    let help = "All other connections that are over.";
    reasons("waproxy_listener_ended", help, |listener| &listener.ended);
    let help = "Failures to accept a connection.";
    reasons("waproxy_listener_accept_errors", help, |listener| {
        &listener.accept_errors
    });
}

fn labels(listener: &ListenerStatus) -> [Label<'_>; 3] {
    [
        ("listener", &listener.name),
        ("port", &listener.port),
        ("service", &listener.service),
    ]
}

fn upstreams(text: &mut OpenMetrics, upstreams: &[upstream::Status]) {
    let help = "How an upstream fares.";
    let mut family = text.state_set("waproxy_upstream_health", help);
    for upstream in upstreams {
        family.states(&[("upstream", &upstream.name)], upstream.health);
    }
    // A series may stand there once only, but a configuration may name an address twice.
    let mut seen = BTreeSet::new();
    let mut addresses = Vec::new();
    for upstream in upstreams {
        for address in &upstream.addresses {
            if seen.insert((&upstream.name, &address.name, address.address)) {
                let labels: [Label<'_>; 3] = [
                    ("upstream", &upstream.name),
                    ("name", &address.name),
                    ("address", &address.address),
                ];
                addresses.push((labels, address));
            }
        }
    }
    let help = "How an address of an upstream fares.";
    let mut family = text.state_set("waproxy_address_health", help);
    for (labels, address) in &addresses {
        family.states(labels, address.health);
    }
    let help = "Time that the last connect took.";
    let mut family = text.gauge("waproxy_address_connect_seconds", help);
    for (labels, address) in &addresses {
        if let Some(ms) = address.connect_ms {
            family.sample(labels, &format_args!("{}.{:03}", ms / 1000, ms % 1000));
        }
    }
}

fn certificate(text: &mut OpenMetrics, certificate: &CertificateStatus) {
    let whose = match certificate.whose {
        Whose::Operator => "operator",
        Whose::Own => "own",
    };
    text.info("waproxy_certificate", "The certificate in use.")
        .sample(&[("sha256", &certificate.sha256), ("whose", &whose)], &1);
    let help = "When the certificate ends, since 1970.";
    text.gauge("waproxy_certificate_not_after_seconds", help)
        .sample(&[], &certificate.not_after_unix);
}
