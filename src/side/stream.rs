//! A TCP stream and what the runtime wakes its task for. While nothing is read from a stream, what
//! arrives on it wakes nobody; a reset still does.

use std::io::{self, ErrorKind};
use std::mem;
use std::net;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::task::{Context, Poll, ready};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::retry_on_intr;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;

/// A TCP stream of the runtime, by what tokio listens for. There are two for each connection, so it
/// is one enum and not a struct around one, which would be larger.
#[derive(Debug)]
pub(super) enum Stream {
    /// All there is.
    Full {
        /// The stream.
        stream: TcpStream,
        /// Bytes may wait of which tokio does not know, so that it will not tell of them.
        hidden: bool,
    },
    /// Room to write, and resets. Of room it tells when there was none before.
    Deaf(AsyncFd<net::TcpStream>),
    /// Nothing: the system could not change it.
    Lost,
}

// === impl Stream ===

impl Stream {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self::Full {
            stream,
            hidden: false,
        }
    }

    /// The socket.
    pub(super) fn fd(&self) -> io::Result<BorrowedFd<'_>> {
        match self {
            Self::Full { stream, .. } => Ok(stream.as_fd()),
            Self::Deaf(stream) => Ok(stream.as_fd()),
            Self::Lost => Err(lost()),
        }
    }

    /// Reads with `read` as soon as there is something to read.
    pub(super) fn poll_read_with(
        &mut self,
        cx: &mut Context<'_>,
        mut read: impl FnMut(BorrowedFd<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if let Self::Deaf(_) = self {
            // A write may wait for this stream too, and what was to wake it goes with the old
            // registration: have all be tried once more.
            cx.waker().wake_by_ref();
        }
        let (stream, hidden) = self.hear()?;
        if *hidden {
            match read(stream.as_fd()) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => *hidden = false,
                result => return Poll::Ready(result),
            }
        }
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_io(Interest::READABLE, || read(stream.as_fd())) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
        }
    }

    /// Writes with `write`, if there is room.
    pub(super) fn try_write_with<T>(
        &self,
        write: impl FnOnce(BorrowedFd<'_>) -> io::Result<T>,
    ) -> io::Result<T> {
        match self {
            Self::Full { stream, .. } => {
                stream.try_io(Interest::WRITABLE, || write(stream.as_fd()))
            }
            _ => write(self.fd()?),
        }
    }

    /// Writes with `write` as soon as there is room.
    pub(super) fn poll_write_with<T>(
        &self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(BorrowedFd<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match self.try_write_with(&mut write) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            match self {
                Self::Full { stream, .. } => ready!(stream.poll_write_ready(cx))?,
                Self::Deaf(stream) => ready!(stream.poll_write_ready(cx))?.clear_ready(),
                Self::Lost => return Poll::Ready(Err(lost())),
            }
        }
    }

    /// Notes that nothing is left to be read: what comes next comes with an event.
    pub(super) fn note_emptied(&self) {
        if let Self::Full { stream, .. } = self {
            tell_empty(stream);
        }
    }

    /// Notes that bytes may wait of which tokio does not know.
    pub(super) fn note_hidden(&mut self) {
        if let Self::Full { hidden, .. } = self {
            *hidden = true;
        }
    }

    /// Ready when the peer has reset the connection; for a stream from which nothing is read just
    /// now. What arrived before the reset can still be read.
    pub(super) fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Full { stream, hidden } = self {
            // Bytes that wait unread keep the stream readable, so tokio would not wake us again.
            // Say that they are gone: the next event, a reset among others, then wakes us.
            if !mem::replace(hidden, true) {
                tell_empty(stream);
            }
            if stream.poll_read_ready(cx).is_pending() {
                return Poll::Pending;
            }
            let event = pin!(stream.ready(Interest::READABLE | Interest::ERROR)).poll(cx);
            match event {
                Poll::Ready(Ok(event)) if event.is_error() => return Poll::Ready(()),
                // After the peer's end the stream stays readable whatever we say. A reset that
                // follows its own end is found by the next write to it.
                Poll::Ready(Ok(event)) if event.is_read_closed() => return Poll::Pending,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        // It was bytes, and there will be more, each time for nothing.
        let Ok(stream) = self.deafen() else {
            return Poll::Ready(());
        };
        loop {
            let Ok(mut event) = ready!(stream.poll_write_ready(cx)) else {
                return Poll::Ready(());
            };
            if event.ready().is_write_closed() {
                // Which is also how two ends in order look.
                return if has_failed(stream.as_fd()) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                };
            }
            event.clear_ready();
        }
    }

    /// Listens for everything.
    fn hear(&mut self) -> io::Result<(&TcpStream, &mut bool)> {
        if let Self::Deaf(_) = self
            && let Self::Deaf(stream) = mem::replace(self, Self::Lost)
        {
            *self = Self::Full {
                stream: TcpStream::from_std(stream.into_inner())?,
                hidden: true,
            };
        }
        match self {
            Self::Full { stream, hidden } => Ok((stream, hidden)),
            _ => Err(lost()),
        }
    }

    /// Listens for room and resets alone.
    // What replaces it is unsafe for descriptors that may be closed under it; std closes none.
    #[expect(deprecated)]
    fn deafen(&mut self) -> io::Result<&AsyncFd<net::TcpStream>> {
        if let Self::Full { .. } = self
            && let Self::Full { stream, .. } = mem::replace(self, Self::Lost)
        {
            let stream = stream.into_std()?;
            *self = Self::Deaf(AsyncFd::with_interest(stream, Interest::WRITABLE)?);
        }
        match self {
            Self::Deaf(stream) => Ok(stream),
            _ => Err(lost()),
        }
    }
}

/// Tells tokio that there is nothing to read.
fn tell_empty(stream: &TcpStream) {
    let nothing = || Err::<(), _>(ErrorKind::WouldBlock.into());
    let _ = stream.try_io(Interest::READABLE, nothing);
}

fn lost() -> io::Error {
    ErrorKind::NotConnected.into()
}

/// Whether the peer has said that no more will come.
pub(super) fn has_ended(socket: BorrowedFd<'_>) -> bool {
    shows(socket, PollFlags::RDHUP)
}

/// Whether the connection has ended with an error that nobody has been told of.
fn has_failed(socket: BorrowedFd<'_>) -> bool {
    shows(socket, PollFlags::ERR)
}

fn shows(socket: BorrowedFd<'_>, flag: PollFlags) -> bool {
    let mut fds = [PollFd::new(&socket, flag)];
    let polled = retry_on_intr(|| rustix::event::poll(&mut fds, Some(&Timespec::default())));
    match polled {
        Ok(_) => fds[0].revents().contains(flag),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    use rustix::net::{RecvFlags, SendFlags, recv, send};
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn a_write_that_waits_is_not_forgotten_when_reading_begins_again() {
        let runtime = Builder::new_current_thread().enable_io().build().unwrap();
        let _inside = runtime.enter();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _far = listener.accept().unwrap();
        near.set_nonblocking(true).unwrap();
        let mut stream = Stream::new(TcpStream::from_std(near).unwrap());
        let count = Arc::new(Wakes::default());
        let waker = Arc::clone(&count).into();
        let cx = &mut Context::from_waker(&waker);

        stream.deafen().unwrap();
        let write = |fd: BorrowedFd<'_>| Ok(send(fd, &[0; 16_384], SendFlags::empty())?);
        while stream.poll_write_with(cx, write).is_ready() {}
        let before = count.0.load(Ordering::Relaxed);
        let read = |fd: BorrowedFd<'_>| Ok(recv(fd, &mut [0; 1], RecvFlags::empty())?.0);
        assert!(stream.poll_read_with(cx, read).is_pending());
        assert!(count.0.load(Ordering::Relaxed) > before);
    }

    #[derive(Default)]
    struct Wakes(AtomicU32);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}
