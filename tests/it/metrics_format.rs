//! The text of `waproxy metrics`, read by the OpenMetrics parser of Prometheus' own client.

#![allow(clippy::unwrap_used)] // A test that meets what it does not expect may well panic.

use std::env;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use waproxy::command::metrics;
use waproxy::control::Status;

/// Prints the families as `{name: [type, unit, [[sample, labels, value], …]]}`.
const PARSER: &str = r"
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
sys.stdin.reconfigure(encoding='utf-8', newline='')
families = {}
for family in text_string_to_metric_families(sys.stdin.read()):
    assert family.name not in families, family.name
    assert family.documentation, family.name
    series = [(sample.name, sorted(sample.labels.items())) for sample in family.samples]
    assert all(one not in series[:i] for i, one in enumerate(series)), family.name
    samples = [[sample.name, sample.labels, float(sample.value)] for sample in family.samples]
    families[family.name] = [family.type, family.unit, samples]
print(json.dumps(families))
";

const NASTY: &str = "a\"b\\c\nd}e,f=\"g\" ä {\\n# EOF\r\u{1b}\\";

#[test]
fn the_parser_reads_what_the_status_says() {
    let families = parse(&metrics::render(&example()));
    let listener = json!({ "listener": "chat_tls", "port": "443", "service": "chat" });
    let with = |label: &str, value: &str| {
        let mut labels = listener.clone();
        labels[label] = value.into();
        labels
    };
    assert_eq!(families["waproxy_build"][0], "info");
    assert_eq!(families["waproxy_uptime_seconds"][1], "seconds");
    let cap = sample(&families, "waproxy_connections_cap", 0);
    let bound_by = json!({ "bound_by": "nf_conntrack_max" });
    assert_eq!(*cap, json!(["waproxy_connections_cap", bound_by, 4096.0]));
    assert_eq!(families["waproxy_listener_accepted"][0], "counter");
    let accepted = sample(&families, "waproxy_listener_accepted", 0);
    let name = "waproxy_listener_accepted_total";
    assert_eq!(*accepted, json!([name, listener, 1_234_067.0]));
    assert_eq!(families["waproxy_listener_bytes"][1], "bytes");
    let up = sample(&families, "waproxy_listener_bytes", 0);
    let name = "waproxy_listener_bytes_total";
    assert_eq!(*up, json!([name, with("direction", "up"), 1_503_238_553.0]));
    let refused = sample(&families, "waproxy_listener_refused", 1);
    let name = "waproxy_listener_refused_total";
    assert_eq!(
        *refused,
        json!([name, with("reason", "max_rate_per_client"), 1204.0])
    );
    let connect = sample(&families, "waproxy_address_connect_seconds", 0);
    assert_eq!(connect[2], 0.023);
    let failing = sample(&families, "waproxy_address_health", 6);
    assert_eq!(failing[1]["waproxy_address_health"], "failing");
    assert_eq!(failing[2], 1.0);
    let end = sample(&families, "waproxy_certificate_not_after_seconds", 0);
    assert_eq!(end[2], 2_101_161_600.0);
}

#[test]
fn no_text_of_a_label_breaks_the_format() {
    let mut status = example();
    status.version = NASTY.into();
    status.connections.bound_by = NASTY.into();
    let listener = &mut status.listeners[0];
    listener.name = NASTY.into();
    listener.service = NASTY.into();
    listener.refused = [(NASTY.into(), u64::MAX)].into();
    status.upstreams[0].name = NASTY.into();
    status.upstreams[0].addresses[0].name = NASTY.into();
    let families = parse(&metrics::render(&status));
    let refused = sample(&families, "waproxy_listener_refused", 0);
    for label in ["listener", "service", "reason"] {
        assert_eq!(refused[1][label], NASTY);
    }
    let address = sample(&families, "waproxy_address_health", 0);
    assert_eq!(address[1]["upstream"], NASTY);
    assert_eq!(address[1]["name"], NASTY);
}

#[test]
fn an_address_that_is_named_twice_is_one_series() {
    let mut status = example();
    let address = status.upstreams[0].addresses[0].clone();
    status.upstreams[0].addresses.push(address);
    parse(&metrics::render(&status));
}

#[test]
fn a_status_without_anything_is_valid_too() {
    let mut status = example();
    status.listeners.clear();
    status.upstreams.clear();
    status.certificate = None;
    parse(&metrics::render(&status));
}

fn example() -> Status {
    serde_json::from_str(include_str!("../../src/control/status.json")).unwrap()
}

fn sample<'a>(families: &'a Value, family: &str, n: usize) -> &'a Value {
    &families[family][2][n]
}

fn parse(text: &str) -> Value {
    let python = env::var_os("WAPROXY_TEST_PYTHON");
    let python = python.expect("WAPROXY_TEST_PYTHON names a python that has prometheus_client");
    let mut parser = Command::new(python)
        .args(["-c", PARSER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = parser.stdin.take().unwrap();
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "the parser refuses:\n{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}
