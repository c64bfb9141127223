//! Nothing gives a client away, however his connection ends. Every test looks at all that its
//! daemon wrote; this one comes with every kind of client and of end. Needs root.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::panic::catch_unwind;

use crate::support::client::{self, connect_from};
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::privacy::assert_gives_nobody_away;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{StandIn, refusing};
use crate::support::status::Status;

#[test]
fn no_end_of_a_connection_gives_its_client_away() {
    let router = Namespace::new();
    // Both ends are here: the kernel needs no phone to have an address of one.
    for address in [
        "192.0.2.1/24",
        "192.0.2.66/24",
        "2001:db8:66::1/64",
        "2001:db8:66::7/64",
    ] {
        router.ip(&format!("addr add {address} dev lo"));
    }
    let (echo, resetter) = router.inside(|| (StandIn::echo(), StandIn::resetter()));
    let setup = Setup::new()
        .main("handshake_timeout", 1)
        .main("idle_timeout", 1)
        .main("max_connections_per_client", 2)
        .main_list("trusted_proxy", "127.0.0.0/8")
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(listener("behind", "chat").option("accept_proxy", 1))
        .with(listener("to_nowhere", "nowhere"))
        .with(listener("to_the_home", "home"))
        .with(listener("to_resets", "resets"))
        .with(upstream("chat", echo.address(), "v1"))
        .with(upstream("nowhere", refusing(), "none"))
        .with(upstream("home", "192.168.1.1:5222", "v1").option("allow_private", 0))
        .with(upstream("resets", resetter.address(), "none"));
    let daemon = Daemon::start_under(&router.prefix(), &setup);
    let say = |source: &str, target: &str, listener: &str, bytes: &[u8]| {
        let (source, target): (IpAddr, IpAddr) = (source.parse().unwrap(), target.parse().unwrap());
        let target = SocketAddr::new(target, daemon.port(listener));
        let client = router.inside(|| connect_from(source, target));
        client.map(|mut client| {
            let _ = client.write_all(bytes);
            client
        })
    };
    let claim = b"PROXY TCP6 2001:db8:66::7 2001:db8:66::1 12345 443\r\nhello";

    for (source, target) in [
        ("127.66.0.1", "127.0.0.1"),
        ("192.0.2.66", "192.0.2.1"),
        ("2001:db8:66::7", "2001:db8:66::1"),
    ] {
        for (listener, bytes) in [
            ("plain", &b"hello"[..]),
            ("tls", b"no hello"),
            ("tls", b""),
            ("behind", claim),
            ("behind", b"PROXY nonsense\r\n"),
            ("behind", b"PROXY "),
            ("to_nowhere", b"hello"),
            ("to_the_home", b"hello"),
            ("to_resets", b"hello"),
        ] {
            // Until the daemon ends it, in one way or another.
            drain(say(source, target, listener, bytes));
            if let Ok(leaver) = say(source, target, listener, bytes) {
                client::reset(leaver);
            }
        }
        let open = [0; 3].map(|_| say(source, target, "plain", b"hello"));
        daemon.until("one is too many", |status| {
            status.refused("plain", "max_connections_per_client") > 0
        });
        open.into_iter().for_each(drain);
    }
    let seen = |status: &Status, listener: &str| {
        let entry = status.listener(listener);
        let reasons = [&entry["refused"], &entry["ended"]].map(|reasons| {
            let reasons = reasons.as_object().unwrap().iter();
            reasons
                .filter(|(_, count)| **count != 0)
                .map(|(reason, _)| reason.clone())
        });
        reasons.into_iter().flatten().collect::<Vec<_>>()
    };
    let status = daemon.until("all is over", |status| status.open() == 0);
    for (listener, reason) in [
        ("plain", "idle_timeout"),
        ("plain", "max_connections_per_client"),
        ("tls", "tls"),
        ("tls", "handshake_timeout"),
        ("behind", "proxy_header"),
        ("behind", "untrusted_proxy"),
        ("behind", "handshake_timeout"),
        ("to_nowhere", "upstream_connect"),
        ("to_the_home", "upstream_forbidden"),
        ("to_resets", "reset_by_upstream"),
    ] {
        let reasons = seen(&status, listener);
        assert!(
            reasons.iter().any(|seen| seen == reason),
            "{listener}: {reason} in {reasons:?}"
        );
    }
}

#[test]
fn every_form_of_an_address_is_found() {
    for text in [
        "127.66.9.8",
        "::ffff:127.66.9.8",
        "7f420908",
        "at 0809427F:1",
        "(::ffff:7f42:908)",
        "7f:42:09:08",
        "0000000000000000FFFF00000809427F",
        "2001:DB8:66::7",
        "cb007107",
        "127.67.9.8",
        "\x7fB\x09\x08",
    ] {
        let found = catch_unwind(|| assert_gives_nobody_away(text.as_bytes(), "a text"));
        assert!(found.is_err(), "{text}");
    }
    for text in ["127.0.0.1", "17f42090", "7f4209", "AB:7F:42:09:08:CD"] {
        assert_gives_nobody_away(text.as_bytes(), "a text");
    }
}

fn drain(client: std::io::Result<TcpStream>) {
    if let Ok(mut client) = client {
        let _ = client.read_to_end(&mut Vec::new());
    }
}
