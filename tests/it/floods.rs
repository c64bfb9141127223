//! Floods, beside honest transfers that begin in the middle of them. The limits of clients and of
//! handshakes are those that the package ships.
//!
//! `WAPROXY_FLOOD_SECONDS` says how long each lasts.

use std::env;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::support::client::connect_from;
use crate::support::daemon::Daemon;
use crate::support::duplex::Duplex;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::tls::TlsClient;
use crate::support::transfer::Transfers;

#[test]
fn a_flood_from_one_address_is_turned_away() {
    let stage = Stage::new();
    stage.flood(|| {
        let flooder = Ipv4Addr::new(127, 66, 100, 1);
        let _ = connect_from(flooder, stage.target("plain"));
    });
    let status = stage.daemon.status();
    assert!(status.refused("plain", "max_rate_per_client") > 100);
    stage.assert_nothing_is_left();
}

#[test]
fn handshakes_that_drip_are_pushed_out() {
    let stage = Stage::new();
    let drip = Drip::start(&stage, "tls", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
    stage.transfers();
    assert!(stage.daemon.status().refused("tls", "max_handshakes") >= 100);
    assert!(drip.finish() >= 100, "those that are pushed out are told");
    stage.assert_nothing_is_left();
}

#[test]
fn headers_that_drip_are_pushed_out() {
    let stage = Stage::new();
    let drip = Drip::start(&stage, "behind", b"PROXY TCP4 ");
    stage.transfers();
    assert!(stage.daemon.status().refused("behind", "max_handshakes") >= 100);
    assert!(drip.finish() >= 100, "those that are pushed out are told");
    stage.assert_nothing_is_left();
}

/// Honest clients, each with an address of its own.
const HONEST: u8 = 200;
/// Bytes of memory that the daemon may keep: the table of clients is of 64 KB.
const LEFT: u64 = 2_000_000;

fn flood_length() -> Duration {
    let seconds = env::var("WAPROXY_FLOOD_SECONDS")
        .map_or(4, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

struct Stage {
    daemon: Daemon,
    files: usize,
    memory: u64,
    _echo: StandIn,
}

impl Stage {
    fn new() -> Self {
        let echo = StandIn::echo();
        let setup = Setup::new()
            .main("max_connections_per_client", 64)
            .main("max_rate_per_client", 20)
            .main("max_handshakes", 64)
            .main_list("trusted_proxy", "127.66.0.0/16")
            .with(listener("plain", "chat"))
            .with(listener("tls", "chat").option("tls", 1))
            .with(listener("behind", "chat").option("accept_proxy", 1))
            .with(upstream("chat", echo.address(), "none"));
        let mut stage = Self {
            daemon: Daemon::start(&setup),
            files: 0,
            memory: 0,
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

    fn target(&self, listener: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.daemon.port(listener)).into()
    }

    /// Honest transfers on all listeners, for as long as a flood lasts.
    fn transfers(&self) {
        let mut clients = 0..HONEST;
        let transfers = Transfers::start_slow(HONEST.into(), || {
            let number = clients.next().unwrap();
            let client = Ipv4Addr::new(127, 66, 200, number);
            let listener = ["plain", "tls", "behind"][usize::from(number % 3)];
            let mut socket = connect_from(client, self.target(listener)).unwrap();
            match listener {
                "tls" => Box::new(TlsClient::over(socket).unwrap_or_else(|error| {
                    panic!("client {number}: {error}\n{:#}", self.daemon.status().0)
                })),
                "behind" => {
                    let header = format!("PROXY TCP4 203.0.113.{number} 192.0.2.1 12345 443\r\n");
                    socket.write_all(header.as_bytes()).unwrap();
                    Box::new(socket) as Box<dyn Duplex>
                }
                _ => Box::new(socket),
            }
        });
        thread::sleep(flood_length());
        transfers.finish();
    }

    /// Does `attack` as often as may be, on four threads, beside transfers.
    fn flood(&self, attack: impl Fn() + Sync) {
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

    fn assert_nothing_is_left(&self) {
        self.daemon
            .until("none is open", |status| status.open() == 0);
        let memory = self.daemon.status().memory_bytes();
        assert!(
            memory < self.memory + LEFT,
            "{memory} after {}",
            self.memory
        );
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.daemon.open_files() > self.files {
            assert!(Instant::now() < deadline, "files are left open");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Two hundred connections, each of another client, that say a byte a second until they are reset.
struct Drip {
    running: JoinHandle<usize>,
    stop: Arc<AtomicBool>,
}

impl Drip {
    fn start(stage: &Stage, listener: &str, beginning: &'static [u8]) -> Self {
        let connect = |number| {
            let stranger = Ipv4Addr::new(127, 66, 100, number);
            connect_from(stranger, stage.target(listener)).ok()
        };
        let mut streams: Vec<TcpStream> = (0..200).filter_map(connect).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let running = thread::spawn(move || {
            let before = streams.len();
            for byte in beginning {
                streams.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_secs(1));
            }
            streams.retain_mut(|stream| stream.write_all(b"x").is_ok());
            before - streams.len()
        });
        Self { running, stop }
    }

    /// How many have been reset.
    fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().unwrap()
    }
}
