//! A storm of garbage on every kind of listener, beside real transfers.
//!
//! `WAPROXY_STORM_SECONDS` says how long it lasts.

use std::env;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::client::{connect_from, read_exactly, reset};
use crate::support::daemon::Daemon;
use crate::support::duplex::Duplex;
use crate::support::random::Random;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::tls::{TlsClient, hello_for};
use crate::support::transfer::Transfers;

const LISTENERS: [&str; 6] = ["plain", "tls", "behind", "behind_tls", "all_tls", "gated"];

#[test]
fn garbage_leaks_nothing_and_disturbs_nobody() {
    let echo = StandIn::echo();
    let setup = Setup::new()
        .main("handshake_timeout", 3)
        .main("idle_timeout", 5)
        .main("half_close_timeout", 3)
        .main_list("trusted_proxy", "127.66.0.0/16")
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(listener("behind", "chat").option("accept_proxy", 1))
        .with(
            listener("behind_tls", "chat")
                .option("accept_proxy", 1)
                .option("tls", 1),
        )
        .with(listener("all_tls", "auto").option("tls", 1))
        .with(listener("gated", "chat").option("gate", "enforce"))
        .with(upstream("chat", echo.address(), "none"))
        .with(upstream("media", echo.address(), "none"));
    let daemon = Daemon::start(&setup);
    // What the daemon opens once and keeps belongs to the start.
    for name in LISTENERS {
        Transfers::start(1, || connect(&daemon, name)).finish();
    }
    daemon.until("none is open", |status| status.open() == 0);
    let files_before = daemon.open_files();
    // Nor is what it allocates once part of a leak.
    storm(&daemon, SHORT_STORM);
    let memory_before = daemon.status().memory_bytes();

    storm(&daemon, storm_length());

    let status = daemon.status();
    let memory_after = status.memory_bytes();
    println!("{memory_before} bytes of memory before the long storm, {memory_after} after");
    assert!(
        memory_after < memory_before + LEFT,
        "{} bytes are left behind",
        memory_after - memory_before
    );
    for name in LISTENERS {
        let listener = status.listener(name);
        let gone: u64 = ["refused", "ended"]
            .iter()
            .map(|kind| total(&listener[*kind]))
            .sum();
        assert_eq!(
            gone,
            listener["accepted"].as_u64().unwrap(),
            "each is counted once: {listener:#}"
        );
    }
    let files_after = settled(files_before, || daemon.open_files());
    assert!(
        files_after <= files_before,
        "{files_before} files were open before, {files_after} are after"
    );
    for name in LISTENERS {
        Transfers::start(1, || connect(&daemon, name)).finish();
    }
}

const SHORT_STORM: Duration = Duration::from_secs(5);
/// Bytes of memory that the daemon may keep after a longer storm.
const LEFT: u64 = 1_000_000;

/// Throws garbage at all listeners beside transfers, and waits until the last of it is gone.
fn storm(daemon: &Daemon, length: Duration) {
    let transfers = LISTENERS.map(|name| Transfers::start(5, || connect(daemon, name)));
    let end = Instant::now() + length;
    let thrown: u64 = thread::scope(|scope| {
        let throwers: Vec<_> = (0..18)
            .map(|number| {
                let listener = LISTENERS[number % LISTENERS.len()];
                let target = SocketAddr::from((Ipv4Addr::LOCALHOST, daemon.port(listener)));
                scope.spawn(move || throw_until(end, target, number as u64))
            })
            .collect();
        throwers
            .into_iter()
            .map(|thrower| thrower.join().unwrap())
            .sum()
    });
    let moved: u64 = transfers.into_iter().map(Transfers::finish).sum();
    println!(
        "{thrown} pieces of garbage beside {} MB of transfers",
        moved / 1_000_000
    );
    assert!(thrown > 100, "hardly a storm: {thrown}");
    daemon.until("none is open", |status| status.open() == 0);
}

fn storm_length() -> Duration {
    let seconds = env::var("WAPROXY_STORM_SECONDS")
        .map_or(60, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// A proper client of any of the listeners.
fn connect(daemon: &Daemon, listener: &str) -> Box<dyn Duplex> {
    let mut socket = daemon.connect(listener);
    if listener.starts_with("behind") {
        socket
            .write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n")
            .unwrap();
    }
    if listener == "gated" {
        socket.write_all(b"WA").unwrap();
        assert_eq!(read_exactly(&mut socket, 2), b"WA");
    }
    if listener.ends_with("tls") {
        Box::new(TlsClient::over(socket).unwrap())
    } else {
        Box::new(socket)
    }
}

/// Throws one piece after another; how many.
fn throw_until(end: Instant, target: SocketAddr, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    let mut thrown = 0;
    while Instant::now() < end {
        // Some come from where PROXY headers are not welcome.
        let trusted = random.below(4) > 0;
        let [.., third, fourth] = random.next().to_be_bytes();
        let source: IpAddr =
            Ipv4Addr::new(127, if trusted { 66 } else { 67 }, third, fourth).into();
        if let Ok(mut stream) = connect_from(source, target) {
            // The daemon may leave at any time.
            let _ = throw(&mut stream, &mut random);
            match random.below(3) {
                0 => reset(stream),
                1 => drop(stream),
                _ => {
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
                    let _ = stream.read(&mut [0; 64]);
                }
            }
            thrown += 1;
        }
        thread::sleep(Duration::from_millis(random.below(5)));
    }
    thrown
}

fn throw(stream: &mut TcpStream, random: &mut Random) -> io::Result<()> {
    match random.below(11) {
        // A port scanner.
        0 => Ok(()),
        1 => stream.write_all(&random.bytes(1, 100)),
        2 => stream.write_all(&random.bytes(1000, 100_000)),
        // The start of a PROXY header, or a whole one with garbage behind it.
        3 => stream.write_all(part(V1, random)),
        4 => stream.write_all(part(V2, random)),
        5 => stream.write_all(&[V1, &random.bytes(0, 100)].concat()),
        // Alerts, alone and behind a PROXY header.
        6 => stream.write_all(&[
            0x15,
            3,
            3,
            0,
            2,
            2,
            u8::try_from(random.below(256)).unwrap(),
        ]),
        7 => stream.write_all(&[V1, &[0x15, 3, 1, 0, 2, 1, 0]].concat()),
        // Of a ClientHello for media, and of chat.
        8 => stream.write_all(part(&hello_for("mmg.whatsapp.net"), random)),
        9 => stream.write_all(&[part(b"WA\x06\x03", random), &random.bytes(0, 100)].concat()),
        // Drips.
        _ => {
            let bytes = random.bytes(1, 30);
            bytes.iter().try_for_each(|byte| {
                thread::sleep(Duration::from_millis(20));
                stream.write_all(&[*byte])
            })
        }
    }
}

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 192.0.2.1 12345 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x30\x39\x01\xbb";

fn part<'a>(whole: &'a [u8], random: &mut Random) -> &'a [u8] {
    &whole[..usize::try_from(random.below(whole.len() as u64)).unwrap()]
}

/// The sum of the numbers of an object.
fn total(counts: &Value) -> u64 {
    let counts = counts.as_object().expect("an object of counts");
    counts
        .values()
        .map(|count| count.as_u64().expect("a count"))
        .sum()
}

/// A number once it is down to `goal`, or what it stays at: a health check may have a file open
/// for a moment.
fn settled(goal: usize, measure: impl Fn() -> usize) -> usize {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let now = measure();
        if now <= goal || Instant::now() > deadline {
            return now;
        }
        thread::sleep(Duration::from_millis(100));
    }
}
