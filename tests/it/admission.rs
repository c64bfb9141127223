//! Caps hold, whichever worker a connection comes to.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use crate::support::client::{Ending, connect_from, ending_of, read_to_end};
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn no_more_than_max_connections_come_in() {
    let echo = StandIn::echo();
    let setup = chat(&echo, Setup::new().main("max_connections", 10));
    let daemon = Daemon::start(&setup);
    let target = (Ipv4Addr::LOCALHOST, daemon.port("plain"));

    let attempts = (0..40).map(|_| attempt(Ipv4Addr::new(127, 66, 0, 1), target));
    let mut admitted: Vec<TcpStream> = attempts.flatten().collect();
    assert_eq!(admitted.len(), 10);
    let status = daemon.until("30 are refused", |status| {
        status.refused("plain", "max_connections") == 30
    });
    assert_eq!((status.open(), status.cap()), (10, 10));
    assert_eq!(status.peak(), 10);

    drop(admitted.split_off(7));
    daemon.until("7 are left", |status| status.open() == 7);
    let attempts = (0..5).map(|_| attempt(Ipv4Addr::new(127, 66, 0, 1), target));
    assert_eq!(attempts.flatten().collect::<Vec<_>>().len(), 3);
}

#[test]
fn no_more_than_max_connections_per_client_come_from_one_address() {
    let echo = StandIn::echo();
    let setup = chat(&echo, Setup::new().main("max_connections_per_client", 3));
    let daemon = Daemon::start(&setup);
    let target = (Ipv4Addr::LOCALHOST, daemon.port("plain"));

    let mut admitted = Vec::new();
    for client in 1..=4 {
        let attempts = (0..8).map(|_| attempt(Ipv4Addr::new(127, 66, 1, client), target));
        let of_this_client: Vec<_> = attempts.flatten().collect();
        assert_eq!(of_this_client.len(), 3, "of client {client}");
        admitted.extend(of_this_client);
    }
    daemon.until("20 are refused", |status| {
        status.refused("plain", "max_connections_per_client") == 20
    });

    drop(admitted);
    daemon.until("none is left", |status| status.open() == 0);
    let again = attempt(Ipv4Addr::new(127, 66, 1, 1), target);
    assert!(again.is_some(), "places are given back");
}

#[test]
fn an_ipv6_client_is_its_64() {
    let network = Namespace::new();
    for host in ["2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1"] {
        network.ip(&format!("addr add {host}/128 dev lo nodad"));
    }
    let echo = network.inside(StandIn::echo);
    let setup = chat(&echo, Setup::new().main("max_connections_per_client", 2));
    let daemon = Daemon::start_under(&network.prefix(), &setup);

    let port = daemon.port("plain");
    let from = |host: &str| {
        let source: IpAddr = host.parse().unwrap();
        network.inside(move || attempt(source, (Ipv6Addr::LOCALHOST, port)))
    };
    let first = from("2001:db8:1::1");
    let neighbour = from("2001:db8:1::2");
    assert!(
        first.is_some() && neighbour.is_some(),
        "the first two of a /64 come in"
    );
    assert!(
        from("2001:db8:1::2").is_none(),
        "the third of a /64 does not"
    );
    assert!(from("2001:db8:2::1").is_some(), "another /64 does");
}

#[test]
fn a_cap_that_the_system_cannot_hold_is_lowered_with_a_warning() {
    let echo = StandIn::echo();
    let setup = chat(&echo, Setup::new().main("max_connections", 20_000));
    let daemon = Daemon::start_under(&["prlimit", "--nofile=200:200"], &setup);
    let status = daemon.status();
    assert!(
        status.cap() < 100,
        "two descriptors a connection and some for the rest: {}",
        status.cap()
    );
    assert!(status.cap() >= 10, "hardly any are left: {}", status.cap());
    assert_eq!(status.0["connections"]["bound_by"], "file descriptors");
    let log = daemon.log();
    let warnings = log.lines().filter(|line| line.contains("max_connections"));
    assert_eq!(warnings.count(), 1, "one warning in:\n{log}");
}

#[test]
fn a_running_daemon_takes_new_limits_of_rate_and_handshakes() {
    let echo = StandIn::echo();
    let setup = chat(&echo, Setup::new()).with(listener("tls", "chat").option("tls", 1));
    let mut daemon = Daemon::start(&setup);
    let plain = (Ipv4Addr::LOCALHOST, daemon.port("plain"));
    let tls = (Ipv4Addr::LOCALHOST, daemon.port("tls"));
    let admitted = |client, count: usize| {
        let attempts = (0..count).map(|_| attempt(Ipv4Addr::new(127, 66, 2, client), plain));
        attempts.flatten().count()
    };
    let begin = |client| connect_from(Ipv4Addr::new(127, 66, 3, client), tls).unwrap();
    assert_eq!(admitted(1, 20), 20);
    let mut first = begin(1);
    daemon.until("a handshake has begun", |status| status.open() == 1);

    daemon.reload(
        &setup
            .clone()
            .main("max_rate_per_client", 1)
            .main("max_handshakes", 1),
    );
    daemon.until("the rate holds", |_| admitted(2, 20) < 20);
    let second = begin(2);
    daemon.until("a handshake has begun", |status| {
        status.listener("tls")["active"] == 2
    });
    let _third = begin(3);
    daemon.until("the oldest limited one is pushed out", |status| {
        status.refused("tls", "max_handshakes") == 1
    });
    assert_eq!(read_to_end(&mut { second }).1, Ending::Reset);

    daemon.reload(&setup);
    daemon.until("no rate holds", |_| admitted(4, 20) == 20);
    first.write_all(b"no TLS").unwrap();
    assert_eq!(read_to_end(&mut first).1, Ending::Closed);
}

/// One plain listener that leads to `echo`.
fn chat(echo: &StandIn, setup: Setup) -> Setup {
    setup
        .with(listener("plain", "chat"))
        .with(upstream("chat", echo.address(), "none"))
}

/// The connection where it came in; `None` where it was refused, which must be by a reset.
fn attempt(source: impl Into<IpAddr>, target: impl Into<SocketAddr>) -> Option<TcpStream> {
    let attempt = connect_from(source, target).and_then(|mut stream| {
        stream.write_all(b"ping")?;
        stream.read_exact(&mut [0; 4])?;
        Ok(stream)
    });
    if let Err(error) = &attempt {
        let ending = ending_of(error);
        assert_eq!(ending, Some(Ending::Reset), "refused, but so: {error}");
    }
    attempt.ok()
}
