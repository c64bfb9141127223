//! Small messages there and back on connections that stay. One thread holds both ends, so between
//! a message and its answer nobody but the relay has to be woken.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::cost::{Cpu, as_f64};
use crate::pair::{Pair, Upstream};
use crate::relay::Relay;

/// What round trips have cost.
#[derive(Clone, Debug)]
pub struct RoundTrips {
    pub cpu: Duration,
    /// How long each took, sorted. With several connections, all of them together.
    pub times: Vec<Duration>,
    connections: usize,
}

impl RoundTrips {
    pub fn cpu_each(&self) -> Duration {
        let count = self.times.len() * self.connections;
        self.cpu.div_f64(as_f64(count as u64))
    }
}

/// Messages of `size` bytes on so many connections: all clients send, then all upstreams get and
/// answer, then all clients get, and that `count` times.
pub fn round_trips(
    relay: &Relay,
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    size: usize,
    connections: usize,
    count: u32,
) -> io::Result<RoundTrips> {
    let pairs = (0..connections).map(|_| Pair::open(relay, upstream, tls));
    let mut pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    let (message, mut buffer) = (vec![7; size], vec![0; size]);
    for _ in 0..WARM_UP {
        round(&mut pairs, &message, &mut buffer)?;
    }
    thread::sleep(TO_REST);
    let before = Cpu::of(&relay.processes)?;
    let mut times = Vec::new();
    for _ in 0..count {
        let start = Instant::now();
        round(&mut pairs, &message, &mut buffer)?;
        times.push(start.elapsed());
    }
    thread::sleep(TO_REST);
    let cpu = Cpu::of(&relay.processes)?.since(&before);
    times.sort_unstable();
    Ok(RoundTrips {
        cpu,
        times,
        connections,
    })
}

const WARM_UP: u32 = 20;
const TO_REST: Duration = Duration::from_millis(20);

fn round(pairs: &mut [Pair], message: &[u8], buffer: &mut [u8]) -> io::Result<()> {
    for pair in &mut *pairs {
        pair.client.write_all(message)?;
        pair.client.flush()?;
    }
    for pair in &mut *pairs {
        pair.upstream.read_exact(buffer)?;
        pair.upstream.write_all(buffer)?;
    }
    for pair in pairs {
        pair.client.read_exact(buffer)?;
    }
    if buffer == message {
        Ok(())
    } else {
        Err(io::Error::other("the answer is not the question"))
    }
}
