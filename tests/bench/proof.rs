//! What a relay must do right before its figures mean anything: every byte arrives, the end of one
//! direction leaves the other open, and a reader that pauses holds the sender.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::ClientConfig;

use crate::pair::{Client, Pair, Upstream};
use crate::random::{Pattern, Random};
use crate::relay::Relay;

/// All of it, with some `bytes` each way. The error says what is wrong.
pub fn prove(
    relay: &Relay,
    upstream: &Upstream,
    tls: Option<&Arc<ClientConfig>>,
    bytes: u64,
) -> io::Result<()> {
    let open = || Pair::open(relay, upstream, tls);
    let say = |what: &str, done: io::Result<()>| {
        done.map_err(|error| io::Error::other(format!("{what}: {error}")))
    };
    let done = open().and_then(|pair| half_close(pair.client, pair.upstream, bytes));
    say("bytes and half-close of the client", done)?;
    let done = open().and_then(|pair| half_close(pair.upstream, pair.client, bytes));
    say("bytes and half-close of the upstream", done)?;
    let done = open().and_then(|pair| both_ways(pair, bytes));
    say("bytes both ways", done)?;
    let done = open().and_then(|pair| back_pressure(pair.upstream, pair.client));
    say("back-pressure on the upstream", done)?;
    let done = open().and_then(|pair| back_pressure(pair.client, pair.upstream));
    say("back-pressure on the client", done)
}

/// What both ends of a connection can do.
trait End: Read + Write + Send {
    fn finish(&mut self) -> io::Result<()>;
    fn socket(&self) -> &TcpStream;
}

impl End for Client {
    fn finish(&mut self) -> io::Result<()> {
        Client::finish(self)
    }

    fn socket(&self) -> &TcpStream {
        Client::socket(self)
    }
}

impl End for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn socket(&self) -> &TcpStream {
        self
    }
}

/// Small pieces of all sizes each way at the same time.
fn both_ways(pair: Pair, bytes: u64) -> io::Result<()> {
    let Pair { client, upstream } = pair;
    thread::scope(|scope| {
        let client = scope.spawn(|| swap(client, UP, DOWN, bytes));
        swap(upstream, DOWN, UP, bytes)?;
        client.join().expect("the load does not panic")
    })
}

/// Sends a piece and gets one as large, until `bytes` have gone and come. Both sides choose the
/// same sizes.
fn swap(mut end: impl End, seed: u64, other_seed: u64, bytes: u64) -> io::Result<()> {
    let mut sizes = Random::new(UP);
    let (mut sent, mut received) = (Pattern::new(seed), Pattern::new(other_seed));
    let mut moved = 0;
    while moved < bytes {
        let size = sizes.size(MAX_PIECE - 1) + 1;
        let mut piece = vec![0; usize::try_from(size).unwrap_or_default()];
        sent.fill(&mut piece);
        end.write_all(&piece)?;
        end.flush()?;
        end.read_exact(&mut piece)?;
        received.check(&piece).map_err(io::Error::other)?;
        moved += size;
    }
    Ok(())
}

/// One end sends much and ends; the other sees that end, then sends as much and ends.
fn half_close(first: impl End, second: impl End, bytes: u64) -> io::Result<()> {
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            let mut second = second;
            expect(&mut second, UP, bytes)?;
            // A relay that cuts has the time to do so.
            thread::sleep(Duration::from_millis(100));
            send(&mut second, DOWN, bytes)
        });
        let mut first = first;
        let sent = send(&mut first, UP, bytes);
        let received = expect(&mut first, DOWN, bytes);
        other.join().expect("the load does not panic")?;
        sent.and(received)
    })
}

fn send(end: &mut impl End, seed: u64, bytes: u64) -> io::Result<()> {
    let mut pattern = Pattern::new(seed);
    let mut rest = bytes;
    while rest > 0 {
        let length = rest.min(MAX_PIECE);
        let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
        pattern.fill(&mut piece);
        end.write_all(&piece)?;
        rest -= length;
    }
    end.flush()?;
    end.finish()
}

/// Exactly these bytes, and an end after them.
fn expect(end: &mut impl End, seed: u64, bytes: u64) -> io::Result<()> {
    let mut pattern = Pattern::new(seed);
    let mut buffer = vec![0; 64 * 1024];
    let mut come = 0;
    loop {
        let length = match end.read(&mut buffer) {
            Ok(0) if come == bytes => return Ok(()),
            Ok(0) => return Err(io::Error::other(format!("{come} bytes came of {bytes}"))),
            Ok(length) => length,
            // nginx sends no `close_notify` there. All bytes have come, and this is about bytes.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && come == bytes => {
                return Ok(());
            }
            Err(error) => {
                let message = format!("after {come} bytes of {bytes}: {error}");
                return Err(io::Error::new(error.kind(), message));
            }
        };
        pattern.check(&buffer[..length]).map_err(io::Error::other)?;
        come += length as u64;
    }
}

/// The reader reads nothing until the sender cannot send any more, and then everything.
fn back_pressure(mut sender: impl End, mut reader: impl End) -> io::Result<()> {
    sender.socket().set_nonblocking(true)?;
    let mut sent = 0;
    let mut last = Instant::now();
    let mut piece = vec![0; 64 * 1024];
    while last.elapsed() < HELD {
        Pattern::at(UP, sent).fill(&mut piece);
        match sender.write(&piece) {
            Ok(length) => {
                sent += length as u64;
                last = Instant::now();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => return Err(error),
        }
        if sent > TOO_MUCH {
            return Err(io::Error::other(format!(
                "{sent} bytes were taken that nobody reads"
            )));
        }
    }
    sender.socket().set_nonblocking(false)?;
    thread::scope(|scope| {
        let reader = scope.spawn(|| expect(&mut reader, UP, sent));
        sender.flush()?;
        sender.finish()?;
        reader.join().expect("the load does not panic")
    })
}

/// A sender that can send nothing for so long is held.
const HELD: Duration = Duration::from_millis(400);
/// More than the buffers of four sockets hold.
const TOO_MUCH: u64 = 100_000_000;
const MAX_PIECE: u64 = 32 * 1024;
/// Seeds of what is sent each way.
const UP: u64 = 1;
const DOWN: u64 = 2;
