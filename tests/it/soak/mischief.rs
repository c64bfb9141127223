//! Clients that leave when they like, and a host that fails in every way.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client;
use crate::support::duplex::Duplex;
use crate::support::port;
use crate::support::random::Random;
use crate::support::stand_in::StandIn;

/// Says something, reads something, and leaves in the middle of it.
pub(super) fn leave_early(mut stream: Box<dyn Duplex>, random: &mut Random) -> io::Result<()> {
    for _ in 0..random.below(4) {
        stream.write_all(&random.bytes(0, 200_000))?;
        let patience = Duration::from_millis(1 + random.below(50));
        stream.socket().set_read_timeout(Some(patience))?;
        let mut buffer = vec![0; 1 + usize::try_from(random.below(100_000)).unwrap()];
        // Nothing may come.
        let _ = stream.read(&mut buffer);
    }
    if random.below(2) == 0 {
        stream.reset();
    }
    Ok(())
}

/// A host that closes, resets and falls silent as it likes, and at times is not there.
pub(super) struct FailingHost {
    address: SocketAddr,
    seed: AtomicU64,
}

impl FailingHost {
    pub(super) fn new() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, port::fresh()).into(),
            seed: AtomicU64::new(1),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Is there for some intervals, and gone for one, until it is over.
    pub(super) fn fail_now_and_then(&self, interval: Duration, over: &AtomicBool) {
        while !over.load(Relaxed) {
            let Ok(listener) = TcpListener::bind(self.address) else {
                thread::sleep(Duration::from_millis(10));
                continue;
            };
            let seed = self.seed.fetch_add(1, Relaxed);
            let number = AtomicU64::new(seed << 32);
            let host = StandIn::on(listener, move |stream| {
                fail(stream, &mut Random::new(number.fetch_add(1, Relaxed)))
            });
            sleep_until(Instant::now() + 3 * interval, over);
            drop(host);
            sleep_until(Instant::now() + interval, over);
        }
    }
}

fn sleep_until(end: Instant, over: &AtomicBool) {
    while Instant::now() < end && !over.load(Relaxed) {
        thread::sleep(Duration::from_millis(20));
    }
}

fn fail(mut stream: TcpStream, random: &mut Random) -> io::Result<()> {
    let mut buffer = vec![0; 1 + usize::try_from(random.below(100_000)).unwrap()];
    for _ in 0..random.below(8) {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        stream.write_all(&buffer[..length])?;
        stream.write_all(&random.bytes(0, 300_000))?;
    }
    match random.below(3) {
        0 => client::reset(stream),
        1 => drop(stream),
        _ => thread::sleep(Duration::from_millis(random.below(500))),
    }
    Ok(())
}
