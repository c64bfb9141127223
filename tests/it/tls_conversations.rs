//! Conversations with the TLS listener that no proper client would lead.

use std::env;
use std::process::Command;
use std::time::Duration;

use crate::support::daemon::Daemon;
use crate::support::process::run_within;
use crate::support::setup::tls_chat;
use crate::support::stand_in::StandIn;

#[test]
fn what_is_wrong_is_refused_with_an_alert_and_what_is_odd_is_taken() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&tls_chat(&echo));
    let python = env::var_os("WAPROXY_TEST_PYTHON");
    let python = python.expect("WAPROXY_TEST_PYTHON names a python that has tlslite-ng");
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/tls_conversations/conversations.py"
    );
    let mut words = Command::new(python);
    words.args(["-uB", script, &daemon.port("chat_in").to_string()]);
    println!(
        "{}",
        run_within(Duration::from_mins(2), &mut words).success()
    );
    daemon.until("all are over", |status| status.open() == 0);
}
