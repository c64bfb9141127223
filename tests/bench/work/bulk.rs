//! Many bytes over one connection. The load does as little for them as it can: it sends from a
//! file in memory and has the kernel throw away what comes, ciphertext unread.

use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, ftruncate, memfd_create, sendfile};
use rustix::net::{RecvFlags, recv};
use rustls::ClientConfig;

use crate::cost::{as_f64, cpu};
use crate::pair::{Client, Pair, Upstream};
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

/// Moves `bytes` each way.
pub fn bulk(
    relay: &Relay,
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    way: Way,
    bytes: u64,
) -> io::Result<Bulk> {
    let pair = Pair::open(relay, upstream, tls)?;
    let incoming = pair.client.socket().try_clone()?;
    let (mut client, upstream) = (pair.client, pair.upstream);
    // How many bytes of ciphertext there are is the relay's business; only their end tells.
    let until_end = tls.is_some();
    let before = cpu(&relay.processes)?;
    let start = Instant::now();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        if way != Way::Down {
            threads.push(scope.spawn(|| send(&mut client, bytes)));
            threads.push(scope.spawn(|| discard(&upstream, bytes)));
        }
        if way != Way::Up {
            threads.push(scope.spawn(|| {
                send_from_memory(&upstream, bytes)?;
                if until_end {
                    upstream.shutdown(Shutdown::Write)?;
                }
                Ok(())
            }));
            threads.push(scope.spawn(|| {
                if until_end {
                    discard_to_end(&incoming, bytes)
                } else {
                    discard(&incoming, bytes)
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
    let cpu = cpu(&relay.processes)?.saturating_sub(before);
    let bytes = if way == Way::Both { 2 * bytes } else { bytes };
    Ok(Bulk { bytes, cpu, time })
}

/// Until a relay has nothing more to do.
const TO_REST: Duration = Duration::from_millis(20);

fn send(client: &mut Client, bytes: u64) -> io::Result<()> {
    let stream = match client {
        Client::Plain(stream) => return send_from_memory(stream, bytes),
        Client::Tls(stream) => stream,
    };
    let zeros = vec![0; CHUNK];
    let mut rest = bytes;
    while rest > 0 {
        let length = chunk(rest);
        stream.write_all(&zeros[..length])?;
        rest -= length as u64;
    }
    stream.flush()
}

fn send_from_memory(stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let file = memory()?;
    let mut rest = bytes;
    while rest > 0 {
        let sent = sendfile(stream, &file, Some(&mut 0), chunk(rest))?;
        rest -= sent as u64;
    }
    Ok(())
}

/// A file of zeros that no disk has.
fn memory() -> io::Result<OwnedFd> {
    let file = memfd_create("bench", MemfdFlags::CLOEXEC)?;
    ftruncate(&file, CHUNK as u64)?;
    Ok(file)
}

/// Receives exactly so many bytes and looks at none.
fn discard(stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut rest = bytes;
    while rest > 0 {
        let length = chunk(rest);
        match recv(stream, &mut buffer[..length], RecvFlags::TRUNC)?.1 {
            0 => return Err(cut(rest)),
            length => rest -= length as u64,
        }
    }
    Ok(())
}

/// Receives what there is, which must be some more than `bytes`, but not much.
fn discard_to_end(stream: &TcpStream, bytes: u64) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
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

fn chunk(rest: u64) -> usize {
    usize::try_from(rest).unwrap_or(CHUNK).min(CHUNK)
}

const CHUNK: usize = 1024 * 1024;
