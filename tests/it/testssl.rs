//! What testssl.sh finds at the chat port.

use std::fs;
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::process::run_within;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

/// What a self-signed certificate is bound to get, and why.
const EXPECTED: [(&str, &str); 4] = [
    ("cert_chain_of_trust", "nobody but itself has signed it"),
    (
        "cert_trust",
        "its name is made up, so that it does not lead to the volunteer",
    ),
    (
        "cert_revocation",
        "there is no authority that could revoke it",
    ),
    (
        "cert_validityPeriod",
        "it holds for years, also on a router whose clock is not set",
    ),
];

#[test]
fn testssl_finds_nothing_but_the_self_signed_certificate() {
    // It tries HTTP inside, too; a host that hangs up saves it the wait.
    let host = StandIn::new(|mut stream| stream.read(&mut [0; 1024]).map(drop));
    let setup = Setup::new()
        .with(listener("chat_in", "chat").option("tls", 1))
        .with(upstream("chat", host.address(), "none"));
    let daemon = Daemon::start(&setup);
    let folder = Folder::new();
    let report = folder.join("report.json");
    let mut testssl = Command::new("testssl");
    testssl.current_dir(folder.path()).args([
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--ip",
        "one",
    ]);
    testssl
        .arg("--jsonfile")
        .arg(&report)
        .arg(format!("127.0.0.1:{}", daemon.port("chat_in")));
    let ended = run_within(Duration::from_mins(8), &mut testssl);

    let text = fs::read_to_string(&report)
        .unwrap_or_else(|error| panic!("no report ({error}): {ended:?}"));
    let findings: Vec<Value> = serde_json::from_str(&text).unwrap();
    let bad: Vec<_> = findings
        .iter()
        .filter(|finding| {
            // WARN is no finding, but a check that did not come to an end on a busy machine.
            let severity = finding["severity"].as_str();
            !matches!(severity, Some("DEBUG" | "INFO" | "LOW" | "OK" | "WARN"))
        })
        .filter(|finding| EXPECTED.iter().all(|(id, _)| finding["id"] != *id))
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    for protocol in ["TLS1_2", "TLS1_3"] {
        let finding = findings.iter().find(|finding| finding["id"] == protocol);
        assert!(
            finding.is_some_and(|finding| finding["finding"].as_str().unwrap().contains("offered")),
            "{finding:?}"
        );
    }
}
