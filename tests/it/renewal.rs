//! `waproxy certificate --new`: another pair of our own, and nothing left of the one before.

use std::io::{Read, Write};

use crate::support::authority::{ECDSA, self_signed};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::openssl::greet;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn tickets_of_the_old_pair_resume_nothing_under_the_new_one() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo));
    let port = daemon.port("chat_in");
    let folder = Folder::new();
    let sessions = ["-tls1_2", "-tls1_3"]
        .map(|version| (version, folder.join(version).to_str().unwrap().to_owned()));
    for (version, session) in &sessions {
        greet(port, &[version, "-sess_out", session]);
        let again = greet(port, &[version, "-sess_in", session]);
        assert!(again.contains("Reused, TLSv1"), "{version}:\n{again}");
    }

    daemon.ask("certificate", &["--new"]).success();
    for (version, session) in &sessions {
        // Any worker may get the next connections.
        for _ in 0..4 {
            let late = greet(port, &[version, "-sess_in", session]);
            assert!(late.contains("New, TLSv1"), "{version}:\n{late}");
        }
    }
}

#[test]
fn the_fingerprint_changes_and_open_connections_live_on() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo));
    let fingerprint = || daemon.status().0["certificate"]["sha256"].to_string();
    let before = fingerprint();
    let mut old = daemon.connect_tls("chat_in");

    let told = daemon.ask("certificate", &["--new"]).success();
    let after = fingerprint();
    assert_ne!(before, after);
    assert!(told.contains(after.trim_matches('"')), "{told}");
    assert_eq!(daemon.ask("certificate", &[]).success(), told);
    let mut new = daemon.connect_tls("chat_in");
    assert_ne!(old.certificate(), new.certificate());
    for client in [&mut old, &mut new] {
        client.write_all(b"ping").unwrap();
        client.read_exact(&mut [0; 4]).unwrap();
    }
}

#[test]
fn the_pair_of_the_operator_is_not_replaced() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let pair = self_signed(&folder, "operator.example", ECDSA);
    let with_pair = setup(&echo)
        .main("cert", pair.cert.display())
        .main("key", pair.key.display());
    let daemon = Daemon::start(&with_pair);
    let before = daemon.connect_tls("chat_in").certificate();

    let refused = daemon.ask("certificate", &["--new"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(refused.stderr.contains("cert and key"), "{refused:?}");
    assert!(refused.stdout.is_empty(), "{refused:?}");
    assert_eq!(daemon.connect_tls("chat_in").certificate(), before);
}

fn setup(echo: &StandIn) -> Setup {
    Setup::new()
        .with(listener("chat_in", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"))
}
