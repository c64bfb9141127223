//! Many bytes over one connection. The load does as little for them as it can: it
//! sends zeros and has the kernel throw away what comes, ciphertext unread.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use rustls::ClientConfig;

use crate::cost::{Cpu, as_f64};
use crate::pair::{Pair, Upstream};
use crate::relay::Relay;

/// Which way they go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    Up,
    Down,
    /// As many each way, at once.
    Both,
}

/// What moving bytes has cost.
#[derive(Clone, Copy, Debug)]
pub struct Bulk {
    /// Of both ways together.
    pub bytes: u64,
    pub cpu: Duration,
    pub time: Duration,
}

impl Bulk {
    pub fn cpu_seconds_a_gigabyte(&self) -> f64 {
        self.cpu.as_secs_f64() / as_f64(self.bytes) * 1e9
    }

    pub fn gigabits_a_second(&self) -> f64 {
        as_f64(self.bytes) * 8.0 / 1e9 / self.time.as_secs_f64()
    }
}

/// Moves `bytes`, half of them each way if that is both.
pub fn bulk(
    relay: &Relay,
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    way: Way,
    bytes: u64,
) -> io::Result<Bulk> {
    let each_way = if way == Way::Both { bytes / 2 } else { bytes };
    let pair = Pair::open(relay, upstream, tls)?;
    let incoming = pair.client.socket().try_clone()?;
    let (mut client, upstream) = (pair.client, pair.upstream);
    // How many bytes of ciphertext there are is the relay's business; only their end tells.
    let until_end = tls.is_some();
    let before = Cpu::of(&relay.processes)?;
    let start = Instant::now();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        if way != Way::Down {
            threads.push(scope.spawn(|| send_zeros(&mut client, each_way)));
            threads.push(scope.spawn(|| discard(&upstream, each_way)));
        }
        if way != Way::Up {
            threads.push(scope.spawn(|| {
                send_zeros(&upstream, each_way)?;
                if until_end {
                    upstream.shutdown(Shutdown::Write)?;
                }
                Ok(())
            }));
            threads.push(scope.spawn(|| {
                if until_end {
                    discard_to_end(&incoming, each_way)
                } else {
                    discard(&incoming, each_way)
                }
            }));
        }
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().expect("the load does not panic"))
    })?;
    let time = start.elapsed();
    thread::sleep(TO_REST);
    // Before the connection ends: a thread of a relay that ends takes its time with it.
    let cpu = Cpu::of(&relay.processes)?.since(&before);
    Ok(Bulk { bytes, cpu, time })
}

/// Until a relay has nothing more to do.
const TO_REST: Duration = Duration::from_millis(20);

/// Plain writes: `sendfile` was measured to load the sender more, and the relays, which get its
/// bytes in pages instead of larger pieces.
fn send_zeros(mut stream: impl Write, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; PIECE];
    let mut rest = bytes;
    while rest > 0 {
        let length = piece(rest);
        stream.write_all(&zeros[..length])?;
        rest -= length as u64;
    }
    stream.flush()
}

/// Receives exactly so many bytes and looks at none.
fn discard(stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut rest = bytes;
    while rest > 0 {
        let length = piece(rest);
        match recv(stream, &mut buffer[..length], RecvFlags::TRUNC)?.1 {
            0 => return Err(cut(rest)),
            length => rest -= length as u64,
        }
    }
    Ok(())
}

/// Receives what there is, which must be some more than `bytes`, but not much.
fn discard_to_end(stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; PIECE];
    let mut come = 0;
    loop {
        match recv(stream, &mut *buffer, RecvFlags::TRUNC)?.1 {
            0 if come < bytes => return Err(cut(bytes - come)),
            0 if come > bytes + bytes / 10 + 4096 => {
                let message = format!("{come} bytes came instead of {bytes} in records");
                return Err(io::Error::other(message));
            }
            0 => return Ok(()),
            length => come += length as u64,
        }
    }
}

fn cut(rest: u64) -> io::Error {
    io::Error::other(format!("{rest} bytes did not come"))
}

/// Small enough for the caches that all of this shares.
const PIECE: usize = 256 * 1024;

fn piece(rest: u64) -> usize {
    usize::try_from(rest).unwrap_or(PIECE).min(PIECE)
}
