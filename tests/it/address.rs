//! What people are to enter, and what is said where that leads nowhere: on a machine whose addresses
//! change while the daemon runs. Needs root.

use std::time::{Duration, Instant};

use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::setup::{Setup, listener_on, upstream};

fn setup() -> Setup {
    Setup::new()
        .with(listener_on(443, "chat_in", "chat").option("tls", 1))
        .with(listener_on(587, "media_in", "media"))
        .with(upstream("chat", "127.0.0.1:9", "none"))
        .with(upstream("media", "127.0.0.1:9", "none"))
}

/// A machine with one cable.
fn machine() -> Namespace {
    let machine = Namespace::new();
    machine.ip("link add wan type veth peer name other");
    machine.ip("link set wan up");
    machine.ip("link set other up");
    machine
}

/// Gives the machine another address, with all routes by it.
fn change(machine: &Namespace, address: &str, router: &str) {
    machine.ip("addr flush dev wan");
    machine.ip(&format!("addr add {address} dev wan"));
    machine.ip(&format!("route add default via {router}"));
}

#[test]
fn share_and_status_follow_the_address_of_the_machine() {
    let machine = machine();
    let daemon = Daemon::start_under(&machine.prefix(), &setup());
    for (address, router) in [("198.41.0.4", "198.41.0.1"), ("198.41.9.7", "198.41.9.1")] {
        change(&machine, &format!("{address}/24"), router);
        let shared = daemon.ask("share", &[]);
        assert_eq!(shared.stderr, "");
        let link = shared.success();
        assert!(link.contains(&format!("?host={address}&")), "{link}");
        let status = daemon.status();
        assert_eq!(status.0["address"]["own"], address);
        assert_eq!(status.0["address"]["kind"], "public");
        let table = daemon.ask("status", &[]).success();
        let row = format!("host           {address} (of this machine)\n");
        assert!(table.contains(&row), "{table}");
        assert!(!table.contains("hint "), "{table}");
    }
}

#[test]
fn behind_a_vpn_the_address_of_the_zone_is_shared() {
    let machine = machine();
    change(&machine, "198.41.0.4/24", "198.41.0.1");
    let daemon = Daemon::start_under(&machine.prefix(), &setup());
    machine.ip("link add vpn type veth peer name far");
    machine.ip("addr add 10.8.0.2/24 dev vpn");
    machine.ip("link set vpn up");
    machine.ip("link set far up");
    machine.ip("route replace default via 10.8.0.1");
    assert_eq!(daemon.status().0["address"]["host"], "10.8.0.2");
    // As the init script notes it.
    let asked = "rules 2\naddress 2a00:1:1:1::4\naddress 198.41.0.4\n";
    daemon.folder().write("asked", asked);
    let status = daemon.status();
    assert_eq!(status.0["address"]["host"], "198.41.0.4");
    assert_eq!(status.0["address"]["kind"], "public");
}

#[test]
fn another_address_has_the_router_in_front_asked_at_once() {
    let machine = machine();
    change(&machine, "198.41.0.4/24", "198.41.0.1");
    let daemon = Daemon::start_under(&machine.prefix(), &setup().main("port_mapping", 1));
    let asked = |router: &str| {
        let start = Instant::now();
        daemon.until(router, |status| {
            status.0["port_mapping"]["gateway"] == router
        });
        // By itself every thirty seconds.
        assert!(start.elapsed() < Duration::from_secs(20), "{router}");
    };
    asked("198.41.0.1");
    // A public address, which is asked nothing more: so it is told without delay.
    for (address, router) in [
        ("198.41.9.7/24", "198.41.9.1"),
        ("198.41.8.7/24", "198.41.8.1"),
    ] {
        change(&machine, address, router);
        asked(router);
    }
}

#[test]
fn who_cannot_be_reached_is_told_what_to_do() {
    let machine = machine();
    let mut daemon = Daemon::start_under(&machine.prefix(), &setup());
    let said = |daemon: &Daemon, kind: &str, words: &[&str]| {
        assert_eq!(daemon.status().0["address"]["kind"], kind);
        let table = daemon.ask("status", &[]).success();
        // Lines are broken where a terminal ends.
        let table = table.split_whitespace().collect::<Vec<_>>().join(" ");
        let share = daemon.ask("share", &[]).stderr;
        for word in words {
            assert!(table.contains(word), "{word}\n{table}");
            assert!(share.contains(word), "{word}\n{share}");
        }
    };
    said(&daemon, "none", &["is it connected?"]);
    machine.ip("addr add 2a00:1:1:1::4/64 dev wan nodad");
    machine.ip("-6 route add default via 2a00:1:1:1::1");
    let words = [
        "no IPv6 address",
        "ask your provider for a public IPv4 address",
    ];
    said(&daemon, "ipv6_only", &words);
    change(&machine, "100.64.3.4/24", "100.64.3.1");
    let words = [
        "100.64.3.4: your provider",
        "(carrier NAT)",
        "public IPv4 address",
    ];
    said(&daemon, "carrier_nat", &words);
    change(&machine, "192.168.178.20/24", "192.168.178.1");
    let words = [
        "people outside cannot reach 192.168.178.20",
        "TCP port 443 to port 10443 and TCP port 587 to port 10587 of 192.168.178.20",
        "option port_mapping '1'",
    ];
    said(&daemon, "private", &words);

    // Who chose a host knows; the status tells all the same.
    daemon.reload(&setup().main("host", "proxy.example.org"));
    daemon.until("it is shared", |status| {
        status.0["address"]["source"] == "option"
    });
    let share = daemon.ask("share", &[]);
    assert_eq!(share.stderr, "");
    assert!(share.success().contains("?host=proxy.example.org&"));
    let hints = daemon.status().0["hints"].to_string();
    assert!(hints.contains("192.168.178.20"), "{hints}");
}
