//! Transfers that go on until they are told to stop, through an upstream that echoes. None may
//! be cut, and every byte must come back.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::duplex::Duplex;
use super::random::Pattern;

pub struct Transfers {
    stop: Arc<AtomicBool>,
    running: Vec<JoinHandle<Result<u64, String>>>,
}

impl Transfers {
    /// Starts `count` of them over connections that `connect` makes.
    pub fn start(count: u64, connect: impl FnMut() -> Box<dyn Duplex>) -> Self {
        Self::start_with(CHUNK, PAUSE, count, connect)
    }

    /// The same, each at the steady rate of a phone, so that many of them are no flood.
    pub fn start_slow(count: u64, connect: impl FnMut() -> Box<dyn Duplex>) -> Self {
        Self::start_with(1024, Duration::from_millis(200), count, connect)
    }

    fn start_with(
        chunk: usize,
        pause: Duration,
        count: u64,
        mut connect: impl FnMut() -> Box<dyn Duplex>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let running = (0..count).map(|number| {
            let (connection, stop) = (connect(), stop.clone());
            thread::spawn(move || {
                transfer(connection, number, chunk, pause, &stop)
                    .map_err(|error| format!("transfer {number}: {error}"))
            })
        });
        Self {
            running: running.collect(),
            stop,
        }
    }

    /// Lets each finish properly; the bytes that all of them moved.
    ///
    /// # Panics
    ///
    /// With all that went wrong.
    pub fn finish(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let results = self
            .running
            .into_iter()
            .map(|transfer| transfer.join().unwrap());
        let (moved, failed): (Vec<_>, Vec<_>) = results.partition(Result::is_ok);
        let failed: Vec<_> = failed.into_iter().filter_map(Result::err).collect();
        assert!(failed.is_empty(), "transfers failed: {failed:#?}");
        moved.into_iter().flatten().sum()
    }
}

/// Sends and gets back one chunk after another, then closes and waits for the end.
fn transfer(
    mut connection: Box<dyn Duplex>,
    seed: u64,
    chunk: usize,
    pause: Duration,
    stop: &AtomicBool,
) -> Result<u64, String> {
    let (mut sent, mut received) = (Pattern::new(seed), Pattern::new(seed));
    let mut chunk = vec![0; chunk];
    let mut moved = 0;
    loop {
        sent.fill(&mut chunk);
        connection
            .write_all(&chunk)
            .map_err(|error| format!("sending after {moved} bytes: {error}"))?;
        connection
            .read_exact(&mut chunk)
            .map_err(|error| format!("reading after {moved} bytes: {error}"))?;
        received.check(&chunk)?;
        moved += chunk.len() as u64;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        thread::sleep(pause);
    }
    connection
        .finish()
        .map_err(|error| format!("closing: {error}"))?;
    match connection.read(&mut chunk) {
        Ok(0) => Ok(moved),
        Ok(_) => Err("more came back than was sent".to_owned()),
        Err(error) => Err(format!("waiting for the end: {error}")),
    }
}

const CHUNK: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(10);
