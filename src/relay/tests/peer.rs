//! A stand-in for a socket and the peer behind it, as strict as Linux may be: it wakes only for what
//! was waited for, tells of a reset once, and keeps what the peer has no room for.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use crate::side::{Plain, READ, Side};

/// What the relay gets of a [`Peer`], and the test keeps.
#[derive(Clone, Default)]
pub(super) struct Handle(pub(super) Rc<RefCell<Peer>>);

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is something that a socket or its peer may know"
)]
pub(super) struct Peer {
    /// All that the peer has said.
    pub(super) said: Vec<u8>,
    /// What of it the relay has not read.
    pub(super) unread: VecDeque<u8>,
    /// The most that a read brings.
    pub(super) bite: usize,
    /// The peer has said that this was all.
    pub(super) ended: bool,
    /// The peer takes nothing any more, and answers it with a reset.
    left: bool,
    /// The peer has reset the connection,
    pub(super) was_reset: bool,
    /// the relay knows,
    pub(super) noticed: bool,
    /// and from a call that tells it once.
    pub(super) told: bool,
    /// A read has told of the end.
    end_read: bool,
    /// How much the peer takes now.
    pub(super) room: usize,
    /// All that the peer has taken.
    pub(super) taken: Vec<u8>,
    /// How much the relay has sent.
    pub(super) sent: usize,
    /// What of it the peer has not taken.
    pub(super) kept: Vec<u8>,
    /// The peer was told that this was all.
    pub(super) finished: bool,
    /// The peer was told that the connection is reset.
    pub(super) got_reset: bool,
    /// Who waits for room, for bytes, and for no more than a reset.
    writer: Option<Waker>,
    reader: Option<Waker>,
    watcher: Option<Waker>,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            said: Vec::new(),
            unread: VecDeque::new(),
            bite: READ,
            ended: false,
            left: false,
            was_reset: false,
            noticed: false,
            told: false,
            end_read: false,
            room: 0,
            taken: Vec::new(),
            sent: 0,
            kept: Vec::new(),
            finished: false,
            got_reset: false,
            writer: None,
            reader: None,
            watcher: None,
        }
    }
}

// === What the peer does ===

impl Peer {
    pub(super) fn say(&mut self, n: usize) {
        if self.ended || self.was_reset {
            return;
        }
        let start = self.said.len();
        self.said.extend((start..start + n).map(byte_at));
        self.unread.extend(&self.said[start..]);
        wake(&mut self.reader);
    }

    pub(super) fn take(&mut self, n: usize) {
        self.room = self.room.saturating_add(n);
        wake(&mut self.writer);
    }

    pub(super) fn end(&mut self) {
        if !self.was_reset {
            self.ended = true;
            wake(&mut self.reader);
        }
    }

    pub(super) fn leave(&mut self) {
        self.end();
        self.left = !self.was_reset;
        wake(&mut self.writer);
    }

    pub(super) fn reset(&mut self) {
        self.was_reset = true;
        wake(&mut self.reader);
        wake(&mut self.watcher);
        wake(&mut self.writer);
    }

    /// Whether what it is sent need not arrive.
    pub(super) fn gone(&self) -> bool {
        self.left || self.was_reset
    }

    /// Whether a read would bring nothing.
    pub(super) fn is_heard(&self) -> bool {
        self.unread.is_empty() && self.end_read == self.ended
    }

    /// Whether it has to take something before it can be sent more.
    pub(super) fn is_full(&self) -> bool {
        !self.kept.is_empty() && self.room == 0
    }

    /// What moves for a relay. Bytes that it throws away do not.
    pub(super) fn seen(&self) -> impl PartialEq + use<> {
        let heard = (self.end_read, self.noticed, self.told);
        (heard, self.sent, self.kept.len(), self.finished)
    }

    /// What a write says.
    fn write(&mut self) -> io::Result<()> {
        if self.was_reset {
            // Linux tells so of a reset that it has told of, or that came after an end.
            let told_before = self.told || self.ended;
            (self.noticed, self.told) = (true, true);
            return Err(if told_before {
                ErrorKind::BrokenPipe.into()
            } else {
                ErrorKind::ConnectionReset.into()
            });
        }
        if self.left {
            self.kept.clear();
            self.reset();
            return Ok(());
        }
        let n = self.room.min(self.kept.len());
        self.room -= n;
        self.taken.extend(self.kept.drain(..n));
        Ok(())
    }
}

/// What is said at a place: no part of it looks like another.
pub(super) fn byte_at(place: usize) -> u8 {
    let [low, middle, high, ..] = place.to_le_bytes();
    low ^ middle.wrapping_mul(31) ^ high.wrapping_mul(17)
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

// === What the relay does ===

impl Side for Handle {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let peer = &mut *self.0.borrow_mut();
        peer.watcher = None;
        let n = peer.bite.min(most).min(READ).min(peer.unread.len());
        for (byte, said) in buffer.iter_mut().zip(peer.unread.drain(..n)) {
            *byte = said;
        }
        if n > 0 || peer.ended {
            peer.end_read |= n == 0;
            return Poll::Ready(Ok(n));
        }
        if peer.was_reset {
            peer.noticed = true;
            return Poll::Ready(if std::mem::replace(&mut peer.told, true) {
                Ok(0)
            } else {
                Err(ErrorKind::ConnectionReset.into())
            });
        }
        peer.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let peer = &mut *self.0.borrow_mut();
        if peer.was_reset && !peer.told {
            peer.noticed = true;
            return Poll::Ready(());
        }
        peer.reader = None;
        peer.watcher = Some(cx.waker().clone());
        Poll::Pending
    }

    fn waiting(&self) -> usize {
        self.0.borrow().kept.len()
    }

    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let peer = &mut *self.0.borrow_mut();
        if !peer.kept.is_empty() {
            peer.write()?;
        }
        if peer.kept.is_empty() {
            return Poll::Ready(Ok(()));
        }
        peer.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let peer = &mut *self.0.borrow_mut();
        assert!(peer.kept.is_empty(), "sends more than is kept");
        assert!(!peer.finished, "sends after its end");
        peer.kept.extend_from_slice(bytes);
        if let Err(error) = peer.write() {
            peer.kept.clear();
            return Err(error);
        }
        peer.sent += bytes.len();
        Ok(())
    }

    fn poll_finish(&mut self, dropped: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drained(cx))?;
        self.0.borrow_mut().finished |= !dropped;
        Poll::Ready(Ok(()))
    }

    fn reset(&self) {
        self.0.borrow_mut().got_reset = true;
    }

    fn as_plain(&mut self) -> Option<&mut Plain> {
        None
    }
}
