//! Whether anybody came from outside, which is all that tells that the proxy can be reached.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

use crate::support::client::{connect_from, talk};
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::setup::{Setup, listener, listener_on, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn the_last_client_from_outside_is_noted_and_who_is_inside_is_not() {
    let echo = StandIn::echo();
    let setup = Setup::new()
        .main_list("trusted_proxy", "127.64.0.0/10")
        .with(listener("behind", "chat").option("accept_proxy", 1))
        .with(listener("direct", "chat"))
        .with(upstream("chat", echo.address(), "none"));
    let daemon = Daemon::start(&setup);
    assert_eq!(daemon.status().0["last_outside_seconds"], Value::Null);
    let inside = [
        "PROXY UNKNOWN",
        "PROXY TCP4 192.168.1.7 192.0.2.1 12345 443",
        "PROXY TCP4 100.64.0.7 192.0.2.1 12345 443",
        "PROXY TCP6 fd00::7 2001:db8::1 12345 443",
        "PROXY TCP6 ::ffff:10.0.0.7 ::ffff:192.0.2.1 12345 443",
    ];
    for header in inside {
        talk(
            daemon.connect("behind"),
            format!("{header}\r\nhello").as_bytes(),
        );
    }
    talk(daemon.connect("direct"), b"from 127.66.0.1");
    let status = daemon.until("all are over", |status| {
        status.ended("behind", "closed") == 5 && status.ended("direct", "closed") == 1
    });
    assert_eq!(status.0["last_outside_seconds"], Value::Null);

    let outside = b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\nhello";
    talk(daemon.connect("behind"), outside);
    let seconds = |daemon: &Daemon| daemon.status().0["last_outside_seconds"].as_u64().unwrap();
    assert!(seconds(&daemon) <= 2);
    daemon.until("time passes", |status| {
        status.0["last_outside_seconds"].as_u64() >= Some(3)
    });
    talk(daemon.connect("direct"), b"from 127.66.0.1");
    assert!(seconds(&daemon) >= 3);
    let table = daemon.ask("status", &[]).success();
    assert!(
        table.contains("from outside   the last connection "),
        "{table}"
    );
}

#[test]
fn who_comes_with_a_public_address_of_this_home_is_not_outside() {
    let (router, phone) = (Namespace::new(), Namespace::new());
    router.join_phone(&phone);
    let echo = router.inside(StandIn::echo);
    let setup = Setup::new()
        .with(listener_on(5222, "chat_in", "chat"))
        .with(upstream("chat", echo.address(), "none"));
    let daemon = Daemon::start_under(&router.prefix(), &setup);
    let call = |namespace: &Namespace, source: &str, target: &str| {
        let (source, target): (IpAddr, IpAddr) = (source.parse().unwrap(), target.parse().unwrap());
        let target = SocketAddr::new(target, 5222);
        talk(
            namespace.inside(|| connect_from(source, target).unwrap()),
            b"hello",
        );
    };
    call(&phone, "2001:db8::66", "2001:db8::1");
    call(&router, "192.0.2.1", "192.0.2.1");
    assert_eq!(daemon.status().0["last_outside_seconds"], Value::Null);
    call(&phone, "192.0.2.66", "192.0.2.1");
    assert!(daemon.status().0["last_outside_seconds"].as_u64().unwrap() <= 2);
}
