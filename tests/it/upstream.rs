//! Upstreams that are not there, or not as they should be.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, TcpListener};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Ending, SOURCE, connect_from, ending_of, read_to_end, reset};
use crate::support::daemon::Daemon;
use crate::support::relayed::Kind;
use crate::support::setup::{Section, Setup, listener, upstream};
use crate::support::stand_in::{BlackHole, StandIn, echo, refusing};
use crate::support::tls::TlsClient;

/// What takes no time, on a busy machine: less than the default of `connect_timeout` all the same.
const AT_ONCE: Range<Duration> = Duration::ZERO..Duration::from_secs(5);

#[test]
fn a_client_who_leaves_while_his_upstream_is_dialled_frees_his_place() {
    let hole = BlackHole::new();
    let setup = Setup::new()
        .main("connect_timeout", 60)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", hole.address(), "none"));
    let daemon = Daemon::start(&setup);
    let mut stays = daemon.connect("plain");
    drop(daemon.connect("plain"));
    reset(daemon.connect("plain"));
    drop(daemon.connect_tls("tls").into_socket());
    daemon.until("those who left are not waited for", |status| {
        status.open() == 1
            && status.ended("plain", "client_left") == 2
            && status.ended("tls", "client_left") == 1
    });

    // What has been said is delivered, even if it may be the last word.
    stays.write_all(b"x").unwrap();
    stays.shutdown(Shutdown::Write).unwrap();
    thread::sleep(Duration::from_millis(200));
    assert_eq!(daemon.status().open(), 1);
}

#[test]
fn an_upstream_that_refuses_ends_the_connection_at_once() {
    let daemon = before(upstream("chat", refusing(), "v1"));
    for kind in Kind::BOTH {
        assert_fails_with(&daemon, kind, "upstream_connect", AT_ONCE);
    }
}

#[test]
fn an_upstream_that_swallows_everything_ends_the_connection_after_connect_timeout() {
    let hole = BlackHole::new();
    let daemon = before(upstream("chat", hole.address(), "v1"));
    for kind in Kind::BOTH {
        let window = Duration::from_millis(6500)..Duration::from_secs(15);
        assert_fails_with(&daemon, kind, "upstream_timeout", window);
    }
}

#[test]
fn a_private_address_is_refused_unless_allowed() {
    let echo = StandIn::echo();
    let daemon = before(upstream("chat", echo.address(), "v1").option("allow_private", 0));
    for kind in Kind::BOTH {
        assert_fails_with(&daemon, kind, "upstream_forbidden", AT_ONCE);
    }
}

#[test]
fn a_name_without_an_address_ends_the_connection() {
    let daemon = before(upstream("chat", "nowhere.invalid:443", "v1"));
    for kind in Kind::BOTH {
        assert_fails_with(
            &daemon,
            kind,
            "upstream_unresolved",
            Duration::ZERO..Duration::from_secs(12),
        );
    }
}

#[test]
fn an_upstream_that_resets_resets_the_client() {
    let resetter = StandIn::resetter();
    let daemon = before(upstream("chat", resetter.address(), "v1"));
    for kind in Kind::BOTH {
        let reason = "reset_by_upstream";
        let ending = assert_fails_with(&daemon, kind, reason, AT_ONCE);
        assert_eq!(ending, Ending::Reset);
    }
}

#[test]
fn the_next_address_takes_over_within_connect_timeout() {
    let (hole, echo) = (BlackHole::new(), StandIn::echo());
    for dead in [refusing(), hole.address()] {
        let two = upstream("chat", dead, "none").list("address", echo.address());
        let daemon = before(two);
        for _ in 0..3 {
            let start = Instant::now();
            let mut client = daemon.connect("plain");
            client.write_all(b"hello").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(
                read_to_end(&mut client),
                (b"hello".to_vec(), Ending::Closed),
                "{dead}"
            );
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "took {:?}",
                start.elapsed()
            );
        }
    }
}

#[test]
fn a_localhost_name_reaches_the_family_that_works() {
    // `localhost` is ::1 and 127.0.0.1; the stand-in is on one of them alone.
    let echo = StandIn::echo();
    let daemon = before(upstream(
        "chat",
        format!("localhost:{}", echo.address().port()),
        "none",
    ));
    let mut client = daemon.connect("plain");
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        read_to_end(&mut client),
        (b"hello".to_vec(), Ending::Closed)
    );
}

#[test]
fn an_upstream_that_comes_back_is_used_again() {
    let address = refusing();
    let daemon = before(upstream("chat", address, "none"));
    assert_fails_with(&daemon, Kind::Plain, "upstream_connect", AT_ONCE);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, address.port())).unwrap();
    let _echo = StandIn::on(listener, echo);
    daemon.until("it is well", |status| {
        status.upstream("chat")["addresses"][0]["health"] == "up"
    });
    let mut client = daemon.connect("plain");
    client.write_all(b"hello").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(
        read_to_end(&mut client),
        (b"hello".to_vec(), Ending::Closed)
    );
}

/// A daemon with a listener of each kind before an upstream. Its connect timeout is longer than
/// the default, and than what happens at once.
fn before(upstream: Section) -> Daemon {
    let setup = Setup::new()
        .main("connect_timeout", 7)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream);
    Daemon::start(&setup)
}

/// Connects, and expects an end without a byte, in time, counted by its reason.
fn assert_fails_with(daemon: &Daemon, kind: Kind, reason: &str, window: Range<Duration>) -> Ending {
    let start = Instant::now();
    let target = (Ipv4Addr::LOCALHOST, daemon.port(kind.listener()));
    let (bytes, ending) = match (kind, connect_from(SOURCE, target)) {
        (_, Err(error)) => (Vec::new(), ending_of(&error).unwrap()),
        (Kind::Plain, Ok(mut client)) => read_to_end(&mut client),
        // The daemon may end it as early as in the handshake.
        (Kind::Tls, Ok(client)) => TlsClient::over(client)
            .map_or((Vec::new(), Ending::Reset), |mut client| {
                read_to_end(&mut client)
            }),
    };
    assert!(bytes.is_empty());
    assert!(
        window.contains(&start.elapsed()),
        "{kind:?}: {reason} took {:?}",
        start.elapsed()
    );
    daemon.until(reason, |status| {
        status.ended(kind.listener(), reason) == 1 && status.open() == 0
    });
    ending
}
