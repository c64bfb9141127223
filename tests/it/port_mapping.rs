//! Behind another router: the real miniupnpd in a namespace, which lets people in when it is asked to.
//! Needs root.

mod fussy_gateway;
mod home;
mod old_gateway;

use std::fs;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use self::fussy_gateway::FussyGateway;
use self::home::{ANYTHING, GATEWAY, Home, OPENWRT, OUTSIDE, OWN, PCP, UPNP};
use self::old_gateway::{OldGateway, REFUSED};
use crate::support::daemon::Daemon;
use crate::support::fw4;
use crate::support::router::Router;
use crate::support::setup::{Setup, listener_on, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn ports_are_opened_kept_open_and_closed_again() {
    let (home, machine) = Home::with_machine();
    let gateway = home.start_gateway(PCP, ANYTHING);
    let echo = machine.inside(StandIn::echo);
    let setup = |media: bool| {
        let setup = setup(&echo).main("port_mapping", 1);
        if media {
            setup
        } else {
            setup.without("media_in")
        }
    };
    let mut daemon = Daemon::start_under(&machine.prefix(), &setup(true));
    let status = daemon.until("both ports are open", |status| {
        granted(&status.0["port_mapping"]) == [443, 587]
    });
    assert_eq!(
        status.0["port_mapping"],
        json!({
            "gateway": GATEWAY,
            "protocol": "pcp",
            "external": OUTSIDE,
            "error": null,
            "ports": [
                { "port": 443, "internal_port": 10443, "external_port": 443, "error": null },
                { "port": 587, "internal_port": 10587, "external_port": 587, "error": null },
            ],
        })
    );
    assert_eq!(status.0["address"]["host"], OUTSIDE);
    assert_eq!(status.0["address"]["source"], "gateway");
    assert_eq!(status.0["hints"], json!([]));
    let table = daemon.ask("status", &[]).success();
    let row = format!("port mapping   {GATEWAY} opens 443->10443, 587->10587\n");
    assert!(table.contains(&row), "{table}");
    let shared = daemon.ask("share", &[]);
    assert_eq!(shared.stderr, "");
    let link = shared.success();
    let expected = format!("host={OUTSIDE}&chatPort=443&mediaPort=587&");
    assert!(link.contains(&expected), "{link}");
    assert!(home.serves(443) && home.serves(587));

    // For longer than the gateway grants.
    thread::sleep(Duration::from_secs(10));
    assert_eq!(home.forwards(), 2, "{}", gateway.said());
    assert!(home.serves(443) && home.serves(587));

    daemon.reload(&setup(false));
    Home::until("the port of media is closed", || home.forwards() == 1);
    assert!(home.serves(443) && !home.serves(587));

    daemon.terminate();
    daemon.wait();
    assert_eq!(home.forwards(), 0, "{}", gateway.said());
}

#[test]
fn switched_off_it_closes_what_it_opened_and_by_default_it_asks_nobody() {
    let (home, machine) = Home::with_machine();
    let gateway = home.start_gateway(PCP, ANYTHING);
    let echo = machine.inside(StandIn::echo);
    let mut daemon = Daemon::start_under(&machine.prefix(), &setup(&echo));
    assert_eq!(daemon.status().0["port_mapping"], Value::Null);
    daemon.reload(&setup(&echo).main("port_mapping", 1));
    daemon.until("the ports are open", |status| {
        granted(&status.0["port_mapping"]) == [443, 587]
    });
    let asked = |said: &str| said.matches("request received").count();
    assert!(asked(&gateway.said()) >= 2, "{}", gateway.said());
    daemon.reload(&setup(&echo));
    // Not by their lapse.
    Home::until("they are given back", || {
        gateway.said().matches("mapping removed").count() == 2
    });
    assert_eq!(home.forwards(), 0);
}

#[test]
fn the_link_follows_the_address_of_the_router_in_front() {
    let (home, machine) = Home::with_machine();
    let _gateway = home.start_gateway(PCP, ANYTHING);
    let echo = machine.inside(StandIn::echo);
    let setup = setup(&echo).main("port_mapping", 1);
    let daemon = Daemon::start_under(&machine.prefix(), &setup);
    let host = |host: &str| {
        daemon.until(host, |status| status.0["address"]["host"] == host);
        let link = daemon.ask("share", &[]).success();
        assert!(link.contains(&format!("?host={host}&")), "{link}");
    };
    host(OUTSIDE);
    home.gateway.ip("addr add 198.41.8.5/24 dev ext");
    home.gateway.ip(&format!("addr del {OUTSIDE}/24 dev ext"));
    host("198.41.8.5");
    // Where that one has no public address either, nobody comes in.
    home.gateway.ip("addr add 100.64.8.5/24 dev ext");
    home.gateway.ip("addr del 198.41.8.5/24 dev ext");
    daemon.until("it is no success any more", |status| {
        !status.0["hints"].as_array().unwrap().is_empty()
    });
}

#[test]
fn a_router_that_answers_nothing_is_told_with_what_to_do() {
    let (_home, machine) = Home::with_machine();
    let echo = machine.inside(StandIn::echo);
    let setup = setup(&echo).main("port_mapping", 1);
    let daemon = Daemon::start_under(&machine.prefix(), &setup);
    let status = daemon.until("it was asked", |status| {
        status.0["port_mapping"]["error"].is_string()
    });
    assert_eq!(status.0["port_mapping"]["gateway"], GATEWAY);
    let expected = format!(
        "have the router in front of this machine forward TCP port 443 to port 10443 and TCP port \
         587 to port 10587 of {OWN}, for it was asked in vain (it answers neither PCP, \
         NAT-PMP nor UPnP)"
    );
    let hints = status.0["hints"].to_string();
    assert!(hints.contains(&expected), "{hints}");
    let said = daemon.ask("share", &[]).stderr;
    assert!(said.contains(&expected), "{said}");
}

#[test]
fn a_router_that_knows_nat_pmp_alone_is_asked_so_and_what_it_refuses_is_told() {
    let (home, machine) = Home::with_machine();
    let old = OldGateway::start(&home.gateway);
    let echo = machine.inside(StandIn::echo);
    let mut daemon = Daemon::start_under(&machine.prefix(), &with_refused(&echo));
    let status = daemon.until("two ports are granted", |status| {
        granted(&status.0["port_mapping"]) == [1443, 1587]
    });
    let hints = status.0["hints"].to_string();
    let expected = format!(
        "forward TCP port {REFUSED} to port {REFUSED} of {OWN}, for it was asked in vain (it does \
         not allow that)"
    );
    assert!(hints.contains(&expected), "{hints}");
    let mapping = &status.0["port_mapping"];
    assert_eq!(mapping["protocol"], "nat_pmp");
    assert_eq!(mapping["external"], OUTSIDE);
    // The ports are others than those that were asked for, and the link has them.
    let link = daemon.ask("share", &[]).success();
    let expected = format!("host={OUTSIDE}&chatPort=1443&mediaPort=1587&");
    assert!(link.contains(&expected), "{link}");
    daemon.terminate();
    daemon.wait();
    assert_eq!(old.open(), [] as [u16; 0]);
}

#[test]
fn a_router_that_knows_upnp_alone_is_asked_so() {
    let (home, machine) = Home::with_machine();
    let gateway = home.start_gateway(UPNP, ANYTHING);
    let echo = machine.inside(StandIn::echo);
    let setup = setup(&echo).main("port_mapping", 1);
    let mut daemon = Daemon::start_under(&machine.prefix(), &setup);
    let status = daemon.until("both ports are open", |status| {
        granted(&status.0["port_mapping"]) == [443, 587]
    });
    assert_eq!(status.0["port_mapping"]["protocol"], "upnp");
    assert_eq!(status.0["port_mapping"]["error"], Value::Null);
    assert_eq!(status.0["address"]["host"], OUTSIDE);
    assert!(home.serves(443) && home.serves(587), "{}", gateway.said());

    // When the gateway is to close both, as seconds since 1970.
    let ends = || {
        let leases = fs::read_to_string(home.leases()).unwrap_or_default();
        let end = |lease: &str| lease.split(':').nth(4)?.parse::<u64>().ok();
        leases.lines().filter_map(end).collect::<Vec<_>>()
    };
    let first = ends();
    assert_eq!(first.len(), 2, "{}", gateway.said());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(
        first
            .iter()
            .all(|end| (1..=120).contains(&(end - now.as_secs())))
    );
    thread::sleep(Duration::from_secs(2));
    daemon.reload(&setup);
    Home::until("both are renewed", || {
        let ends = ends();
        ends.len() == 2 && ends.iter().min() > first.iter().max()
    });

    daemon.reload(&setup.without("media_in"));
    Home::until("the port of media is closed", || home.forwards() == 1);
    assert!(home.serves(443) && !home.serves(587));
    daemon.terminate();
    daemon.wait();
    assert_eq!(home.forwards(), 0, "{}", gateway.said());
}

#[test]
fn a_fussy_router_that_knows_upnp_is_asked_as_it_wants() {
    let (home, machine) = Home::with_machine();
    let fussy = FussyGateway::start(&home.gateway);
    let echo = machine.inside(StandIn::echo);
    let mut daemon = Daemon::start_under(&machine.prefix(), &with_refused(&echo));
    let status = daemon.until("two ports are granted", |status| {
        granted(&status.0["port_mapping"]) == [10443, 587]
    });
    let mapping = &status.0["port_mapping"];
    assert_eq!(mapping["protocol"], "upnp");
    assert_eq!(mapping["external"], OUTSIDE);
    assert_eq!(mapping["ports"][2]["error"], "it does not allow that");
    let link = daemon.ask("share", &[]).success();
    let expected = format!("host={OUTSIDE}&chatPort=10443&mediaPort=587&");
    assert!(link.contains(&expected), "{link}");
    assert_eq!(fussy.open(), open_for(OWN));
    daemon.terminate();
    daemon.wait();
    assert_eq!(fussy.open(), []);
}

#[test]
fn what_a_router_opened_for_good_is_given_back_whatever_came_between() {
    let (home, machine) = Home::with_machine();
    let fussy = FussyGateway::start(&home.gateway);
    let echo = machine.inside(StandIn::echo);
    let setup = setup(&echo).main("port_mapping", 1);
    let start = || {
        let daemon = Daemon::start_under(&machine.prefix(), &setup);
        daemon.until("both are granted", |status| {
            granted(&status.0["port_mapping"]) == [10443, 587]
        });
        daemon
    };

    // It does not understand that one of them is given back.
    let mut daemon = start();
    fussy.be_busy("DeletePortMapping", 1);
    daemon.terminate();
    daemon.wait();
    assert_eq!(fussy.open().len(), 1, "{:?}", fussy.open());

    // It has something else to do when it is asked again, and is not found anew.
    let mut daemon = start();
    fussy.be_busy("AddPortMapping", 99);
    daemon.reload(&setup);
    daemon.until("it is told", |status| {
        status.0["port_mapping"]["error"].is_string()
    });
    assert_eq!(fussy.open(), open_for(OWN));
    daemon.terminate();
    daemon.wait();
    assert_eq!(fussy.open(), []);

    // The machine has another address meanwhile.
    fussy.be_busy("", 0);
    let mut daemon = start();
    machine.ip("addr flush dev wan");
    machine.ip("addr add 192.168.178.33/24 dev wan");
    machine.ip(&format!("route add default via {GATEWAY}"));
    let moved = open_for("192.168.178.33");
    Home::until("they lead there", || fussy.open() == moved);
    daemon.terminate();
    daemon.wait();
    assert_eq!(fussy.open(), []);
}

#[test]
fn a_router_whose_firewall_turns_pcp_away_is_asked_by_upnp() {
    let (home, machine) = Home::with_machine();
    let _gateway = home.start_gateway(UPNP, ANYTHING);
    home.gateway.tool(&[
        "nft",
        "add table inet wall; add chain inet wall input { type filter hook input priority filter; }; \
         add rule inet wall input udp dport 5351 reject with icmp type admin-prohibited",
    ]);
    let echo = machine.inside(StandIn::echo);
    let setup = setup(&echo).main("port_mapping", 1);
    let daemon = Daemon::start_under(&machine.prefix(), &setup);
    daemon.until("both ports are open", |status| {
        granted(&status.0["port_mapping"]) == [443, 587]
    });
}

#[test]
fn on_a_router_behind_a_router_people_arrive_where_the_firewall_lets_them_in() {
    for protocol in [PCP, UPNP] {
        let router = Router::new();
        let home = Home::with(&router.network);
        // As an OpenWrt that somebody else has set up: nothing below 1024, on neither side.
        let gateway = home.start_gateway(protocol, OPENWRT);
        router.write("/var/run/network/wan", &format!("{OWN}\n"));
        let echo = router.network.inside(StandIn::echo);
        router.configure(&setup(&echo).main("port_mapping", 1));
        // So that the gateway's answers meet a firewall, too.
        router.write("/var/run/waproxy.nft", "");
        fw4::load(&router);
        router.start();
        fw4::load(&router);
        router.until("the ports are open", |router| {
            let status = router.status().expect("it runs");
            granted(&status.0["port_mapping"]).len() == 2
        });
        let status = router.status().expect("it runs");
        for port in granted(&status.0["port_mapping"]) {
            assert!(home.serves(port.try_into().unwrap()), "{:#}", status.0);
        }
        router.service("stop").success();
        router.until("it has ended", |router| router.status().is_none());
        assert_eq!(home.forwards(), 0, "{}", gateway.said());
    }
}

fn setup(echo: &StandIn) -> Setup {
    Setup::new()
        .with(listener_on(443, "chat_in", "chat"))
        .with(listener_on(587, "media_in", "media"))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("media", echo.address(), "none"))
}

/// With a port that neither of the stand-ins opens.
fn with_refused(echo: &StandIn) -> Setup {
    setup(echo)
        .main("port_mapping", 1)
        .with(listener_on(REFUSED, "refused", "media"))
}

/// What the fussy gateway opens.
fn open_for(client: &str) -> [fussy_gateway::Open; 2] {
    [(587, 10587), (10443, 10443)].map(|(port, internal)| (port, internal, client.to_owned()))
}

/// The public ports that were granted.
fn granted(mapping: &Value) -> Vec<u64> {
    let ports = mapping["ports"].as_array().into_iter().flatten();
    ports
        .filter_map(|port| port["external_port"].as_u64())
        .collect()
}
