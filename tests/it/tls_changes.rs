//! TLS while things change: reloads, restarts, certificates.

use std::fs;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::authority::{ECDSA, Pair, RSA, self_signed};
use crate::support::client::{PATIENCE, SOURCE, connect_from};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::openssl::greet;
use crate::support::setup::tls_chat;
use crate::support::stand_in::StandIn;
use crate::support::tls::TlsClient;

const VERSIONS: [&str; 2] = ["-tls1_2", "-tls1_3"];

#[test]
fn a_ticket_from_before_a_reload_resumes_after_it() {
    let echo = StandIn::echo();
    let setup = tls_chat(&echo);
    let mut daemon = Daemon::start(&setup);
    let folder = Folder::new();
    for (nth, version) in VERSIONS.into_iter().enumerate() {
        let session = folder.join(version);
        let session = session.to_str().unwrap();
        let first = greet(daemon.port("chat_in"), &[version, "-sess_out", session]);
        assert!(first.contains("New, TLSv1"), "{version}:\n{first}");
        daemon.reload(&setup.clone().main("idle_timeout", 100 + nth));
        daemon.until("it was read again", |_| {
            daemon.log().matches("read again").count() == nth + 1
        });
        // Any worker may get the next connections.
        for _ in 0..4 {
            let again = greet(daemon.port("chat_in"), &[version, "-sess_in", session]);
            assert!(again.contains("Reused, TLSv1"), "{version}:\n{again}");
        }
    }
}

#[test]
fn a_ticket_from_before_a_restart_leads_to_a_whole_handshake_without_an_error() {
    let echo = StandIn::echo();
    let mut daemon = Daemon::start(&tls_chat(&echo));
    let folder = Folder::new();
    let sessions =
        VERSIONS.map(|version| (version, folder.join(version).to_str().unwrap().to_owned()));
    for (version, session) in &sessions {
        greet(daemon.port("chat_in"), &[version, "-sess_out", session]);
    }
    let before = daemon.connect_tls("chat_in").certificate();
    daemon.terminate();
    daemon.wait();
    // All that is left: what tickets are sealed with never left memory.
    let left = fs::read_dir(daemon.state_folder()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["self-signed.pem"]);
    let pem = fs::read_to_string(daemon.state_folder().join("self-signed.pem")).unwrap();
    assert_eq!(pem.matches("-----BEGIN").count(), 2, "{pem}");

    daemon.start_again();
    assert_eq!(daemon.connect_tls("chat_in").certificate(), before);
    for (version, session) in &sessions {
        let late = greet(
            daemon.port("chat_in"),
            &[version, "-msg", "-sess_in", session],
        );
        assert!(late.contains("New, TLSv1"), "{version}:\n{late}");
        assert!(!late.contains("fatal"), "{version}:\n{late}");
        // RFC 8446, 4.6.1: what a ticket lets a client say before the handshake.
        let mut early = late.lines().filter(|line| line.contains("Max Early Data"));
        assert!(early.all(|line| line.ends_with(" 0")), "{version}:\n{late}");
    }
    daemon.until("all are over", |status| status.open() == 0);
    assert_eq!(daemon.status().ended("chat_in", "tls"), 0);
}

#[test]
fn no_handshake_fails_while_certificates_are_swapped() {
    let echo = StandIn::echo();
    let folder = Folder::new();
    let pairs = [("one.example", ECDSA), ("two.example", RSA)]
        .map(|(name, kind)| self_signed(&folder, name, kind));
    let in_use = Pair {
        cert: folder.join("cert.pem"),
        key: folder.join("key.pem"),
    };
    pairs[0].copy_to(&in_use);
    let own = tls_chat(&echo);
    let mut daemon = Daemon::start(
        &own.clone()
            .main("cert", in_use.cert.display())
            .main("key", in_use.key.display()),
    );
    let port = daemon.port("chat_in");
    let mut held = vec![daemon.connect_tls("chat_in")];

    let over = AtomicBool::new(false);
    let start = Instant::now();
    thread::scope(|scope| {
        let clients = [(); 4].map(|()| {
            scope.spawn(|| {
                let mut served = 0;
                // Also where the test fails before it says that it is over.
                while !over.load(Ordering::Relaxed) && start.elapsed() < PATIENCE {
                    if let Err(error) = call(port) {
                        return Err(format!("after {served}: {error}"));
                    }
                    served += 1;
                }
                Ok(served)
            })
        });
        for swap in 1..=10 {
            pairs[swap % 2].copy_to(&in_use);
            daemon.hang_up();
            shows_another(&daemon, &mut held);
        }
        daemon.reload(&own);
        shows_another(&daemon, &mut held);
        for _ in 0..10 {
            daemon.ask("certificate", &["--new"]).success();
            shows_another(&daemon, &mut held);
        }
        thread::sleep(Duration::from_secs(2).saturating_sub(start.elapsed()));
        over.store(true, Ordering::Relaxed);
        let served: u32 = clients
            .map(|client| client.join().unwrap().unwrap())
            .iter()
            .sum();
        let rate = f64::from(served) / start.elapsed().as_secs_f64();
        println!("{served} handshakes, {rate:.0} a second, beside 21 swaps");
        assert!(rate > 50.0, "hardly a load: {rate} a second");
    });
    assert_eq!(held.len(), 22);
    for client in &mut held {
        ping(client).unwrap();
    }
    assert_eq!(daemon.status().ended("chat_in", "tls"), 0);
}

/// Waits until new connections get another certificate than the last that is held, and holds one.
fn shows_another(daemon: &Daemon, held: &mut Vec<TlsClient>) {
    let before = held.last().unwrap().certificate();
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let client = daemon.connect_tls("chat_in");
        if client.certificate() != before {
            held.push(client);
            return;
        }
        assert!(Instant::now() < deadline, "the old certificate stays");
    }
}

fn call(port: u16) -> io::Result<()> {
    let socket = connect_from(SOURCE, ([127, 0, 0, 1], port))?;
    ping(&mut TlsClient::over(socket)?)
}

fn ping(client: &mut TlsClient) -> io::Result<()> {
    client.write_all(b"ping")?;
    client.read_exact(&mut [0; 4])
}
