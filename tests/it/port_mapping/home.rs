//! A home behind a router, and somebody on the Internet. Needs root.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{connect_from, patient};
use crate::support::folder::Folder;
use crate::support::namespace::Namespace;
use crate::support::process::{self, Process};

/// The gateway's address toward the Internet, and at home.
pub const OUTSIDE: &str = "198.41.7.9";
pub const GATEWAY: &str = "192.168.178.1";
/// The daemon's machine.
pub const OWN: &str = "192.168.178.20";
/// Somebody on the Internet.
const PHONE: &str = "198.41.7.66";

/// No more than the daemon may need for what it does every four seconds here.
const SOON: Duration = Duration::from_secs(30);

/// A home behind a gateway, and somebody on the Internet.
pub struct Home {
    pub gateway: Namespace,
    phone: Namespace,
    folder: Folder,
}

impl Home {
    pub fn with_machine() -> (Self, Namespace) {
        let machine = Namespace::new();
        (Self::with(&machine), machine)
    }

    /// `machine` gets a cable `wan` to the gateway.
    pub fn with(machine: &Namespace) -> Self {
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

    /// miniupnpd, which grants eight seconds at most by PCP, and by UPnP what it is asked for.
    pub fn start_gateway(&self, protocols: &str, rules: &str) -> Process {
        self.gateway.tool(&["nft", NFT]);
        let leases = self.leases();
        let config = format!(
            "ext_ifname=ext\nlistening_ip=lan\n{protocols}\nmin_lifetime=4\nmax_lifetime=8\n\
             lease_file={}\nsecure_mode=yes\n{rules}\ndeny 0-65535 0.0.0.0/0 0-65535\n",
            leases.display()
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
            let said = gateway.said();
            said.contains("Listening for NAT-PMP/PCP") || said.contains("HTTP listening on port")
        });
        gateway
    }

    /// Where miniupnpd notes what it grants by UPnP.
    pub fn leases(&self) -> PathBuf {
        self.folder.join("leases")
    }

    /// How many ports it forwards.
    pub fn forwards(&self) -> usize {
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
    pub fn serves(&self, port: u16) -> bool {
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

    pub fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !condition() {
            assert!(Instant::now() < deadline, "not: {what}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// What a gateway knows.
pub const PCP: &str = "enable_natpmp=yes\nenable_upnp=no";
pub const UPNP: &str = "enable_natpmp=no\nenable_upnp=yes";

/// What a gateway allows.
pub const ANYTHING: &str = "allow 0-65535 192.168.178.0/24 0-65535";
pub const OPENWRT: &str = "allow 1024-65535 0.0.0.0/0 1024-65535";

/// What miniupnpd wants to be there.
const NFT: &str = "
table inet filter {
    chain miniupnpd {}
    chain prerouting_miniupnpd {}
    chain postrouting_miniupnpd {}
    chain prerouting { type nat hook prerouting priority dstnat; jump prerouting_miniupnpd; }
    chain postrouting { type nat hook postrouting priority srcnat; jump postrouting_miniupnpd; }
}";
