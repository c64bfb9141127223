//! A daemon with the shipped limits, honest clients of it, and room for an attacker.

use std::env;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{connect_from, read_exactly};
use crate::support::daemon::Daemon;
use crate::support::duplex::Duplex;
use crate::support::namespace::Namespace;
use crate::support::process::{self, Process};
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::tls::TlsClient;
use crate::support::transfer::Transfers;

const LISTENERS: [&str; 5] = ["plain", "tls", "behind", "all", "gated"];
/// Honest clients, each with an address of its own.
const HONEST: u8 = 200;
/// Bytes of memory that the daemon may keep: the table of clients is of 64 KB.
const LEFT: u64 = 2_000_000;
/// The same for each of the connections that were open at once, whose places are used again. Of all
/// that a flood makes, so little each would be seen.
const LEFT_EACH: u64 = 4_096;

pub struct Stage {
    pub daemon: Daemon,
    files: usize,
    memory: u64,
    cable: Option<Cable>,
    _echo: StandIn,
}

/// The daemon's network, and the one from which its clients come.
struct Cable {
    router: Namespace,
    phone: Namespace,
}

impl Stage {
    /// On loopback, where every attacker is answered.
    pub fn new() -> Self {
        Self::with(None)
    }

    /// On a network that has room for addresses at which nobody is.
    pub fn behind_a_cable() -> Self {
        let (router, phone) = (Namespace::new(), Namespace::new());
        router.join_phone(&phone);
        router.ip("route add default via 192.0.2.66");
        phone.ip("route add local 203.0.113.0/24 dev lo");
        Self::with(Some(Cable { router, phone }))
    }

    fn with(cable: Option<Cable>) -> Self {
        let (echo, prefix) = match &cable {
            Some(Cable { router, .. }) => (router.inside(StandIn::busy_echo), router.prefix()),
            None => (StandIn::busy_echo(), vec![]),
        };
        let setup = Setup::new()
            .main("max_connections_per_client", 64)
            .main("max_rate_per_client", 20)
            .main("max_handshakes", 64)
            .main_list("trusted_proxy", "127.66.0.0/16")
            .main_list("trusted_proxy", "203.0.113.0/24")
            .with(listener("plain", "chat"))
            .with(listener("tls", "chat").option("tls", 1))
            .with(listener("behind", "chat").option("accept_proxy", 1))
            .with(listener("all", "auto").option("tls", 1))
            .with(listener("gated", "chat").option("gate", "enforce"))
            .with(upstream("chat", echo.address(), "none"))
            .with(upstream("media", echo.address(), "none"));
        let mut stage = Self {
            daemon: Daemon::start_under(&prefix, &setup),
            files: 0,
            memory: 0,
            cable,
            _echo: echo,
        };
        // What the daemon opens or allocates once and keeps belongs to the start.
        stage.transfers();
        stage
            .daemon
            .until("none is open", |status| status.open() == 0);
        stage.files = stage.daemon.open_files();
        stage.memory = stage.daemon.status().memory_bytes();
        stage
    }

    pub fn target(&self, listener: &str) -> SocketAddr {
        let address = match &self.cable {
            Some(_) => Ipv4Addr::new(192, 0, 2, 1),
            None => Ipv4Addr::LOCALHOST,
        };
        (address, self.daemon.port(listener)).into()
    }

    /// Honest transfers on all listeners, for as long as a flood lasts.
    pub fn transfers(&self) {
        let mut clients = 0..HONEST;
        let transfers = Transfers::start_slow(HONEST.into(), || {
            let number = clients.next().unwrap();
            let listener = LISTENERS[usize::from(number) % LISTENERS.len()];
            let mut socket = self.connect(number, listener);
            match listener {
                "tls" | "all" => Box::new(TlsClient::over(socket).unwrap_or_else(|error| {
                    panic!("client {number}: {error}\n{:#}", self.daemon.status().0)
                })),
                "behind" => {
                    let header =
                        format!("PROXY TCP6 2001:db8:66:{number:x}::7 2001:db8::1 12345 443\r\n");
                    socket.write_all(header.as_bytes()).unwrap();
                    Box::new(socket) as Box<dyn Duplex>
                }
                "gated" => {
                    socket.write_all(b"WA").unwrap();
                    assert_eq!(read_exactly(&mut socket, 2), b"WA", "client {number}");
                    Box::new(socket)
                }
                _ => Box::new(socket),
            }
        });
        thread::sleep(flood_length());
        transfers.finish();
    }

    fn connect(&self, client: u8, listener: &str) -> TcpStream {
        let target = self.target(listener);
        let stream = match &self.cable {
            Some(Cable { phone, .. }) => {
                let source = Ipv4Addr::new(203, 0, 113, client);
                phone.inside(|| connect_from(source, target))
            }
            None => connect_from(Ipv4Addr::new(127, 66, 200, client), target),
        };
        stream.unwrap_or_else(|error| panic!("client {client}: {error}"))
    }

    fn cable(&self) -> &Cable {
        self.cable.as_ref().expect("a stage behind a cable")
    }

    /// Does `attack` as often as may be, on four threads, beside transfers.
    pub fn flood(&self, attack: impl Fn() + Sync) {
        let end = Instant::now() + 2 * flood_length();
        let attacks: u32 = thread::scope(|scope| {
            let attackers = [(); 4].map(|()| {
                scope.spawn(|| {
                    let mut attacks = 0;
                    while Instant::now() < end {
                        attack();
                        attacks += 1;
                    }
                    attacks
                })
            });
            self.transfers();
            attackers.map(|one| one.join().unwrap()).iter().sum()
        });
        println!("{attacks} attacks");
        assert!(attacks > 500, "hardly a flood: {attacks}");
    }

    /// SYNs from addresses anywhere, none of which goes on.
    pub fn start_hping3(&self, listener: &str) -> Process {
        let target = self.target(listener);
        let (host, port) = (target.ip().to_string(), target.port().to_string());
        let mut words = self.cable().phone.prefix();
        words.extend([
            "hping3",
            "-q",
            "-S",
            "--rand-source",
            "-i",
            "u20",
            "-p",
            &port,
            &host,
        ]);
        start(&words)
    }

    /// Handshakes of TCP that the kernel remembers nothing of, because its queue is full.
    pub fn syn_cookies(&self) -> u64 {
        let mut words = self.cable().router.prefix();
        words.extend(["nstat", "-asz", "TcpExtSyncookiesSent"]);
        let said = process::run(Command::new(words[0]).args(&words[1..])).success();
        let line = said.lines().last().unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// A thousand connections over which HTTP comes slowly: with `-H` its headers, with `-B` its body.
    pub fn start_slowhttptest(&self, way: &str, listener: &str) -> Process {
        let url = format!("https://{}/", self.target(listener));
        start(&[
            "slowhttptest",
            way,
            "-c",
            "1000",
            "-r",
            "200",
            "-i",
            "1",
            "-l",
            "60",
            "-u",
            &url,
        ])
    }

    pub fn assert_nothing_is_left(&self) {
        self.daemon
            .until("none is open", |status| status.open() == 0);
        let status = self.daemon.status();
        let (memory, peak) = (status.memory_bytes(), status.peak());
        println!(
            "{} bytes of memory, {memory} after a peak of {peak} connections",
            self.memory
        );
        assert!(memory < self.memory + LEFT + peak * LEFT_EACH);
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.daemon.open_files() > self.files {
            assert!(Instant::now() < deadline, "files are left open");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

fn start(words: &[&str]) -> Process {
    Process::start(Command::new(words[0]).args(&words[1..]))
}

fn flood_length() -> Duration {
    let seconds = env::var("WAPROXY_FLOOD_SECONDS")
        .map_or(4, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}
