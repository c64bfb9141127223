//! Everything that a measurement on this machine needs besides the relay.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;

use crate::cores::Cores;
use crate::pair::Upstream;
use crate::relay::{Kind, Limits, Parts, Relay};
use crate::tls::{self, Cipher, Version};
use crate::work::connections::Handshake;

pub struct Site {
    pub parts: Parts,
    pub upstream: Upstream,
    pub cores: Cores,
    pub amounts: Amounts,
    /// TLS 1.3, never resumed.
    pub full: Arc<ClientConfig>,
}

impl Site {
    pub fn new(parts: Parts, amounts: Amounts, cores: Cores) -> io::Result<Self> {
        Ok(Self {
            upstream: Upstream::new(parts.upstream)?,
            parts,
            cores,
            amounts,
            full: config(Version::Tls13, Resumption::disabled())?,
        })
    }

    /// This project's relay with `limits`. Of others there is none.
    pub fn limited(&self, kind: Kind, limits: Limits) -> io::Result<Option<Relay>> {
        let start = || Relay::limited(limits, &self.parts);
        let is_ours = kind == Kind::Waproxy;
        is_ours.then(|| self.cores.on_relay_core(start)).transpose()
    }
}

/// Clients that have no tickets yet.
pub fn handshake(resumed: bool, tls13: bool) -> io::Result<Handshake> {
    let version = if tls13 {
        Version::Tls13
    } else {
        Version::Tls12
    };
    Ok(if resumed {
        Handshake::Resumed(config(version, Resumption::in_memory_sessions(256))?)
    } else {
        Handshake::Full(config(version, Resumption::disabled())?)
    })
}

fn config(version: Version, resumption: Resumption) -> io::Result<Arc<ClientConfig>> {
    tls::config(version, Cipher::Aes, resumption).map_err(io::Error::other)
}

/// How much of everything a round does.
#[derive(Clone, Copy, Debug)]
pub struct Amounts {
    /// Of a bulk transfer; one both ways has half of them each way.
    pub bytes: u64,
    /// The same over TLS.
    pub tls_bytes: u64,
    pub connections: u32,
    pub handshakes: u32,
    pub round_trips: u32,
    pub held: u32,
    /// By this project's relay alone.
    pub held_many: u32,
    pub stalled: u32,
    /// At a limited rate.
    pub rate_bytes: u64,
    /// Before memory is looked at.
    pub pause: Duration,
    /// That honest transfers run alone, and as long beside an attack.
    pub flood: Duration,
    /// Of the proof, each way.
    pub proof_bytes: u64,
}

impl Amounts {
    pub const FULL: Self = Self {
        bytes: 1_000_000_000,
        tls_bytes: 400_000_000,
        connections: 8_000,
        handshakes: 1_600,
        round_trips: 16_000,
        held: 3_000,
        held_many: 8_000,
        stalled: 100,
        rate_bytes: 400_000_000,
        pause: Duration::from_secs(1),
        flood: Duration::from_secs(3),
        proof_bytes: 8_000_000,
    };

    /// Enough to see that it works.
    pub const QUICK: Self = Self {
        bytes: 100_000_000,
        tls_bytes: 30_000_000,
        connections: 400,
        handshakes: 160,
        round_trips: 1_600,
        held: 200,
        held_many: 500,
        stalled: 5,
        rate_bytes: 50_000_000,
        pause: Duration::from_millis(150),
        flood: Duration::from_millis(700),
        proof_bytes: 1_000_000,
    };
}
