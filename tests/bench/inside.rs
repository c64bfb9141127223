//! The bench inside a machine as small as a router: one relay, fixed amounts of work, nothing
//! pinned, and one line for each figure: its name, the relay, the value and its unit.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use rustls::client::Resumption;

use crate::certificate::Certificate;
use crate::cipher;
use crate::cost::as_f64;
use crate::pair::Upstream;
use crate::port;
use crate::proof::prove;
use crate::relay::{Kind, Parts, Relay};
use crate::tls::{self, Cipher, Version};
use crate::work::bulk::{Way, bulk};
use crate::work::connections::{Handshake, connections};
use crate::work::memory::{at_start, held};
use crate::work::round_trips::round_trips;

#[derive(Debug, clap::Args)]
pub struct Options {
    /// The relay to measure.
    #[arg(long)]
    relay: Kind,
    /// Its program.
    #[arg(long)]
    program: PathBuf,
    /// Where to write configurations and certificates.
    #[arg(long)]
    folder: PathBuf,
    /// PEM file with a certificate and its key; without it one is made.
    #[arg(long)]
    pair: Option<PathBuf>,
    /// Ciphers that clients offer.
    #[arg(long, default_value = "any")]
    cipher: Cipher,
    /// Bytes by which the relay proves itself first; none, and it has not to.
    #[arg(long, default_value_t = 200_000)]
    proof_bytes: u64,
    /// Bytes of each bulk transfer.
    #[arg(long, default_value_t = 32_000_000)]
    bytes: u64,
    /// Bytes of each bulk transfer over TLS.
    #[arg(long, default_value_t = 8_000_000)]
    tls_bytes: u64,
    /// Plain connections.
    #[arg(long, default_value_t = 1_000)]
    connections: u32,
    /// TLS handshakes of each kind.
    #[arg(long, default_value_t = 100)]
    handshakes: u32,
    /// Round trips.
    #[arg(long, default_value_t = 2_000)]
    round_trips: u32,
    /// Connections of each kind that are held.
    #[arg(long, default_value_t = 100)]
    held: u32,
}

pub fn run(options: &Options) -> io::Result<()> {
    fs::create_dir_all(&options.folder)?;
    let ecdsa = match &options.pair {
        Some(pair) => Certificate::split(&options.folder, pair)?,
        None => Certificate::ecdsa(&options.folder)?,
    };
    let program = &options.program;
    let parts = Parts {
        folder: options.folder.clone(),
        upstream: port::fresh(),
        ecdsa,
        rsa: None,
        waproxy: program.clone(),
        haproxy: program.clone(),
        nginx: program.clone(),
        realm: program.clone(),
    };
    let upstream = Upstream::new(parts.upstream)?;
    let mut relay = Relay::start(options.relay, &parts)?;
    all(options, &upstream, &relay).map_err(|error| {
        let obituary = relay.obituary();
        io::Error::other(format!("{error}; of the relay: {obituary}"))
    })
}

fn all(options: &Options, upstream: &Upstream, relay: &Relay) -> io::Result<()> {
    let name = clap::ValueEnum::to_possible_value(&options.relay);
    let name = name.as_ref().map_or("?", |name| name.get_name());
    let say =
        |figure: &str, value: f64, unit: &str| println!("{figure}\t{name}\t{value:.0}\t{unit}");
    let config = |version, resumption| {
        tls::config(version, options.cipher, resumption).map_err(io::Error::other)
    };
    let full = config(Version::Tls13, Resumption::disabled())?;
    let resuming = config(Version::Tls13, Resumption::in_memory_sessions(256))?;

    let has = |tls: bool| !tls || relay.kind.has_tls();

    say("start_pss", at_start(relay, PAUSE)?.pss, "B");
    let held_each = [("held_plain", None), ("held_tls", Some(&full))];
    for (figure, tls) in held_each.into_iter().filter(|one| has(one.1.is_some())) {
        let held = held(relay, upstream, tls, options.held, PAUSE)?;
        say(figure, held.each, "B");
    }
    if options.proof_bytes > 0 {
        for tls in [None, Some(&full)]
            .into_iter()
            .filter(|tls| has(tls.is_some()))
        {
            prove(relay, upstream, tls, options.proof_bytes)?;
        }
    }
    let ways = [
        ("plain_up", None, Way::Up),
        ("plain_down", None, Way::Down),
        ("plain_both", None, Way::Both),
        ("tls_up", Some(&full), Way::Up),
        ("tls_down", Some(&full), Way::Down),
    ];
    for (figure, tls, way) in ways.into_iter().filter(|one| has(one.1.is_some())) {
        let bytes = tls.map_or(options.bytes, |_| options.tls_bytes);
        let moved = bulk(relay, upstream, tls, way, bytes)?;
        let each = moved.cpu_seconds_a_gigabyte() * 1e6;
        say(figure, each, "ns/MB");
    }
    let handshakes = [
        ("plain_connection", Handshake::None, options.connections),
        (
            "tls13_full",
            Handshake::Full(full.clone()),
            options.handshakes,
        ),
        (
            "tls13_resumed",
            Handshake::Resumed(resuming),
            options.handshakes,
        ),
    ];
    let is_tls = |handshake: &Handshake| !matches!(handshake, Handshake::None);
    for (figure, handshake, count) in handshakes.into_iter().filter(|one| has(is_tls(&one.1))) {
        let done = connections(relay, upstream, &handshake, count)?;
        say(figure, nanoseconds(done.cpu_each()), "ns");
    }
    let trips = [("plain_64", None), ("tls_64", Some(&full))];
    for (figure, tls) in trips.into_iter().filter(|one| has(one.1.is_some())) {
        let done = round_trips(relay, upstream, tls, 64, 1, options.round_trips)?;
        say(figure, nanoseconds(done.cpu_each()), "ns");
    }
    // The daemon's ring is in this program too; other relays have their own cipher.
    if relay.kind == Kind::Waproxy {
        say("cipher_mb", nanoseconds(cipher::megabyte()?), "ns/MB");
        say("cipher_64", nanoseconds(cipher::round_trip()?), "ns");
    }
    Ok(())
}

/// For a relay to come to rest.
const PAUSE: Duration = Duration::from_millis(100);

fn nanoseconds(time: std::time::Duration) -> f64 {
    as_f64(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
