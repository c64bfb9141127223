//! What a client and its host say to one another. A number that the client sends first tells both
//! what, how much, and who ends it how; and when they come to the end, nothing is under way any
//! more, so that both have counted all that was carried.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use crate::support::client::{self, Ending};
use crate::support::duplex::Duplex;
use crate::support::random::{Pattern, Random};

/// What the peers counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// Bytes that hosts received.
    pub(super) up: AtomicU64,
    /// Bytes that clients received.
    pub(super) down: AtomicU64,
    ended: [AtomicU64; 4],
}

/// What all numbers begin with, as chat does.
pub(super) const FIRST: u64 = u64::from_be_bytes(*b"WA\0\0\0\0\0\0");

/// How a conversation ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    ByClient,
    ByUpstream,
    ResetByClient,
    ResetByUpstream,
}

#[derive(Clone, Debug)]
pub(super) struct Conversation {
    seed: u64,
    end: End,
    /// Whether it is one with pauses, as of people.
    is_slow: bool,
    /// Bytes up, and then down.
    rounds: Vec<(u64, u64)>,
}

// === impl Counted ===

impl Counted {
    pub(super) fn ended(&self, end: End) -> u64 {
        self.ended[end as usize].load(Relaxed)
    }
}

// === impl Conversation ===

impl Conversation {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let ends = [
            End::ByClient,
            End::ByUpstream,
            End::ResetByClient,
            End::ResetByUpstream,
        ];
        let end = ends[usize::try_from(random.below(4)).unwrap()];
        let is_slow = random.below(8) == 0;
        let most = if is_slow { 1_000 } else { MOST };
        let rounds = (0..=random.below(4)).map(|_| (random.size(most), random.size(most)));
        Self {
            seed,
            end,
            is_slow,
            rounds: rounds.collect(),
        }
    }

    /// The client's part.
    pub(super) fn hold(
        &self,
        mut stream: Box<dyn Duplex>,
        longest: Duration,
        counted: &Counted,
    ) -> io::Result<()> {
        stream.write_all(&self.seed.to_be_bytes())?;
        for &(up, down) in &self.rounds {
            send(&mut *stream, self.seed, up)?;
            receive(&mut *stream, !self.seed, down, &counted.down)?;
            if self.is_slow {
                let part = 1 + Random::new(self.seed).below(10);
                thread::sleep(longest / u32::try_from(part).unwrap());
            }
        }
        receive(&mut *stream, END, 1, &counted.down)?;
        match self.end {
            End::ByClient => {
                stream.finish()?;
                expect_end(&mut *stream)?;
            }
            End::ByUpstream => {
                send(&mut *stream, END, 1)?;
                expect_end(&mut *stream)?;
                stream.finish()?;
            }
            End::ResetByClient => stream.reset(),
            End::ResetByUpstream => {
                send(&mut *stream, END, 1)?;
                expect_reset(&mut *stream)?;
            }
        }
        counted.ended[self.end as usize].fetch_add(1, Relaxed);
        Ok(())
    }
}

/// What is before the conversation where it is media: one record of TLS (RFC 8446, 5.1).
pub(super) fn receive_hello(stream: &mut TcpStream, counted: &Counted) -> io::Result<()> {
    let mut header = [0; 5];
    stream.read_exact(&mut header)?;
    let [.., high, low] = header;
    let length = u16::from_be_bytes([high, low]);
    stream.read_exact(&mut vec![0; length.into()])?;
    counted.up.fetch_add(5 + u64::from(length), Relaxed);
    Ok(())
}

/// The host's part.
pub(super) fn answer(mut stream: TcpStream, counted: &Counted) -> io::Result<()> {
    let mut seed = [0; 8];
    stream.read_exact(&mut seed)?;
    counted.up.fetch_add(8, Relaxed);
    let conversation = Conversation::new(u64::from_be_bytes(seed));
    for &(up, down) in &conversation.rounds {
        receive(&mut stream, conversation.seed, up, &counted.up)?;
        send(&mut stream, !conversation.seed, down)?;
    }
    send(&mut stream, END, 1)?;
    match conversation.end {
        End::ByClient => {
            expect_end(&mut stream)?;
            stream.shutdown(Shutdown::Write)
        }
        End::ByUpstream => {
            receive(&mut stream, END, 1, &counted.up)?;
            stream.shutdown(Shutdown::Write)?;
            expect_end(&mut stream)
        }
        End::ResetByClient => expect_reset(&mut stream),
        End::ResetByUpstream => {
            receive(&mut stream, END, 1, &counted.up)?;
            client::reset(stream);
            Ok(())
        }
    }
}

/// Bytes of a round, each way.
const MOST: u64 = 4_000_000;
const CHUNK: u64 = 16 * 1024;
/// What says that a side has got everything is the first byte of this.
const END: u64 = 46;

fn send(stream: &mut (impl Write + ?Sized), seed: u64, length: u64) -> io::Result<()> {
    let mut pattern = Pattern::new(seed);
    let mut left = length;
    while left > 0 {
        let mut chunk = vec![0; usize::try_from(left.min(CHUNK)).unwrap()];
        pattern.fill(&mut chunk);
        stream.write_all(&chunk)?;
        left -= chunk.len() as u64;
    }
    stream.flush()
}

fn receive(
    stream: &mut (impl Read + ?Sized),
    seed: u64,
    length: u64,
    count: &AtomicU64,
) -> io::Result<()> {
    let mut pattern = Pattern::new(seed);
    let mut buffer = vec![0; usize::try_from(CHUNK).unwrap()];
    let mut left = length;
    while left > 0 {
        let room = usize::try_from(left.min(CHUNK)).unwrap();
        match stream.read(&mut buffer[..room])? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            read => {
                pattern.check(&buffer[..read]).map_err(io::Error::other)?;
                count.fetch_add(read as u64, Relaxed);
                left -= read as u64;
            }
        }
    }
    Ok(())
}

fn expect_end(stream: &mut (impl Read + ?Sized)) -> io::Result<()> {
    match stream.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(io::Error::other("more came than was said")),
    }
}

fn expect_reset(stream: &mut (impl Read + ?Sized)) -> io::Result<()> {
    let read = stream.read(&mut [0]);
    match read.as_ref().map_err(client::ending_of) {
        Err(Some(Ending::Reset)) => Ok(()),
        _ => Err(io::Error::other(format!("no reset: {read:?}"))),
    }
}
