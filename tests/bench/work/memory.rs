//! What a relay takes when it does nothing, for connections that it holds, and for connections on
//! which one side does not read. The relay must be fresh: what it took before it may keep. A `pause`
//! is what it gets to come to rest, and a sender that can send nothing for so long is held.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use super::bulk::Way;
use crate::cost::{Memory, as_f64, slab};
use crate::pair::{Client, Pair, Upstream};
use crate::relay::Relay;

/// What a relay takes before its first connection, but for those that look whether it listens.
pub fn at_start(relay: &Relay, pause: Duration) -> io::Result<Memory> {
    thread::sleep(pause);
    Memory::of(&relay.processes)
}

/// Bytes for connections that are open and silent.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    /// Of the relay, a connection.
    pub each: f64,
    /// Of the kernel, a connection, the load's four ends of sockets among them.
    pub slab_each: f64,
    /// Of the relay, over what it had before, once all have closed.
    pub left: f64,
}

/// Opens `count` connections, on each of which a message has gone there and back.
pub fn held(
    relay: &Relay,
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    count: u32,
    pause: Duration,
) -> io::Result<Held> {
    drop(used(relay, upstream, tls)?);
    thread::sleep(pause);
    let (before, slab_before) = (Memory::of(&relay.processes)?.pss, slab()?);
    let pairs = (0..count).map(|_| used(relay, upstream, tls));
    let pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    thread::sleep(pause);
    let each = (Memory::of(&relay.processes)?.pss - before) / f64::from(count);
    let slab_each = (slab()? - slab_before) / f64::from(count);
    drop(pairs);
    // Twice: whatever waits a while to be given back has had its time.
    thread::sleep(pause * 2);
    let left = Memory::of(&relay.processes)?.pss - before;
    Ok(Held {
        each,
        slab_each,
        left,
    })
}

fn used(relay: &Relay, upstream: &Upstream, tls: Option<&Arc<ClientConfig>>) -> io::Result<Pair> {
    let mut pair = Pair::open(relay, upstream, tls)?;
    let mut message = [7; 1024];
    pair.client.write_all(&message)?;
    pair.upstream.read_exact(&mut message)?;
    pair.upstream.write_all(&message)?;
    pair.client.read_exact(&mut message)?;
    Ok(pair)
}

/// What connections take on which one side sends all it can and the other does not read.
#[derive(Clone, Copy, Debug)]
pub struct Stalled {
    /// Bytes of the relay, a connection.
    pub each: f64,
    /// Bytes a connection that somebody took before the sender was held; most are in the kernel.
    pub sent_each: f64,
}

/// Fills `count` connections, `way` being where the bytes cannot go.
pub fn stalled(
    relay: &Relay,
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    way: Way,
    count: u32,
    pause: Duration,
) -> io::Result<Stalled> {
    drop(used(relay, upstream, tls)?);
    thread::sleep(pause);
    let before = Memory::of(&relay.processes)?.pss;
    let pairs = (0..count).map(|_| used(relay, upstream, tls));
    let mut pairs = pairs.collect::<io::Result<Vec<_>>>()?;
    for pair in &pairs {
        sender(pair, way).set_nonblocking(true)?;
    }
    let mut sent = 0;
    let mut last = Instant::now();
    while last.elapsed() < pause {
        let mut progress = 0;
        for pair in &mut pairs {
            progress += match way {
                Way::Up => fill(&mut pair.client)?,
                _ => fill(&mut pair.upstream)?,
            };
        }
        if progress > 0 {
            last = Instant::now();
            sent += progress;
        } else {
            thread::sleep(Duration::from_millis(5));
        }
    }
    let each = (Memory::of(&relay.processes)?.pss - before) / f64::from(count);
    let sent_each = as_f64(sent) / f64::from(count);
    Ok(Stalled { each, sent_each })
}

fn sender(pair: &Pair, way: Way) -> &TcpStream {
    match way {
        Way::Up => Client::socket(&pair.client),
        _ => &pair.upstream,
    }
}

/// Sends what is taken at once.
fn fill(sender: &mut impl Write) -> io::Result<u64> {
    let mut sent = 0;
    loop {
        match sender.write(&[7; 16 * 1024]) {
            Ok(length) => sent += length as u64,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
}
