//! What the init script asks of the firewall, and that it carries connections, under rules equal to
//! those of OpenWrt's. Needs root.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use socket2::SockRef;

use crate::support::client::{connect_from, patient};
use crate::support::fw4;
use crate::support::namespace::Namespace;
use crate::support::router::Router;
use crate::support::setup::{Setup, listener_on, upstream};
use crate::support::stand_in::StandIn;

const WAN: &str = "/var/run/network/wan";

/// A router with its phone on the Internet, and WhatsApp.
struct World {
    router: Router,
    phone: Namespace,
    whatsapp: StandIn,
}

impl World {
    fn new() -> Self {
        let (router, phone) = (Router::new(), Namespace::new());
        router.network.join_phone(&phone);
        router.write(WAN, "192.0.2.1\n2001:db8::1\n");
        let whatsapp = router.network.inside(StandIn::echo);
        Self {
            router,
            phone,
            whatsapp,
        }
    }

    fn setup(&self) -> Setup {
        Setup::new()
            .with(listener_on(443, "chat", "echo"))
            .with(upstream("echo", self.whatsapp.address(), "none"))
    }

    fn start(&self, setup: &Setup) {
        self.router.configure(setup);
        self.router.start();
        fw4::load(&self.router);
    }

    /// Whether the phone is served at an address and port of the router.
    fn serves(&self, target: &str, port: u16) -> bool {
        serves(&self.phone, source_of(target), target, port)
    }
}

fn source_of(target: &str) -> &'static str {
    if target.contains(':') {
        "2001:db8::66"
    } else {
        "192.0.2.66"
    }
}

fn serves(from: &Namespace, source: &str, target: &str, port: u16) -> bool {
    let source: IpAddr = source.parse().unwrap();
    let target = SocketAddr::new(target.parse().unwrap(), port);
    let talk = || -> io::Result<bool> {
        let mut stream = connect_from(source, target)?;
        stream.write_all(b"hello")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"hello")
    };
    from.inside(talk).unwrap_or(false)
}

#[test]
fn the_internet_reaches_the_public_ports_and_nothing_else() {
    let world = World::new();
    let setup = world
        .setup()
        // Bound as it is: here a redirect would change nothing, and count as none.
        .with(listener_on(5222, "plain", "echo"))
        .with(listener_on(7777, "off", "echo").option("enabled", 0));
    world.start(&setup);
    for target in ["192.0.2.1", "2001:db8::1"] {
        assert!(world.serves(target, 443), "{target}");
        assert!(world.serves(target, 5222), "{target}");
        for closed in [10443, 7777, 80] {
            assert!(!world.serves(target, closed), "{target} {closed}");
        }
    }
    world.router.service("stop").success();
    assert_eq!(world.router.rules(), "");
    for left in ["/var/etc/waproxy", "/var/run/waproxy.nft"] {
        assert!(!world.router.path(left).exists(), "{left}");
    }
}

#[test]
fn the_doctor_says_what_root_sees_of_firewall_and_ways() {
    let world = World::new();
    let network = &world.router.network;
    network.ip("route add default via 192.0.2.66");
    world.start(&world.setup());
    let step = |name: &str| {
        let doctor = ["/etc/init.d/waproxy", "doctor", "--json"];
        let found = world.router.run(&doctor).stdout;
        let found: Value = serde_json::from_str(&found).unwrap();
        let steps = found["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["name"] == name);
        let part = |part: &str| step.unwrap()[part].as_str().unwrap_or_default().to_owned();
        ["result", "what", "cause"].map(part)
    };
    assert_eq!(step("firewall"), ["ok", "4 of 4 rules are loaded", ""]);
    assert_eq!(step("answers"), ["ok", "leave by wan", ""]);

    let text = world.router.run(&["waproxy", "doctor"]).stdout;
    assert!(!text.contains("answers"), "{text}");
    assert!(text.contains("`service waproxy doctor` tells"), "{text}");

    network.ip("rule add fwmark 0x80000/0xff0000 table 100");
    assert_eq!(step("answers"), ["ok", "leave by wan", ""]);
    network.ip("rule add fwmark 1 table 100");
    let [result, _, cause] = step("answers");
    assert!(result == "warning" && cause.contains("mwan3"), "{cause}");
    network.ip("rule del fwmark 1 table 100");
    network.ip("link add wg0 type veth peer name wg1");
    network.ip("link set wg0 up");
    network.ip("route replace default dev wg0");
    let [result, what, cause] = step("answers");
    assert_eq!(
        [&*result, &*what],
        ["failed", "come in by wan, leave by wg0"]
    );
    assert!(cause.contains("VPN"), "{cause}");

    let nft = |command: &str| {
        world.router.run(&["nft", command]).success();
    };
    nft("flush chain inet fw4 syn_flood");
    nft("add rule inet fw4 syn_flood limit rate 25/second return");
    let [result, _, cause] = step("firewall");
    assert!(
        result == "warning" && cause.contains("25 a second"),
        "{cause}"
    );
    nft("flush chain inet fw4 dstnat_wan");
    let [result, what, _] = step("firewall");
    assert_eq!([&*result, &*what], ["warning", "2 of 4 rules are loaded"]);
    nft("delete table inet fw4");
    let [result, _, cause] = step("firewall");
    assert!(result == "failed" && cause.contains("restart"), "{cause}");

    world.router.follow(&world.setup().main("firewall", 0));
    assert_eq!(step("firewall"), ["ok", "waproxy asks for no rules", ""]);
}

#[test]
fn the_shared_link_works_at_home_and_luci_too() {
    let world = World::new();
    let (router, home) = (&world.router, Namespace::new());
    let network = &router.network;
    network.ip(&format!(
        "link add br-lan type veth peer name eth0 netns {}",
        home.prefix()[3]
    ));
    for (namespace, device, host) in [(network, "br-lan", 1), (&home, "eth0", 2)] {
        namespace.ip(&format!("addr add 192.168.1.{host}/24 dev {device}"));
        namespace.ip(&format!("link set {device} up"));
    }
    home.ip("route add default via 192.168.1.1");
    let luci = network.inside(|| TcpListener::bind("0.0.0.0:443").unwrap());
    let _luci = StandIn::on(luci, |mut stream| stream.write_all(b"LuCI!"));
    world.start(&world.setup());

    let greeting = |target: &str| {
        let target = SocketAddr::new(target.parse().unwrap(), 443);
        home.inside(|| {
            let mut stream = TcpStream::connect(target).unwrap();
            patient(&stream);
            stream.write_all(b"hello").unwrap();
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).unwrap();
            answer
        })
    };
    assert_eq!(&greeting("192.0.2.1"), b"hello");
    assert_eq!(&greeting("192.168.1.1"), b"LuCI!");
}

#[test]
fn five_hundred_at_once_come_in_and_other_ports_keep_their_limit() {
    let world = World::new();
    world.start(&world.setup());
    let other = world
        .router
        .network
        .inside(|| TcpListener::bind("0.0.0.0:2222").unwrap());
    let connect = |port: u16, count: usize| {
        let target = SocketAddr::new("192.0.2.1".parse().unwrap(), port);
        world.phone.inside(|| {
            let streams = (0..count).map(|_| {
                let socket =
                    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)
                        .unwrap();
                socket.set_nonblocking(true).unwrap();
                let _ = socket.connect(&target.into());
                socket
            });
            let streams: Vec<_> = streams.collect();
            // Before a SYN that was dropped is sent again.
            std::thread::sleep(Duration::from_millis(700));
            let is_connected =
                |socket: &&socket2::Socket| SockRef::from(*socket).peer_addr().is_ok();
            streams.iter().filter(is_connected).count()
        })
    };
    assert_eq!(connect(443, 500), 500);
    let others = connect(2222, 300);
    assert!((50..80).contains(&others), "{others}");
    drop(other);
}

#[test]
fn addresses_are_followed() {
    let world = World::new();
    let router = &world.router;
    world.start(&world.setup());
    let daemon = router.daemon();
    router.write(WAN, "192.0.2.9\n");
    router.service("reload").success();
    assert!(router.rules().contains("src_dip=192.0.2.9 "));
    assert!(!router.rules().contains("192.0.2.1 "), "{}", router.rules());
    router.write(WAN, "");
    router.service("reload").success();
    assert_eq!(router.rules(), "");
    let problem = "port 443 not open: zone 'wan' has no address yet";
    assert!(router.problems().contains(problem));
    assert_eq!(router.daemon(), daemon);
}

#[test]
fn the_users_own_forward_wins() {
    let world = World::new();
    let router = &world.router;
    world.start(&world.setup());
    let both = router.rules();
    let shipped = router.read("/etc/config/firewall");
    // What stands in a section, and whether it takes IPv4 and IPv6 from us.
    for (options, v4, v6) in [
        ("", true, false),
        ("option src_dport '443'", true, false),
        (
            "option src_dport '440-450'\noption family 'any'",
            true,
            true,
        ),
        (
            "option src_dport '440:450'\noption dest_ip 'fd00::1'",
            false,
            true,
        ),
        (
            "option src_dport '!80'\nlist proto 'tcp'\nlist proto 'udp'",
            true,
            false,
        ),
        (
            "option src_dport '443'\noption src_dip '192.0.2.1'",
            true,
            false,
        ),
        (
            "option src_dport '443'\noption src_dip '198.51.100.7'",
            false,
            false,
        ),
        // What fw4 takes too.
        ("option src_dport '443'\noption proto 'TCP'", true, false),
        ("option src_dport '443'\noption proto '!udp'", true, false),
        ("option family 'all'", true, true),
        ("option family 'inet'", true, false),
        ("option family 'inet4'", true, false),
        ("option family '6'", false, true),
        ("option family 'inet6'", false, true),
        ("option family 'none'", false, false),
        ("option src_ip '2001:db8:5::/48'", false, true),
        ("option src_dip '2001:DB8:0::1'", false, true),
        ("option src_dip '2001:db8::1'", false, true),
        ("option src_dip 'wan'", true, true),
        ("option src_dip '!198.51.100.7'", true, false),
        (
            "option family 'ipv6'\noption dest_ip '192.168.1.5'",
            false,
            false,
        ),
        ("option src_dport '444'", false, false),
        ("option src_dport '!443'", false, false),
        ("option src_dport '443'\noption proto 'udp'", false, false),
        ("option src_dport '443'\noption enabled '0'", false, false),
        ("option src_dport '443'\noption target 'SNAT'", false, false),
    ] {
        let section =
            format!("\nconfig redirect\noption src 'wan'\noption name 'My web'\n{options}\n");
        router.write("/etc/config/firewall", &(shipped.clone() + &section));
        router.service("reload").success();
        let (rules, problems) = (router.rules(), router.problems());
        for (address, taken) in [("192.0.2.1", v4), ("2001:db8::1", v6)] {
            let rule = format!("src_dip={address} ");
            let problem =
                format!("port 443 not open on {address}: your own forward 'My web' has it");
            assert_eq!(rules.contains(&rule), !taken, "{options}: {rules}");
            assert_eq!(problems.contains(&problem), taken, "{options}: {problems}");
        }
    }
    router.write("/etc/config/firewall", &shipped);
    router.service("reload").success();
    assert_eq!((router.rules(), router.problems()), (both, "[]".to_owned()));
}

#[test]
fn a_service_of_the_routers_own_keeps_its_port() {
    let world = World::new();
    let router = &world.router;
    // Bound as it is, so no other service can have it.
    let setup = world.setup().with(listener_on(5222, "plain", "echo"));
    world.start(&setup);
    let shipped = router.read("/etc/config/firewall");
    // What stands in a rule, and whether it takes IPv4 and IPv6 from us.
    for (options, v4, v6) in [
        ("list dest_port '22'\nlist dest_port '443'", true, true),
        (
            "option dest_port '80 440-450'\noption proto 'TCP'",
            true,
            true,
        ),
        ("option dest_port '443'\noption family 'ipv4'", true, false),
        ("option dest_port '443'\noption src '*'", true, true),
        (
            "option dest_port '443'\noption dest_ip '2001:db8::1'",
            false,
            true,
        ),
        (
            "option dest_port '443'\noption dest_ip '198.51.100.7'",
            false,
            false,
        ),
        ("option dest_port '443'\noption dest 'lan'", false, false),
        ("option dest_port '443'\noption src 'lan'", false, false),
        ("option dest_port '443'\noption target 'DROP'", false, false),
        ("option dest_port '443'\noption enabled '0'", false, false),
        ("option dest_port '443'\noption proto 'udp'", false, false),
        ("option dest_port '1194 5222'", false, false),
    ] {
        // Of an option that comes twice the later counts.
        let section = format!(
            "\nconfig rule\noption name 'My VPN'\noption src 'wan'\noption target 'ACCEPT'\n{options}\n"
        );
        router.write("/etc/config/firewall", &(shipped.clone() + &section));
        router.service("reload").success();
        let (rules, problems) = (router.rules(), router.problems());
        for (address, taken) in [("192.0.2.1", v4), ("2001:db8::1", v6)] {
            let rule = format!("src_dip={address} src_dport=443 ");
            let problem = format!("port 443 not open on {address}: your own rule 'My VPN' has it");
            assert_eq!(rules.contains(&rule), !taken, "{options}: {rules}");
            assert_eq!(problems.contains(&problem), taken, "{options}: {problems}");
            assert!(rules.contains(&format!("dest_ip={address} dest_port=5222")));
        }
    }
}

#[test]
fn a_zone_of_devices_and_a_forwarding_that_is_off_are_understood() {
    let world = World::new();
    let router = &world.router;
    world.start(&world.setup());
    assert!(router.rules().contains("src=lan "), "{}", router.rules());
    let both = router.rules();
    let shipped = router.read("/etc/config/firewall");
    let zone = |lines: &str| {
        let networks = "\tlist network 'wan'\n\tlist network 'wan6'\n";
        assert!(shipped.contains(networks));
        router.write("/etc/config/firewall", &shipped.replace(networks, lines));
        router.service("reload").success();
    };
    router.write("/var/run/network/dump", "lan br-lan\nwan eth1\n");
    zone("\tlist device 'eth0'\n\tlist device 'eth1'\n");
    assert_eq!((router.rules(), router.problems()), (both, "[]".to_owned()));
    zone("\tlist device 'eth9'\n");
    let problem = "port 443 not open: zone 'wan' has no address yet";
    assert!(router.problems().contains(problem));
    zone("\tlist subnet '192.0.2.0/24'\n");
    let problem = "port 443 not open: zone 'wan' has neither a network nor a device";
    assert!(router.problems().contains(problem));
    assert_eq!(router.rules(), "");

    let off = shipped.replace(
        "config forwarding\n",
        "config forwarding\n\toption enabled '0'\n",
    );
    router.write("/etc/config/firewall", &off);
    router.service("reload").success();
    assert!(router.rules().contains("src=wan "), "{}", router.rules());
    assert!(!router.rules().contains("src=lan "), "{}", router.rules());
}

#[test]
fn what_cannot_be_opened_is_a_problem_that_status_names() {
    let world = World::new();
    let router = &world.router;
    world.start(&world.setup().main("src_zone", "nowhere"));
    let problem = "port 443 not open: zone 'nowhere' does not exist";
    assert!(router.problems().contains(problem));
    assert_eq!(router.rules(), "");

    router.follow(&world.setup().main("firewall", 0));
    assert_eq!(
        (router.rules(), router.problems()),
        (String::new(), "[]".to_owned())
    );

    let shipped = router.read("/etc/config/firewall");
    let closed = shipped.replace("syn_flood '1'", "syn_flood '1'\noption auto_includes '0'");
    router.write("/etc/config/firewall", &closed);
    router.follow(&world.setup());
    let problems = router.problems();
    assert!(
        problems.contains("firewall.@defaults[0].auto_includes=1"),
        "{problems}"
    );
}

#[test]
fn a_listener_on_one_address_is_reached_there() {
    let world = World::new();
    let local = listener_on(443, "chat", "echo").option("bind_address", "127.0.0.1");
    world.start(&world.setup().with(local));
    assert_eq!(world.router.rules(), "");
    assert_eq!(world.router.problems(), "[]");

    let inside = listener_on(443, "chat", "echo").option("bind_address", "127.0.0.2");
    world.router.follow(&world.setup().with(inside));
    assert_eq!(world.router.rules(), "");

    let own = listener_on(8443, "chat", "echo").option("bind_address", "192.0.2.1");
    world.router.follow(&world.setup().with(own));
    let rules = world.router.rules();
    assert!(
        rules.contains("type=rule target=ACCEPT dest_ip=192.0.2.1 dest_port=8443"),
        "{rules}"
    );
    assert!(!rules.contains("2001:db8"), "{rules}");
}
