//! One side of a connection: a TCP stream, plain here or with TLS on top (`tls.rs`). Bytes go in
//! and out through buffers of the worker; a side owns memory only for what its peer would not
//! take yet.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::socket;

/// Size of a worker's buffers in bytes: the largest TLS record there is, which is one of TLS 1.2
/// (RFC 5246, 6.2.3), so that a side can always make progress.
pub const BUFFER: usize = 16_384 + 2_048 + 5;

/// What the relay needs of a side of a connection.
pub trait Side {
    /// Reads into `buffer`, which holds [`BUFFER`] bytes. Zero is the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;

    /// Ready when the peer has reset the connection; for a side from which nothing is read just
    /// now. What arrived before the reset can still be read.
    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Ready when the peer has taken all that was sent.
    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Sends `bytes` at once and keeps what the peer would not take. Call it on a drained side,
    /// or memory is not bounded.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Ends this direction after all that was sent; the peer may go on sending.
    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Makes the close, which follows when the side is dropped, a reset.
    fn reset(&self);
}

thread_local! {
    static BUFFERS: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Lends one of the thread's buffers, of [`BUFFER`] bytes, to `work`.
pub fn with_buffer<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    let mut buffer = BUFFERS
        .with_borrow_mut(Vec::pop)
        .unwrap_or_else(|| vec![0; BUFFER].into_boxed_slice());
    let result = work(&mut buffer);
    BUFFERS.with_borrow_mut(|buffers| buffers.push(buffer));
    result
}

/// A side without TLS.
#[derive(Debug)]
pub struct Plain {
    stream: TcpStream,
    /// What the peer would not take. Boxed: most connections never have any.
    backlog: Option<Box<Backlog>>,
    /// tokio has been told that there is nothing to read although there may be: see `poll_reset`.
    muted: bool,
}

#[derive(Debug)]
struct Backlog {
    bytes: Vec<u8>,
    sent: usize,
}

// === impl Plain ===

impl Plain {
    /// A side over `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            backlog: None,
            muted: false,
        }
    }

    /// What the kernel says of the connection's end, without changing it.
    fn poll_state(&self) -> PollFlags {
        let mut fds = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        match rustix::event::poll(&mut fds, Some(&Timespec::default())) {
            Ok(_) => fds[0].revents(),
            Err(_) => PollFlags::ERR,
        }
    }
}

impl Side for Plain {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.muted {
            // Past tokio, which would wait for an edge that has come already.
            match rustix::io::read(&self.stream, &mut *buffer) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.muted = false,
                read => return Poll::Ready(read.map_err(Into::into)),
            }
        }
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Bytes that wait unread keep the stream readable, so tokio would not wake us again.
        // Say that they are gone: the next event, a reset among others, then wakes us.
        self.muted = true;
        loop {
            let mute = || Err::<(), _>(ErrorKind::WouldBlock.into());
            let _ = self.stream.try_io(Interest::READABLE, mute);
            if self.stream.poll_read_ready(cx).is_pending() {
                return Poll::Pending;
            }
            let state = self.poll_state();
            if state.contains(PollFlags::ERR) {
                return Poll::Ready(());
            }
            // After the peer's end the stream stays readable whatever we say. A reset that
            // follows its own end is found by the next write to it.
            if state.contains(PollFlags::RDHUP) {
                return Poll::Pending;
            }
        }
    }

    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(backlog) = &mut self.backlog {
            let rest = &backlog.bytes[backlog.sent..];
            if rest.is_empty() {
                self.backlog = None;
                break;
            }
            backlog.sent += ready!(Pin::new(&mut self.stream).poll_write(cx, rest))?;
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        if let Some(backlog) = &mut self.backlog {
            backlog.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.backlog = Some(Box::new(Backlog {
                        bytes: bytes.to_vec(),
                        sent: 0,
                    }));
                    break;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drained(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn reset(&self) {
        socket::reset_on_close(&self.stream);
    }
}
