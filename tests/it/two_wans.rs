//! A router with two ways to the Internet, and upstreams that are bound to one of them. Needs root.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

use crate::support::client::{SOURCE, connect_from, patient};
use crate::support::daemon::Daemon;
use crate::support::namespace::Namespace;
use crate::support::setup::{Section, Setup, listener};
use crate::support::stand_in::StandIn;

/// A host of WhatsApp's, which either way leads to: each has a stand-in of its own there.
const HOST: &str = "157.240.1.60:5222";

/// Like the init script's jail: nothing but what any user may do.
const NO_CAPABILITIES: [&str; 3] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

#[test]
fn upstreams_are_reached_by_the_named_device_alone() {
    let network = Network::new();
    let setup = |device: &str| {
        Setup::new()
            .main("connect_timeout", 2)
            .main("upstream_interface", device)
            .with(listener("chat_in", "chat"))
            .with(
                Section::new("upstream", "chat")
                    .list("address", HOST)
                    .option("proxy_header", "none"),
            )
    };
    let prefix = network.router.prefix();
    let prefix: Vec<_> = prefix.into_iter().chain(NO_CAPABILITIES).collect();
    let start = |device: &str| Daemon::start_under(&prefix, &setup(device));

    // As the routes say, which prefer the first.
    assert_eq!(network.call(&start("")), b"a");
    assert_eq!(network.call(&start("wana")), b"a");
    let mut daemon = start("wanb");
    assert_eq!(network.call(&daemon), b"b");

    // Not even while it is gone does anything leave by the other one, and status says why.
    network.router.ip("link del wanb");
    assert_eq!(network.call(&daemon), b"");
    let status = daemon.until("the upstream is down", |status| {
        status.upstream("chat")["health"] == "down"
    });
    let error = status.upstream("chat")["last_error"].to_string();
    let said = "network device wanb: No such device";
    assert!(error.contains(said), "{error}");
    let table = daemon.ask("status", &[]).success();
    assert!(table.contains(said), "{table}");

    network.bring_b();
    daemon.until("it heals", |status| {
        status.upstream("chat")["health"] == "up"
    });
    assert_eq!(network.call(&daemon), b"b");

    // Changed while it runs.
    daemon.reload(&setup("wana"));
    daemon.until("the other way is taken", |_| network.call(&daemon) == b"a");
}

/// Two ways out: by `wana`, which the routes prefer, and by `wanb`.
struct Network {
    router: Namespace,
    ways: [Namespace; 2],
    _hosts: [StandIn; 2],
}

impl Network {
    fn new() -> Self {
        let router = Namespace::new();
        let ways = [Namespace::new(), Namespace::new()];
        let hosts = [(b"a", &ways[0]), (b"b", &ways[1])].map(|(name, way)| {
            way.ip("route add local default dev lo table main");
            let socket = way.inside(|| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 5222)).unwrap());
            StandIn::on(socket, move |mut stream| stream.write_all(name))
        });
        let network = Self {
            router,
            ways,
            _hosts: hosts,
        };
        network.bring("wana", &network.ways[0], "198.41.0", 10);
        network.bring_b();
        network
    }

    fn bring_b(&self) {
        self.bring("wanb", &self.ways[1], "198.41.1", 20);
    }

    fn bring(&self, device: &str, way: &Namespace, network: &str, metric: u8) {
        let name = way.name();
        self.router.ip(&format!(
            "link add {device} type veth peer name router netns {name}"
        ));
        way.ip(&format!("addr add {network}.1/24 dev router"));
        way.ip("link set router up");
        self.router
            .ip(&format!("addr add {network}.4/24 dev {device}"));
        self.router.ip(&format!("link set {device} up"));
        self.router.ip(&format!(
            "route add default via {network}.1 dev {device} metric {metric}"
        ));
    }

    /// What a client is told, who calls from the router itself.
    fn call(&self, daemon: &Daemon) -> Vec<u8> {
        let target = (Ipv4Addr::LOCALHOST, daemon.port("chat_in"));
        let mut client = self.router.inside(|| connect_from(SOURCE, target).unwrap());
        patient(&client);
        let mut said = Vec::new();
        let _ = client.read_to_end(&mut said);
        said
    }
}
