//! A side without TLS: its stream, and what the peer would not take yet.

use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use rustix::net::SendFlags;
use tokio::io::{AsyncWrite, Interest};
use tokio::net::TcpStream;

use super::pipe::{self, Pipe};
use super::{READ, Side};
use crate::socket;

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
enum Backlog {
    Bytes { bytes: Vec<u8>, sent: usize },
    Piped(Pipe),
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

    /// Reads into `buffer`. Zero is the end of the stream.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        let read = ready!(self.poll_source(cx, |stream| {
            rustix::io::read(stream, &mut *buffer).map_err(Into::into)
        }))?;
        if 0 < read && read < room {
            // That was all, and what comes next comes with an event: no need to ask once more.
            self.mute();
        }
        Poll::Ready(Ok(read))
    }

    /// Moves what has arrived into `pipe`, an empty one. Zero is the end of the stream.
    pub fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
    ) -> Poll<io::Result<usize>> {
        self.poll_source(cx, |stream| pipe.fill(stream))
    }

    /// Sends what is in `pipe` at once, and keeps the pipe where the peer would not take all. Call
    /// it on a drained side.
    pub fn send_piped(&mut self, mut pipe: Pipe) -> io::Result<()> {
        debug_assert!(self.backlog.is_none(), "bytes must not overtake others");
        while !pipe.is_empty() {
            match self
                .stream
                .try_io(Interest::WRITABLE, || pipe.empty(&self.stream))
            {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.keep(Backlog::Piped(pipe));
                    break;
                }
                sent => sent?,
            }
        }
        Ok(())
    }

    /// Sends `bytes` with what follows them, or after some tenths of a second: one packet less for
    /// what the peer does not wait for.
    pub fn send_lazily(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(SendFlags::MORE, bytes)
    }

    /// Whether so few bytes wait in a pipe for the peer that they may as well wait in memory.
    pub fn can_unpipe(&self) -> bool {
        let backlog = self.backlog.as_deref();
        matches!(backlog, Some(Backlog::Piped(pipe)) if pipe.len() <= pipe::LEAST)
    }

    /// Gives back the pipe in which bytes wait, if there is one, and keeps them in memory instead.
    pub fn unpipe(&mut self) -> io::Result<()> {
        if let Some(Backlog::Piped(pipe)) = self.backlog.as_deref_mut() {
            let bytes = pipe.take_bytes()?;
            self.keep(Backlog::bytes(bytes));
        }
        Ok(())
    }

    fn send_with(&mut self, flags: SendFlags, bytes: &[u8]) -> io::Result<()> {
        self.unpipe()?;
        if let Some(Backlog::Bytes { bytes: waiting, .. }) = self.backlog.as_deref_mut() {
            waiting.extend_from_slice(bytes);
            return Ok(());
        }
        let mut sent = 0;
        while sent < bytes.len() {
            let rest = &bytes[sent..];
            let write = || {
                Ok(rustix::net::send(
                    &self.stream,
                    rest,
                    flags | SendFlags::NOSIGNAL,
                )?)
            };
            match self.stream.try_io(Interest::WRITABLE, write) {
                Ok(more) => sent += more,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.keep(Backlog::bytes(rest.to_vec()));
                    break;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn keep(&mut self, backlog: Backlog) {
        self.backlog = Some(Box::new(backlog));
    }

    /// Reads with `read` as soon as there is something to read.
    fn poll_source(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if self.muted {
            // Past tokio, which would wait for an edge that has come already.
            match read(&self.stream) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.muted = false,
                result => return Poll::Ready(result),
            }
        }
        loop {
            ready!(self.stream.poll_read_ready(cx))?;
            match self
                .stream
                .try_io(Interest::READABLE, || read(&self.stream))
            {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Tells tokio that there is nothing to read, so that it waits for the next event.
    fn mute(&self) {
        let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
        let _ = self.stream.try_io(Interest::READABLE, nothing);
    }
}

impl Side for Plain {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_recv(cx, &mut buffer[..READ])
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Bytes that wait unread keep the stream readable, so tokio would not wake us again.
        // Say that they are gone: the next event, a reset among others, then wakes us.
        self.muted = true;
        loop {
            self.mute();
            if self.stream.poll_read_ready(cx).is_pending() {
                return Poll::Pending;
            }
            let end = Interest::READABLE | Interest::ERROR;
            let state = pin!(self.stream.ready(end)).poll(cx);
            match state {
                Poll::Ready(Ok(state)) if state.is_error() => return Poll::Ready(()),
                // After the peer's end the stream stays readable whatever we say. A reset that
                // follows its own end is found by the next write to it.
                Poll::Ready(Ok(state)) if state.is_read_closed() => return Poll::Pending,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn waiting(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.len())
    }

    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(backlog) = &mut self.backlog {
            if backlog.len() == 0 {
                self.backlog = None;
                break;
            }
            ready!(self.stream.poll_write_ready(cx))?;
            match self
                .stream
                .try_io(Interest::WRITABLE, || backlog.send(&self.stream))
            {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                sent => sent?,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(SendFlags::empty(), bytes)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drained(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn reset(&self) {
        socket::reset_on_close(&self.stream);
    }

    fn as_plain(&mut self) -> Option<&mut Plain> {
        Some(self)
    }
}

// === impl Backlog ===

impl Backlog {
    fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes { bytes, sent: 0 }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes { bytes, sent } => bytes.len() - sent,
            Self::Piped(pipe) => pipe.len(),
        }
    }

    /// Sends what the peer takes.
    fn send(&mut self, stream: &TcpStream) -> io::Result<()> {
        match self {
            Self::Bytes { bytes, sent } => *sent += rustix::io::write(stream, &bytes[*sent..])?,
            Self::Piped(pipe) => pipe.empty(stream)?,
        }
        Ok(())
    }
}
