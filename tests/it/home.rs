//! No way into the home: a hostile DNS server, a router with a home behind it, and a world that
//! answers at every address there is, and tells who called. Needs root.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::client::{self, PATIENCE, SOURCE, connect_from};
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::resolver::{Record, Resolver};
use crate::support::setup::{Section, Setup, listener};
use crate::support::stand_in::{StandIn, echo};

/// What is refused in each of its forms, and the word for it.
const V4: [(&str, &str); 29] = [
    ("0.0.0.0", "unspecified"),
    ("0.1.2.3", "unspecified"),
    ("10.0.0.1", "private"),
    ("100.64.0.1", "carrier NAT"),
    ("100.127.255.254", "carrier NAT"),
    ("127.0.0.1", "loopback"),
    ("127.255.255.254", "loopback"),
    ("169.254.1.1", "link-local"),
    ("172.31.255.254", "private"),
    ("192.0.0.1", "reserved"),
    ("192.0.2.1", "documentation"),
    ("192.88.99.1", "reserved"),
    (OWN_LAN, "private"),
    (LAN_HOST, "private"),
    ("198.18.0.1", "benchmarking"),
    ("198.51.100.1", "documentation"),
    ("203.0.113.1", "documentation"),
    ("224.0.0.1", "multicast"),
    ("239.255.255.250", "multicast"),
    ("240.0.0.1", "reserved"),
    ("255.255.255.255", "reserved"),
    (OWN_WAN, "home"),
    ("198.41.0.9", "home"),
    ("198.41.0.255", "home"),
    (OWN_PUBLIC_LAN, "home"),
    (PUBLIC_LAN_HOST, "home"),
    ("198.41.1.7", "home"),
    (OWN_TUNNEL, "home"),
    (TUNNEL_PEER, "home"),
];

const V6: [(&str, &str); 24] = [
    ("::", "unspecified"),
    ("::1", "loopback"),
    // What is left of IPv4 in IPv6: compatible, translated, Teredo.
    ("::198.41.1.2", "reserved"),
    ("::ffff:0:198.41.1.2", "reserved"),
    ("2001::c629:102", "tunnel"),
    // Translated by the network itself, RFC 8215: it may lead to anything.
    ("64:ff9b:1::157.240.1.60", "reserved"),
    ("100::1", "reserved"),
    ("2001:10::1", "reserved"),
    ("2001:db8::1", "documentation"),
    ("3fff::1", "documentation"),
    ("4000::1", "reserved"),
    ("fc00::1", "unique-local"),
    ("fd12:3456::1", "unique-local"),
    ("fe80::1", "link-local"),
    // ISATAP, on the link.
    ("fe80::5efe:c0a8:105", "link-local"),
    ("fec0::1", "reserved"),
    ("ff02::1", "multicast"),
    ("ff0e::1", "multicast"),
    ("2a00:1:1:1::4", "home"),
    ("2a00:1:1:1::1", "home"),
    ("2a00:1:2:301::1", "home"),
    (LAN_HOST_V6, "home"),
    // Behind another router of the home, on a network in which this one is not.
    ("2a00:1:2:3ff::9", "home"),
    ("2a00:1:2:8000::9", "home"),
];

const OWN_WAN: &str = "198.41.0.4";
const OWN_LAN: &str = "192.168.1.1";
const LAN_HOST: &str = "192.168.1.5";
const OWN_PUBLIC_LAN: &str = "198.41.1.1";
const PUBLIC_LAN_HOST: &str = "198.41.1.2";
const LAN_HOST_V6: &str = "2a00:1:2:301::5";
const OWN_TUNNEL: &str = "198.41.3.1";
const TUNNEL_PEER: &str = "198.41.3.2";

/// Out on the Internet.
const PUBLIC: &str = "157.240.1.60";
const PUBLIC_V6: &str = "2a03:2880::60";
const PORT: u16 = 5222;

#[test]
fn an_answer_that_leads_into_the_home_is_refused_whatever_its_form() {
    let network = Network::new();
    let resolver = Resolver::new(&network.router);
    let mut chat = chat(&[]);
    let mut refused = Vec::new();
    for (nth, (ip, reason)) in V4.into_iter().enumerate() {
        let ip: Ipv4Addr = ip.parse().unwrap();
        let forms = forms(ip);
        resolver.say(&format!("v4-{nth}.test"), &[address(&ip.to_string())]);
        resolver.say(
            &format!("forms-{nth}.test"),
            &forms.map(|ip| Record::Address(ip.into())),
        );
        chat = chat.list("address", format!("v4-{nth}.test:{PORT}"));
        chat = chat.list("address", format!("forms-{nth}.test:{PORT}"));
        refused.push((format!("v4-{nth}.test"), ip.into(), reason));
        for form in forms {
            refused.push((
                format!("forms-{nth}.test"),
                IpAddr::V6(form).to_canonical(),
                reason,
            ));
        }
    }
    for (nth, (ip, reason)) in V6.into_iter().enumerate() {
        resolver.say(&format!("v6-{nth}.test"), &[address(ip)]);
        chat = chat.list("address", format!("v6-{nth}.test:{PORT}"));
        refused.push((format!("v6-{nth}.test"), ip.parse().unwrap(), reason));
    }
    let daemon = network.start(chat);
    let status = daemon.until("all is known", |status| {
        let addresses = status.upstream("chat")["addresses"].as_array().unwrap();
        addresses.len() == refused.len()
    });
    for (name, ip, reason) in refused {
        let addresses = status.upstream("chat")["addresses"].as_array().unwrap();
        let found = addresses.iter().find(|entry| {
            let at: SocketAddr = entry["address"].as_str().unwrap().parse().unwrap();
            entry["name"] == format!("{name}:{PORT}") && at.ip() == ip
        });
        let found = found.unwrap_or_else(|| panic!("{ip} of {name} is not in {addresses:#?}"));
        assert_eq!(
            found["last_error"],
            format!("refused: {reason} address"),
            "{ip}"
        );
        assert_eq!(found["health"], "down", "{ip}");
    }

    for _ in 0..4 {
        assert!(!ping(network.connect(&daemon)), "somebody answers");
    }
    daemon.until("counted", |status| {
        status.ended("chat_in", "upstream_forbidden") == 4
    });
    assert_eq!(network.visits(), [] as [IpAddr; 0]);
}

#[test]
fn literal_addresses_of_the_configuration_are_judged_as_well() {
    let network = Network::new();
    let literals = [
        LAN_HOST,
        PUBLIC_LAN_HOST,
        OWN_WAN,
        "127.0.0.1",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::198.41.0.4",
        "2002:c629:102::1",
        LAN_HOST_V6,
    ];
    let daemon = network.start(chat(&literals));
    assert!(!ping(network.connect(&daemon)), "somebody answers");
    let status = daemon.until("counted", |status| {
        status.ended("chat_in", "upstream_forbidden") == 1
    });
    let addresses = status.upstream("chat")["addresses"].as_array().unwrap();
    assert_eq!(addresses.len(), literals.len());
    for entry in addresses {
        let error = entry["last_error"].as_str().unwrap();
        assert!(error.starts_with("refused: "), "{entry}");
    }
    assert_eq!(network.visits(), [] as [IpAddr; 0]);
}

#[test]
fn what_is_good_in_a_mixed_answer_is_used_and_nothing_else() {
    let network = Network::new();
    let resolver = Resolver::new(&network.router);
    resolver.say("chat.whatsapp.test", &[Record::Alias("alias.test")]);
    resolver.say("alias.test", &[Record::Alias("home.test")]);
    let mixed = [
        LAN_HOST,
        "10.0.0.1",
        PUBLIC,
        LAN_HOST_V6,
        "::1",
        PUBLIC_V6,
        OWN_WAN,
    ];
    resolver.say("home.test", &mixed.map(address));
    let daemon = network.start(chat(&["Chat.WhatsApp.test"]));
    for _ in 0..8 {
        assert!(ping(network.connect(&daemon)), "{}", daemon.log());
    }
    let good: [IpAddr; 2] = [PUBLIC, PUBLIC_V6].map(|ip| ip.parse().unwrap());
    let visits = network.visits();
    assert!(
        visits.iter().all(|visit| good.contains(visit)),
        "{visits:?}"
    );
}

#[test]
fn a_name_that_changes_its_mind_rebinds_nothing() {
    let network = Network::new();
    let resolver = Resolver::new(&network.router);
    let (good, bad) = ([address(PUBLIC)], [address(LAN_HOST), address("127.0.0.1")]);
    resolver.say_in_turn("chat.whatsapp.test", &[&good, &bad]);
    let daemon = network.start(chat(&["chat.whatsapp.test"]));
    for _ in 0..8 {
        assert!(ping(network.connect(&daemon)), "{}", daemon.log());
    }
    assert_eq!(
        resolver.asked("chat.whatsapp.test"),
        1,
        "it asks again before it dials"
    );

    // Who cannot be reached is asked for anew, and now the name leads home.
    network
        .router
        .ip(&format!("route add unreachable {PUBLIC}"));
    daemon.until("the second answer came", |status| {
        let _ = ping(network.connect(&daemon));
        let addresses = status.upstream("chat")["addresses"].as_array().unwrap();
        addresses.len() == 3
    });
    network
        .router
        .ip(&format!("route del unreachable {PUBLIC}"));
    daemon.until("the first answer is kept", |_| {
        ping(network.connect(&daemon))
    });
    let visits = network.visits();
    assert!(
        visits.iter().all(|visit| visit.to_string() == PUBLIC),
        "{visits:?}"
    );
}

#[test]
fn what_comes_home_after_the_answer_is_not_dialled_any_more() {
    let network = Network::new();
    let resolver = Resolver::new(&network.router);
    for (ip, comes_home) in [
        (PUBLIC, "addr add 157.240.1.60/32 dev lo"),
        (PUBLIC, "addr add 157.240.1.1/24 dev lan"),
        (PUBLIC_V6, "addr add 2a03:2880::60/128 dev lo nodad"),
        (PUBLIC_V6, "addr add 2a03:2880::1/64 dev lan nodad"),
    ] {
        resolver.say("chat.whatsapp.test", &[address(ip)]);
        let daemon = network.start(chat(&["chat.whatsapp.test"]));
        assert!(ping(network.connect(&daemon)), "{}", daemon.log());
        let before = network.visits().len();

        network.router.ip(comes_home);
        for _ in 0..4 {
            assert!(!ping(network.connect(&daemon)), "{comes_home}");
        }
        let status = daemon.until("counted", |status| {
            status.ended("chat_in", "upstream_forbidden") == 4
        });
        let error = status.upstream("chat")["last_error"].to_string();
        assert!(error.contains("refused"), "{error}");
        assert_eq!(network.visits().len(), before, "{comes_home}");
        network
            .router
            .ip(&comes_home.replace("add ", "del ").replace(" nodad", ""));
    }
}

#[test]
fn a_nat64_network_leads_to_the_internet() {
    let network = Network::new();
    let resolver = Resolver::new(&network.router);
    // As DNS64 says it where there is no IPv4.
    network.router.ip("route del default");
    resolver.say("chat.whatsapp.test", &[address("64:ff9b::9df0:13c")]);
    let daemon = network.start(chat(&["chat.whatsapp.test"]));
    assert!(ping(network.connect(&daemon)), "{}", daemon.log());
    assert!(
        network
            .visits()
            .contains(&"64:ff9b::9df0:13c".parse().unwrap())
    );
}

#[test]
fn a_proxy_header_that_claims_to_be_of_the_home_leads_nowhere_else() {
    let network = Network::new();
    let setup = Setup::new()
        .main_list("trusted_proxy", SOURCE)
        .main("max_connections_per_client", 1)
        .with(listener("chat_in", "chat").option("accept_proxy", 1))
        .with(chat(&[PUBLIC]));
    let daemon = Daemon::start_under(&network.router.prefix(), &setup);
    let from = |source: &str, claim: &str| {
        let source: IpAddr = source.parse().unwrap();
        let target = (Ipv4Addr::LOCALHOST, daemon.port("chat_in"));
        let mut client = network
            .router
            .inside(|| connect_from(source, target).unwrap());
        let _ = client.write_all(format!("PROXY TCP4 {claim} 12345 443\r\n").as_bytes());
        client
    };

    // Trust is by who calls, whatever he claims; the first is the trusted one's own address.
    for claim in [
        format!("{SOURCE} 127.0.0.1"),
        format!("{LAN_HOST} {OWN_LAN}"),
        format!("127.0.0.1 {LAN_HOST}"),
    ] {
        assert!(!ping(from("127.66.0.2", &claim)), "{claim}");
    }
    daemon.until("all are counted", |status| {
        status.refused("chat_in", "untrusted_proxy") == 3
    });

    // One of the home that is claimed gets what anyone gets, and is counted as the claimed one.
    let mut first = from(&SOURCE.to_string(), &format!("{LAN_HOST} {OWN_LAN}"));
    assert!(echoes(&mut first));
    assert!(!ping(from(
        &SOURCE.to_string(),
        &format!("{LAN_HOST} {OWN_LAN}")
    )));
    assert!(ping(from(
        &SOURCE.to_string(),
        &format!("192.168.1.6 {LAN_HOST}")
    )));
    daemon.until("the cap is counted", |status| {
        status.refused("chat_in", "max_connections_per_client") == 1
    });
    let visits = network.visits();
    assert!(
        visits.iter().all(|visit| visit.to_string() == PUBLIC),
        "{visits:?}"
    );
}

/// A router, and the world, in which every address answers: those of the Internet, of the home
/// and of nobody alike.
struct Network {
    router: Namespace,
    world: Namespace,
    visits: Arc<Mutex<Vec<IpAddr>>>,
    _hosts: [StandIn; 2],
}

impl Network {
    fn new() -> Self {
        let (router, world) = (Namespace::new(), Namespace::new());
        for device in ["wan", "lan", "tunnel"] {
            router.ip(&format!(
                "link add {device} type veth peer name {device} netns {}",
                world.name()
            ));
        }
        for (namespace, device, address) in [
            (&router, "wan", "198.41.0.4/24"),
            (&router, "wan", "2a00:1:1:1::4/64 nodad"),
            (&router, "lan", "192.168.1.1/24"),
            (&router, "lan", "198.41.1.1/29"),
            (&router, "lan", "2a00:1:2:301::1/64 nodad"),
            (&router, "tunnel", "198.41.3.1 peer 198.41.3.2"),
            (&world, "wan", "198.41.0.1/24"),
            (&world, "wan", "2a00:1:1:1::1/64 nodad"),
            (&world, "lan", "192.168.1.5/24"),
            (&world, "lan", "198.41.1.2/29"),
            (&world, "lan", "2a00:1:2:301::5/64 nodad"),
            (&world, "tunnel", "198.41.3.2 peer 198.41.3.1"),
        ] {
            namespace.ip(&format!("addr add {address} dev {device}"));
            namespace.ip(&format!("link set {device} up"));
        }
        router.ip("route add default via 198.41.0.1");
        router.ip("-6 route add default via 2a00:1:1:1::1");
        // Behind its own networks, so that answers find the router.
        world.ip("route add local default dev lo table main");
        world.ip("-6 route add local default dev lo table main");

        let visits = Arc::new(Mutex::new(Vec::new()));
        let hosts = [&router, &world].map(|namespace| {
            let listener =
                namespace.inside(|| TcpListener::bind((Ipv6Addr::UNSPECIFIED, PORT)).unwrap());
            let visits = visits.clone();
            StandIn::on(listener, move |stream| {
                let visited = stream.local_addr()?.ip().to_canonical();
                visits.lock().unwrap().push(visited);
                echo(stream)
            })
        });
        Self {
            router,
            world,
            visits,
            _hosts: hosts,
        }
    }

    /// Starts a daemon on the router that leads to `chat`.
    fn start(&self, chat: Section) -> Daemon {
        let setup = Setup::new()
            .main("connect_timeout", 5)
            .with(listener("chat_in", "chat"))
            .with(chat);
        Daemon::start_under(&self.router.prefix(), &setup)
    }

    fn connect(&self, daemon: &Daemon) -> TcpStream {
        let target = (Ipv4Addr::LOCALHOST, daemon.port("chat_in"));
        self.router.inside(|| connect_from(SOURCE, target).unwrap())
    }

    /// Every address at which somebody called. A call of our own comes last, so none is missed.
    fn visits(&self) -> Vec<IpAddr> {
        for (namespace, ip) in [(&self.router, "127.0.0.1"), (&self.world, "9.9.9.9")] {
            let ip: IpAddr = ip.parse().unwrap();
            let last = namespace.inside(|| TcpStream::connect((ip, PORT)).unwrap());
            client::patient(&last);
            assert!(ping(last));
            let mut visits = self.visits.lock().unwrap();
            let ours = visits.iter().rposition(|visit| *visit == ip).unwrap();
            visits.remove(ours);
        }
        self.visits.lock().unwrap().clone()
    }
}

/// An upstream as the shipped ones are, to which private addresses are closed.
fn chat(hosts: &[&str]) -> Section {
    let mut section = Section::new("upstream", "chat").option("proxy_header", "none");
    for host in hosts {
        let host = match host.parse() {
            Ok(ip) => SocketAddr::new(ip, PORT).to_string(),
            Err(_) => format!("{host}:{PORT}"),
        };
        section = section.list("address", host);
    }
    section
}

fn address(ip: &str) -> Record {
    Record::Address(ip.parse().unwrap())
}

/// Mapped, by NAT64, by 6to4.
fn forms(ip: Ipv4Addr) -> [Ipv6Addr; 3] {
    let bits = u128::from(ip.to_bits());
    let nat64: Ipv6Addr = "64:ff9b::".parse().unwrap();
    let six_to_four: Ipv6Addr = "2002::1".parse().unwrap();
    [
        ip.to_ipv6_mapped(),
        Ipv6Addr::from_bits(nat64.to_bits() | bits),
        Ipv6Addr::from_bits(six_to_four.to_bits() | bits << 80),
    ]
}

fn ping(mut stream: TcpStream) -> bool {
    echoes(&mut stream)
}

fn echoes(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = [0; 4];
    stream
        .write_all(b"ping")
        .and_then(|()| stream.read_exact(&mut answer))
        .is_ok()
}
