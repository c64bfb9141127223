//! A day in the life of a proxy: traffic of every kind, reloads, upstreams that fail. Nothing may
//! grow, and what is counted must be what the peers counted.
//!
//! `WAPROXY_SOAK_SECONDS` says how long; half an hour and more is a soak, less shows that it works.

mod conversation;
mod mischief;

use std::env;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use self::conversation::{Conversation, Counted, End};
use self::mischief::FailingHost;
use crate::support::client::connect;
use crate::support::daemon::Daemon;
use crate::support::duplex::Duplex;
use crate::support::random::Random;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::{BlackHole, StandIn};
use crate::support::tls::{TlsClient, hello_for};

#[test]
fn a_proxy_in_use_grows_nowhere_and_counts_to_the_byte() {
    let counted: &'static Counted = Box::leak(Box::default());
    let host = StandIn::new(|stream| conversation::answer(stream, counted));
    let media_host = StandIn::new(|mut stream| {
        conversation::receive_hello(&mut stream, counted)?;
        conversation::answer(stream, counted)
    });
    let failing = FailingHost::new();
    let hole = BlackHole::new();
    let setup = Setup::new()
        .main("connect_timeout", 1)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(listener("all", "auto").option("tls", 1))
        .with(listener("gated", "chat").option("gate", "enforce"))
        .with(listener("rough", "failing"))
        .with(listener("rough_tls", "failing").option("tls", 1))
        .with(upstream("chat", host.address(), "none"))
        .with(upstream("media", media_host.address(), "none"))
        .with(upstream("failing", failing.address(), "v1").list("address", hole.address()));
    let mut soak = Soak {
        daemon: Daemon::start(&setup),
        setup,
        counted,
        failing,
        seeds: 0,
    };
    let length = length();
    let interval = Duration::from_secs(if length >= LONG { 10 } else { 1 });
    // What is opened or allocated once, and kept, is no growth.
    soak.run(WARM_UP.max(length / LAPS), interval);
    let before = soak.measure();
    let mut memory = vec![before.memory];
    for lap in 1..=LAPS {
        soak.run(length / LAPS, interval);
        let after = soak.measure();
        println!("lap {lap}: {after:?}");
        memory.push(after.memory);
        assert!(after.files <= before.files, "files grew: {before:?}");
        assert!(after.pipes <= MOST_PIPES, "pipes grew");
    }

    soak.compare();
    // A lap may be busier than all before it; but what leaks does so in the end.
    let grown = memory[memory.len() - 1].saturating_sub(memory[0]);
    assert!(grown < u64::from(LAPS) * LEFT, "memory grew: {memory:?}");
}

const WARM_UP: Duration = Duration::from_secs(8);
/// From here on reloads come as seldom as they may in life.
const LONG: Duration = Duration::from_mins(10);
/// Parts of equal length, after each of which nothing is open.
const LAPS: u32 = 4;
/// Bytes that the allocator may lose to gaps in a lap.
const LEFT: u64 = 128 * 1024;
/// 32 of each of two workers.
const MOST_PIPES: u64 = 64;
/// Listeners whose connections are counted.
const COUNTED: [&str; 4] = ["plain", "tls", "all", "gated"];
/// Clients of each kind whose connections are counted.
const TALKERS: u64 = 4;
/// Clients of each of the others.
const ROUGH: u64 = 4;

fn length() -> Duration {
    let seconds = env::var("WAPROXY_SOAK_SECONDS")
        .map_or(20, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

struct Soak {
    daemon: Daemon,
    setup: Setup,
    counted: &'static Counted,
    failing: FailingHost,
    seeds: u64,
}

/// What may not grow.
#[derive(Debug)]
struct Held {
    memory: u64,
    files: usize,
    pipes: u64,
}

impl Soak {
    /// Traffic for some time, with a reload every `interval`, and then none.
    fn run(&mut self, length: Duration, interval: Duration) {
        let over = AtomicBool::new(false);
        let end = Instant::now() + length;
        let port = |name: &str| self.setup.port(name);
        let talkers = [
            Target::Plain(port("plain")),
            Target::Tls(port("tls")),
            Target::Tls(port("all")),
            Target::Media(port("all")),
            Target::Plain(port("gated")),
        ];
        let rough = [Target::Plain(port("rough")), Target::Tls(port("rough_tls"))];
        let counted = self.counted;
        thread::scope(|scope| {
            let over = &over;
            for _ in 0..TALKERS {
                for target in talkers {
                    self.seeds += 1;
                    let seed = conversation::FIRST | self.seeds << 32;
                    scope.spawn(move || talk(target, seed, interval, counted, over));
                }
            }
            for _ in 0..ROUGH {
                for target in rough {
                    self.seeds += 1;
                    let seed = self.seeds << 40;
                    scope.spawn(move || misbehave(target, seed, over));
                }
            }
            let failing = &self.failing;
            scope.spawn(move || failing.fail_now_and_then(interval, over));
            let mut reloads = 0;
            while Instant::now() < end {
                thread::sleep(interval);
                reloads += 1;
                reload(&mut self.daemon, &self.setup, reloads);
            }
            over.store(true, Relaxed);
            // The listener that comes and goes is no growth.
            reload(&mut self.daemon, &self.setup, 0);
            println!("{reloads} reloads in {length:?}");
        });
        self.daemon
            .until("none is open", |status| status.open() == 0);
    }

    fn measure(&self) -> Held {
        // Health checks of the failing host come and go: the least is what is there without.
        let files = (0..50).map(|_| {
            thread::sleep(Duration::from_millis(100));
            self.daemon.open_files()
        });
        Held {
            files: files.min().unwrap(),
            memory: self.daemon.status().memory_bytes(),
            pipes: self.daemon.open_pipes(),
        }
    }

    /// What the daemon counted is what the peers did.
    fn compare(&self) {
        let status = self.daemon.status();
        let sum = |name: &str| {
            COUNTED
                .map(|listener| status.listener(listener)[name].as_u64().unwrap())
                .iter()
                .sum::<u64>()
        };
        println!("{:?}", self.counted);
        assert_eq!(sum("bytes_up"), self.counted.up.load(Relaxed));
        assert_eq!(sum("bytes_down"), self.counted.down.load(Relaxed));
        let ended = |reason| {
            COUNTED
                .map(|listener| status.ended(listener, reason))
                .iter()
                .sum::<u64>()
        };
        let mut all = 0;
        for (reason, ends) in [
            ("closed", &[End::ByClient, End::ByUpstream][..]),
            ("reset_by_client", &[End::ResetByClient]),
            ("reset_by_upstream", &[End::ResetByUpstream]),
        ] {
            let expected: u64 = ends.iter().map(|end| self.counted.ended(*end)).sum();
            assert_eq!(ended(reason), expected, "{reason}");
            all += expected;
        }
        assert_eq!(sum("accepted"), all);
        for name in ["rough", "rough_tls"] {
            let rough = status.listener(name);
            let gone = total(&rough["refused"]) + total(&rough["ended"]);
            assert_eq!(rough["accepted"], gone, "each is counted once: {rough:#}");
        }
    }
}

/// Every other time there is one listener more, and other timeouts; at times a new certificate.
fn reload(daemon: &mut Daemon, setup: &Setup, number: u64) {
    let next = if number % 2 == 1 {
        setup
            .clone()
            .main("idle_timeout", 100)
            .with(listener("extra", "chat"))
    } else {
        setup.clone()
    };
    daemon.reload(&next);
    daemon.until("the file was read", |status| {
        status.find("extra").is_some() == (number % 2 == 1)
    });
    if number % 5 == 1 {
        daemon.ask("certificate", &["--new"]).success();
    }
    if number % 30 == 1 {
        let (memory, files) = (daemon.status().memory_bytes(), daemon.open_files());
        println!("reload {number}: {memory} bytes of memory, {files} files");
    }
}

#[derive(Clone, Copy)]
enum Target {
    /// TLS that goes on unopened: its beginning, and no more TLS than that.
    Media(u16),
    Plain(u16),
    Tls(u16),
}

impl Target {
    fn connect(self) -> io::Result<Box<dyn Duplex>> {
        Ok(match self {
            Self::Media(port) => {
                let mut stream = connect(port);
                stream.write_all(&hello_for("mmg.whatsapp.net"))?;
                Box::new(stream)
            }
            Self::Plain(port) => Box::new(connect(port)),
            Self::Tls(port) => Box::new(TlsClient::over(connect(port))?),
        })
    }
}

/// One conversation after another. None may fail.
fn talk(target: Target, seed: u64, longest: Duration, counted: &Counted, over: &AtomicBool) {
    for seed in seed.. {
        if over.load(Relaxed) {
            break;
        }
        let conversation = Conversation::new(seed);
        let held = target
            .connect()
            .and_then(|stream| conversation.hold(stream, longest, counted));
        if let Err(error) = held {
            over.store(true, Relaxed);
            panic!("{conversation:?}: {error}");
        }
        thread::sleep(longest / 40);
    }
}

fn misbehave(target: Target, seed: u64, over: &AtomicBool) {
    let mut random = Random::new(seed);
    while !over.load(Relaxed) {
        // The host may be gone, and the connection with it.
        if let Ok(stream) = target.connect() {
            let _ = mischief::leave_early(stream, &mut random);
        }
        thread::sleep(Duration::from_millis(random.below(100)));
    }
}

/// The sum of the numbers of an object.
fn total(counts: &Value) -> u64 {
    let counts = counts.as_object().expect("an object of counts");
    counts.values().filter_map(Value::as_u64).sum()
}
