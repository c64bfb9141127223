//! Behind another router: the real miniupnpd in a namespace, which lets people in when it is asked to.
//! Needs root.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::client::{connect_from, patient};
use crate::support::daemon::Daemon;
use crate::support::folder::Folder;
use crate::support::fw4;
use crate::support::namespace::Namespace;
use crate::support::process::{self, Process};
use crate::support::router::Router;
use crate::support::setup::{Setup, listener_on, upstream};
use crate::support::stand_in::StandIn;

/// The gateway's address toward the Internet, and at home.
const OUTSIDE: &str = "198.41.7.9";
const GATEWAY: &str = "192.168.178.1";
/// The daemon's machine.
const OWN: &str = "192.168.178.20";
/// Somebody on the Internet.
const PHONE: &str = "198.41.7.66";

/// A port that the router of old opens for nobody.
const REFUSED: u16 = 7777;

/// No more than the daemon may need for what it does every four seconds here.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn ports_are_opened_kept_open_and_closed_again() {
    let (home, machine) = Home::with_machine();
    let gateway = home.start_gateway(ANYTHING);
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
    let gateway = home.start_gateway(ANYTHING);
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
    let _gateway = home.start_gateway(ANYTHING);
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
         587 to port 10587 of {OWN}, for it was asked in vain (it answers neither PCP nor NAT-PMP)"
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
    let setup = setup(&echo)
        .main("port_mapping", 1)
        .with(listener_on(REFUSED, "refused", "media"));
    let mut daemon = Daemon::start_under(&machine.prefix(), &setup);
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
fn on_a_router_behind_a_router_people_arrive_where_the_firewall_lets_them_in() {
    let router = Router::new();
    let home = Home::with(&router.network);
    // As an OpenWrt that somebody else has set up: nothing below 1024, on neither side.
    let gateway = home.start_gateway(OPENWRT);
    router.write("/var/run/network/wan", &format!("{OWN}\n"));
    let echo = router.network.inside(StandIn::echo);
    router.configure(&setup(&echo).main("port_mapping", 1));
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

fn setup(echo: &StandIn) -> Setup {
    Setup::new()
        .with(listener_on(443, "chat_in", "chat"))
        .with(listener_on(587, "media_in", "media"))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("media", echo.address(), "none"))
}

/// The public ports that were granted.
fn granted(mapping: &Value) -> Vec<u64> {
    let ports = mapping["ports"].as_array().into_iter().flatten();
    ports
        .filter_map(|port| port["external_port"].as_u64())
        .collect()
}

/// A home behind a gateway, and somebody on the Internet.
struct Home {
    gateway: Namespace,
    phone: Namespace,
    folder: Folder,
}

impl Home {
    fn with_machine() -> (Self, Namespace) {
        let machine = Namespace::new();
        (Self::with(&machine), machine)
    }

    /// `machine` gets a cable `wan` to the gateway.
    fn with(machine: &Namespace) -> Self {
        let (gateway, phone) = (Namespace::new(), Namespace::new());
        let cable = |near: &Namespace, name: &str, far: &Namespace, other: &str| {
            near.ip(&format!(
                "link add {name} type veth peer name {other} netns {}",
                far.name()
            ));
        };
        cable(&gateway, "lan", machine, "wan");
        cable(&gateway, "ext", &phone, "net");
        for (namespace, device, address) in [
            (&gateway, "lan", GATEWAY),
            (&gateway, "ext", OUTSIDE),
            (machine, "wan", OWN),
            (&phone, "net", PHONE),
        ] {
            namespace.ip(&format!("addr add {address}/24 dev {device}"));
            namespace.ip(&format!("link set {device} up"));
        }
        machine.ip(&format!("route add default via {GATEWAY}"));
        gateway.tool(&["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
        Self {
            gateway,
            phone,
            folder: Folder::new(),
        }
    }

    /// miniupnpd, which grants eight seconds at most.
    fn start_gateway(&self, rules: &str) -> Process {
        self.gateway.tool(&["nft", NFT]);
        let config = format!(
            "ext_ifname=ext\nlistening_ip=lan\nenable_natpmp=yes\nenable_upnp=no\n\
             min_lifetime=4\nmax_lifetime=8\nsecure_mode=yes\n{rules}\n\
             deny 0-65535 0.0.0.0/0 0-65535\n"
        );
        let config = self.folder.write("miniupnpd.conf", config);
        let mut words = Command::new("ip");
        words
            .args(&self.gateway.prefix()[1..])
            .args(["miniupnpd", "-d", "-f"])
            .arg(config)
            .arg("-P")
            .arg(self.folder.join("pid"));
        let gateway = Process::start(&mut words);
        Self::until("miniupnpd listens", || {
            gateway.said().contains("Listening for NAT-PMP/PCP")
        });
        gateway
    }

    /// How many ports it forwards.
    fn forwards(&self) -> usize {
        let mut words = Command::new("ip");
        words.args(&self.gateway.prefix()[1..]);
        words.args([
            "nft",
            "list",
            "chain",
            "inet",
            "filter",
            "prerouting_miniupnpd",
        ]);
        let rules = process::run(&mut words).success();
        rules.matches("dnat").count()
    }

    /// Whether somebody on the Internet is served at a public port of the gateway.
    fn serves(&self, port: u16) -> bool {
        let [source, target]: [IpAddr; 2] = [PHONE, OUTSIDE].map(|ip| ip.parse().unwrap());
        self.phone.inside(|| {
            let Ok(mut stream) = connect_from(source, (target, port)) else {
                return false;
            };
            patient(&stream);
            let mut answer = [0; 4];
            stream
                .write_all(b"ping")
                .and_then(|()| stream.read_exact(&mut answer))
                .is_ok()
        })
    }

    fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !condition() {
            assert!(Instant::now() < deadline, "not: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a gateway allows.
const ANYTHING: &str = "allow 0-65535 192.168.178.0/24 0-65535";
const OPENWRT: &str = "allow 1024-65535 0.0.0.0/0 1024-65535";

/// What miniupnpd wants to be there.
const NFT: &str = "
table inet filter {
    chain miniupnpd {}
    chain prerouting_miniupnpd {}
    chain postrouting_miniupnpd {}
    chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; }
}";

/// A stand-in of our own for a router of old, which knows NAT-PMP and no PCP (miniupnpd always knows
/// both), refuses one port and gives other ports than it is asked for. It forwards nothing.
struct OldGateway {
    end: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<u16>>>,
}

impl OldGateway {
    fn start(place: &Namespace) -> Self {
        let socket = place.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5351)).unwrap());
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (ended, opened) = (end.clone(), open.clone());
        thread::spawn(move || {
            let mut room = [0; 1100];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut room) else {
                    continue;
                };
                let number = |at: usize| u16::from_be_bytes([room[at], room[at + 1]]);
                let answer = match room[..length] {
                    [0, 0] => [&[0, 128, 0, 0, 0, 0, 0, 9][..], &[198, 41, 7, 9]].concat(),
                    [0, 2, ..] if number(4) == REFUSED => {
                        [&[0, 130, 0, 2, 0, 0, 0, 9], &room[4..6], &[0; 6]].concat()
                    }
                    [0, 2, ..] => {
                        let mut open = opened.lock().unwrap();
                        open.retain(|port| *port != number(4));
                        if room[8..12] != [0; 4] {
                            open.push(number(4));
                        }
                        // A renewal keeps what was granted.
                        let external = number(6) % 1000 + 1000;
                        let head = [0, 130, 0, 0, 0, 0, 0, 9];
                        [&head, &room[4..6], &external.to_be_bytes(), &room[8..12]].concat()
                    }
                    // Another version than ours.
                    _ => vec![0, room[1] | 128, 0, 1, 0, 0, 0, 9],
                };
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { end, open }
    }

    /// The ports of the home to which something would lead.
    fn open(&self) -> Vec<u16> {
        self.open.lock().unwrap().clone()
    }
}

impl Drop for OldGateway {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}
