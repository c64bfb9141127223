//! A side without TLS: its stream, and what the peer would not take yet.

use std::io::{self, ErrorKind};
use std::os::fd::BorrowedFd;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::net::TcpStream;

use super::kept::{self, Kept};
use super::pipe::{self, Pipe};
use super::stream::{self, Stream};
use super::{READ, READ_LITTLE, Side, with_buffer};
use crate::socket;

/// A side without TLS.
#[derive(Debug)]
pub struct Plain {
    stream: Stream,
    /// What the peer would not take. Boxed: most connections never have any.
    backlog: Option<Box<Backlog>>,
}

#[derive(Debug)]
enum Backlog {
    Bytes(Kept),
    Piped(Pipe),
}

// === impl Plain ===

impl Plain {
    /// A side over `stream`.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream: Stream::new(stream),
            backlog: None,
        }
    }

    /// Reads into `buffer`. Zero is the end of the stream.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buffer.len();
        let read = ready!(self.stream.poll_read_with(cx, |stream| {
            let (read, _) = rustix::net::recv(stream, &mut *buffer, RecvFlags::empty())?;
            Ok(read)
        }))?;
        if 0 < read && read < room {
            // That was all, and what comes next comes with an event: no need to ask once more.
            self.stream.note_emptied();
        }
        Poll::Ready(Ok(read))
    }

    /// Ready when the peer has ended or reset the connection, and all that it sent has been read.
    pub fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let peeked = self.stream.poll_read_with(cx, |stream| {
            let (read, _) = rustix::net::recv(stream, &mut [0; 1], RecvFlags::PEEK)?;
            Ok(read)
        });
        match ready!(peeked) {
            Ok(1..) => Poll::Pending,
            Ok(0) | Err(_) => Poll::Ready(()),
        }
    }

    /// Shows `judge` the first bytes, all that have come each time, until it has judged. They can
    /// still be read. An error where the peer has ended or reset the connection before that.
    pub fn poll_first<T>(
        &mut self,
        cx: &mut Context<'_>,
        judge: impl Fn(&[u8]) -> Option<T>,
    ) -> Poll<io::Result<T>> {
        with_buffer(|buffer| {
            let mut judged = None;
            let looked = self.stream.poll_read_with(cx, |stream| {
                // Before the look: what comes between the two is seen.
                let ended = stream::has_ended(stream);
                let (seen, _) = rustix::net::recv(stream, &mut *buffer, RecvFlags::PEEK)?;
                judged = judge(buffer.get(..seen).unwrap_or_default());
                if judged.is_none() && !ended {
                    return Err(ErrorKind::WouldBlock.into());
                }
                Ok(seen)
            });
            if looked.is_pending() {
                // What was seen still waits, and whoever reads next must not wait for more.
                self.stream.note_hidden();
            }
            ready!(looked)?;
            Poll::Ready(judged.ok_or(ErrorKind::UnexpectedEof.into()))
        })
    }

    /// Moves what has arrived into `pipe`, an empty one, and `most` at once. Zero is the end of the stream.
    pub fn poll_splice(
        &mut self,
        cx: &mut Context<'_>,
        pipe: &mut Pipe,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        self.stream
            .poll_read_with(cx, |stream| pipe.fill(stream, most))
    }

    /// Sends what is in `pipe` at once, and keeps the pipe where the peer would not take all. Call
    /// it on a drained side.
    pub fn send_piped(&mut self, mut pipe: Pipe) -> io::Result<()> {
        debug_assert!(self.backlog.is_none(), "bytes must not overtake others");
        while !pipe.is_empty() {
            match self.stream.try_write_with(|stream| pipe.empty(stream)) {
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
        matches!(backlog, Some(Backlog::Piped(pipe)) if pipe.len() <= pipe::MOST_KEPT)
    }

    /// Gives back the pipe in which bytes wait, if there is one, and keeps them in memory instead.
    pub fn unpipe(&mut self) -> io::Result<()> {
        if let Some(Backlog::Piped(pipe)) = self.backlog.as_deref_mut() {
            let bytes = pipe.take_bytes()?;
            self.keep(Backlog::Bytes(Kept::new(bytes)));
        }
        Ok(())
    }

    fn send_with(&mut self, flags: SendFlags, bytes: &[u8]) -> io::Result<()> {
        self.unpipe()?;
        if let Some(Backlog::Bytes(waiting)) = self.backlog.as_deref_mut() {
            waiting.push(bytes);
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = self.stream.try_write_with(|stream| {
                let flags = flags | SendFlags::NOSIGNAL;
                rustix::net::send(stream, rest, flags).map_err(Into::into)
            });
            match sent {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.keep(Backlog::Bytes(Kept::new(rest.to_vec())));
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
}

impl Side for Plain {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let possible = if kept::is_much() { READ_LITTLE } else { READ };
        let (room, _) = buffer
            .split_at_mut_checked(most.min(possible))
            .ok_or(ErrorKind::InvalidInput)?;
        self.poll_recv(cx, room)
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.stream.poll_reset(cx)
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
            ready!(
                self.stream
                    .poll_write_with(cx, |stream| backlog.send(stream))
            )?;
        }
        Poll::Ready(Ok(()))
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send_with(SendFlags::empty(), bytes)
    }

    fn poll_finish(&mut self, dropped: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drained(cx))?;
        if dropped {
            return Poll::Ready(Ok(()));
        }
        let ended = rustix::net::shutdown(self.stream.fd()?, Shutdown::Write);
        Poll::Ready(match ended {
            // There is nobody left to be told.
            Err(Errno::NOTCONN) => Ok(()),
            ended => ended.map_err(Into::into),
        })
    }

    fn reset(&self) {
        if let Ok(socket) = self.stream.fd() {
            socket::reset_on_close(&socket);
        }
    }

    fn as_plain(&mut self) -> Option<&mut Plain> {
        Some(self)
    }
}

// === impl Backlog ===

impl Backlog {
    fn len(&self) -> usize {
        match self {
            Self::Bytes(kept) => kept.rest().len(),
            Self::Piped(pipe) => pipe.len(),
        }
    }

    /// Sends what the peer takes.
    fn send(&mut self, stream: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Bytes(kept) => kept.note_sent(rustix::io::write(stream, kept.rest())?),
            Self::Piped(pipe) => pipe.empty(stream)?,
        }
        Ok(())
    }
}
