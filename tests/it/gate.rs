//! The gate of a listener: who does not begin as its service does reaches no upstream.

use std::io::Write;
use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::support::client::{Ending, read_exactly, read_to_end};
use crate::support::daemon::Daemon;
use crate::support::duplex::Duplex;
use crate::support::random::Random;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{StandIn, refusing};
use crate::support::tls::{TlsClient, hello_for};

const CHAT: &[u8] = b"WA\x06\x03 and what follows";
const ROUTED: &[u8] = b"\xed\x00\x01\x00\x00\x04abcdWA\x06\x03";
/// The beginning of a ClientHello that promises more.
const HALF: &[u8] = b"\x16\x03\x01\x3f\x00\x01\x00\x3e\x00";
const HTTP: &[u8] = b"GET / HTTP/1.1\r\nHost: proxy.example\r\n\r\n";

#[test]
fn an_enforcing_gate_lets_in_what_begins_as_its_service_does() {
    let stage = Stage::new("enforce");
    let media = hello_for("mmg.whatsapp.net");
    for (listener, tls, bytes) in [
        ("chat_in", false, CHAT),
        ("chat_tls", true, CHAT),
        ("chat_tls", true, ROUTED),
        ("media_in", false, &media),
        ("all", true, CHAT),
        ("all", false, &media),
        ("all", true, &media),
    ] {
        assert_eq!(stage.echo(listener, tls, bytes).0, bytes, "{listener}");
    }
}

#[test]
fn an_enforcing_gate_turns_away_what_does_not_and_dials_no_upstream() {
    let stage = Stage::with("enforce", &refusing());
    let (media, other) = (hello_for("mmg.whatsapp.net"), hello_for("www.example"));
    for (listener, tls, bytes, ending) in [
        // As a server of TLS ends, and a port where nobody is.
        ("chat_tls", true, HTTP, Ending::Closed),
        ("chat_tls", true, &media[..], Ending::Closed),
        ("chat_in", false, HTTP, Ending::Reset),
        ("media_in", false, HTTP, Ending::Reset),
        ("media_in", false, &other, Ending::Reset),
        ("all", true, HTTP, Ending::Closed),
        ("all", true, &other, Ending::Closed),
    ] {
        let before = stage.daemon.status().refused(listener, "gate");
        assert_eq!(
            stage.echo(listener, tls, bytes),
            (vec![], ending),
            "{listener}"
        );
        let status = stage.daemon.status();
        assert_eq!(status.refused(listener, "gate"), before + 1, "{listener}");
    }
    // The upstream is not there, which only those learn who are let in.
    assert_eq!(stage.echo("chat_in", false, CHAT).0, b"");
    assert_eq!(
        stage.daemon.status().ended("chat_in", "upstream_connect"),
        1
    );
}

#[test]
fn a_gate_that_logs_tells_once_a_minute_and_carries() {
    let stage = Stage::new("log");
    for _ in 0..3 {
        assert_eq!(stage.echo("chat_tls", true, HTTP).0, HTTP);
    }
    let log = stage.daemon.log();
    let told = "warning: listener chat_tls: a connection does not begin as chat does\n";
    assert_eq!(log.matches(told).count(), 1, "{log}");
    assert_eq!(stage.daemon.status().refused("chat_tls", "gate"), 0);
}

#[test]
fn a_gate_that_logs_changes_nothing() {
    let stage = Stage::new("log");
    let mut silent = stage.daemon.connect("chat_in");
    let mut half = stage.daemon.connect("media_in");
    half.write_all(HALF).unwrap();
    // TLS in TLS that promises more than it has, and much besides.
    let mut long = Random::new(1).bytes(45_000, 45_000);
    long[..HALF.len()].copy_from_slice(HALF);
    assert_eq!(stage.echo("all", true, &long).0, long);
    thread::sleep(Duration::from_secs(5));
    assert_eq!(read_exactly(&mut half, HALF.len()), HALF);
    silent.write_all(CHAT).unwrap();
    assert_eq!(read_exactly(&mut silent, CHAT.len()), CHAT);
}

#[test]
fn who_is_only_looked_at_takes_no_place_among_the_handshakes() {
    let echo = StandIn::echo();
    let setup = setup("log", &echo.address()).main("max_handshakes", 1);
    let daemon = Daemon::start(&setup);
    let shaking = daemon.connect("chat_tls");
    daemon.until("it has the place", |status| status.open() == 1);
    let mut silent: Vec<_> = (0..3).map(|_| daemon.connect("chat_in")).collect();
    daemon.until("all are looked at", |status| status.open() == 4);
    let mut shaken = TlsClient::over(shaking).unwrap();
    shaken.write_all(CHAT).unwrap();
    assert_eq!(read_exactly(&mut shaken, CHAT.len()), CHAT);
    for client in &mut silent {
        client.write_all(CHAT).unwrap();
        assert_eq!(read_exactly(client, CHAT.len()), CHAT);
    }
}

#[test]
fn who_says_nothing_to_a_gate_is_not_waited_for_without_end() {
    let stage = Stage::new("enforce");
    let mut silent = stage.daemon.connect("chat_in");
    assert_eq!(read_to_end(&mut silent), (vec![], Ending::Closed));
    let status = stage.daemon.status();
    assert_eq!(status.ended("chat_in", "handshake_timeout"), 1);
}

#[test]
fn without_a_gate_everything_is_carried() {
    let stage = Stage::new("off");
    assert_eq!(stage.echo("chat_tls", true, HTTP).0, HTTP);
    assert_eq!(stage.echo("media_in", false, HTTP).0, HTTP);
}

/// A daemon with a listener of each kind.
struct Stage {
    daemon: Daemon,
    _echo: Option<StandIn>,
}

impl Stage {
    /// In front of an echo.
    fn new(gate: &str) -> Self {
        let echo = StandIn::echo();
        let stage = Self::with(gate, &echo.address());
        Self {
            _echo: Some(echo),
            ..stage
        }
    }

    fn with(gate: &str, address: &SocketAddr) -> Self {
        Self {
            daemon: Daemon::start(&setup(gate, address)),
            _echo: None,
        }
    }

    /// What comes back of `bytes`, and how the connection ends.
    fn echo(&self, listener: &str, tls: bool, bytes: &[u8]) -> (Vec<u8>, Ending) {
        let socket = self.daemon.connect(listener);
        let mut client: Box<dyn Duplex> = if tls {
            Box::new(TlsClient::over(socket).unwrap())
        } else {
            Box::new(socket)
        };
        client.write_all(bytes).unwrap();
        // Who is turned away may be gone already.
        let _ = client.finish();
        read_to_end(&mut *client)
    }
}

fn setup(gate: &str, address: &SocketAddr) -> Setup {
    Setup::new()
        .main("handshake_timeout", 3)
        .main("workers", 1)
        .with(listener("chat_in", "chat").option("gate", gate))
        .with(
            listener("chat_tls", "chat")
                .option("tls", 1)
                .option("gate", gate),
        )
        .with(listener("media_in", "media").option("gate", gate))
        .with(
            listener("all", "auto")
                .option("tls", 1)
                .option("gate", gate),
        )
        .with(upstream("chat", address, "none"))
        .with(upstream("media", address, "none"))
}
