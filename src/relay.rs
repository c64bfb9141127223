//! Bytes both ways between two [`Side`]s, until both have ended, one has been reset, or nothing
//! has moved for too long. Owns no buffer and starts no timer; never looks at what it carries.

mod deadline;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use self::deadline::Deadline;
use crate::side::{Side, with_buffer};
use crate::stats::Counters;

pub use self::deadline::tick;

/// Reads of one direction before the other gets its turn, and then other connections.
const TURN: usize = 8;

/// How a relay ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Both sides ended in order.
    Closed,
    /// One side had ended, the other was silent for too long.
    HalfCloseTimeout,
    /// Both sides were silent for too long.
    IdleTimeout,
    /// The client reset the connection, or was gone.
    ResetByClient,
    /// The upstream reset the connection, or was gone.
    ResetByUpstream,
}

/// How long a relay may be silent, in whole seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Patience {
    /// While both sides are open.
    pub idle: u32,
    /// After one side has ended.
    pub half_close: u32,
}

/// Two sides with bytes flowing between them. A future; when it is done, drop it to close both
/// sides, with a reset where one was carried over.
#[derive(Debug)]
pub struct Relay<C, U> {
    client: C,
    upstream: U,
    up: Flow,
    down: Flow,
    /// Who has reset the connection while bytes of his may still be on their way.
    gone: Option<Party>,
    patience: Patience,
    deadline: Deadline,
    counters: Rc<Counters>,
}

/// One direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Flow {
    Open,
    /// The source has ended; what it sent is still being written, then the end.
    Ending,
    Done,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Party {
    Client,
    Upstream,
}

/// Why a direction cannot go on.
#[derive(Clone, Copy)]
enum Fault {
    /// The sink is gone.
    Sink,
    /// The source is gone, and all it sent has been written.
    Source,
    /// The source is gone, and some of what it sent still waits.
    SourceBlocked,
}

// === impl Relay ===

impl<C: Side, U: Side> Relay<C, U> {
    /// Carries bytes between `client` and `upstream` and counts them in `counters`.
    pub fn new(client: C, upstream: U, patience: Patience, counters: Rc<Counters>) -> Self {
        Self {
            client,
            upstream,
            up: Flow::Open,
            down: Flow::Open,
            gone: None,
            patience,
            deadline: Deadline::after(patience.idle),
            counters,
        }
    }
}

impl<C: Side + Unpin, U: Side + Unpin> Future for Relay<C, U> {
    type Output = End;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let relay = self.get_mut();
        let before = (relay.up, relay.down, relay.gone);

        let mut up = 0;
        let pumped = pump(
            &mut relay.client,
            &mut relay.upstream,
            &mut relay.up,
            &mut up,
            cx,
        );
        relay.counters.bytes_up.add(up);
        if let Err(fault) = pumped {
            relay.fault(fault, Party::Client);
        }

        let mut down = 0;
        let pumped = pump(
            &mut relay.upstream,
            &mut relay.client,
            &mut relay.down,
            &mut down,
            cx,
        );
        relay.counters.bytes_down.add(down);
        if let Err(fault) = pumped {
            relay.fault(fault, Party::Upstream);
        }

        if let Some(end) = relay.end(false) {
            return Poll::Ready(end);
        }
        if up + down > 0 || before != (relay.up, relay.down, relay.gone) {
            relay.deadline.set(relay.patience_now());
        }
        ready!(relay.deadline.poll_passed(cx));
        Poll::Ready(match relay.end(true) {
            Some(end) => end,
            None if relay.is_whole() => End::IdleTimeout,
            None => End::HalfCloseTimeout,
        })
    }
}

impl<C: Side, U: Side> Relay<C, U> {
    /// Notes why the direction that starts at `source` cannot go on.
    fn fault(&mut self, fault: Fault, source: Party) {
        let (flow, opposite, sink) = match source {
            Party::Client => (&mut self.up, &mut self.down, Party::Upstream),
            Party::Upstream => (&mut self.down, &mut self.up, Party::Client),
        };
        match fault {
            Fault::Sink => {
                *flow = Flow::Done;
                self.gone = Some(sink);
            }
            Fault::Source => {
                *flow = Flow::Done;
                self.gone = Some(source);
            }
            Fault::SourceBlocked => {
                *opposite = Flow::Done;
                self.gone = Some(source);
            }
        }
    }

    /// The end, if it has come. Carries a reset over, once what came before it is written, or at
    /// once where that is `overdue`.
    fn end(&self, overdue: bool) -> Option<End> {
        match self.gone {
            Some(Party::Client) if overdue || self.up != Flow::Open => {
                self.upstream.reset();
                Some(End::ResetByClient)
            }
            Some(Party::Upstream) if overdue || self.down != Flow::Open => {
                self.client.reset();
                Some(End::ResetByUpstream)
            }
            None if (self.up, self.down) == (Flow::Done, Flow::Done) => Some(End::Closed),
            _ => None,
        }
    }

    fn is_whole(&self) -> bool {
        (self.up, self.down, self.gone) == (Flow::Open, Flow::Open, None)
    }

    fn patience_now(&self) -> u32 {
        if self.is_whole() {
            self.patience.idle
        } else {
            self.patience.half_close
        }
    }
}

/// Moves bytes one way until it would block or its turn is over, and adds them to `moved`.
fn pump(
    source: &mut impl Side,
    sink: &mut impl Side,
    flow: &mut Flow,
    moved: &mut u64,
    cx: &mut Context<'_>,
) -> Result<(), Fault> {
    for _ in 0..TURN {
        match flow {
            Flow::Open => {
                match sink.poll_drained(cx) {
                    Poll::Ready(drained) => drained.map_err(|_| Fault::Sink)?,
                    Poll::Pending if source.poll_reset(cx).is_ready() => {
                        return Err(Fault::SourceBlocked);
                    }
                    Poll::Pending => return Ok(()),
                }
                match copy(source, sink, cx)? {
                    Poll::Ready(0) => *flow = Flow::Ending,
                    Poll::Ready(copied) => *moved += copied as u64,
                    Poll::Pending => return Ok(()),
                }
            }
            Flow::Ending => match sink.poll_finish(cx) {
                Poll::Ready(finished) => {
                    finished.map_err(|_| Fault::Sink)?;
                    *flow = Flow::Done;
                }
                Poll::Pending => return Ok(()),
            },
            Flow::Done => return Ok(()),
        }
    }
    cx.waker().wake_by_ref();
    Ok(())
}

/// Reads once and sends what was read.
fn copy(
    source: &mut impl Side,
    sink: &mut impl Side,
    cx: &mut Context<'_>,
) -> Result<Poll<usize>, Fault> {
    with_buffer(|buffer| {
        let Poll::Ready(read) = source.poll_read(cx, buffer) else {
            return Ok(Poll::Pending);
        };
        let read = read.map_err(|_| Fault::Source)?;
        sink.send(&buffer[..read]).map_err(|_| Fault::Sink)?;
        Ok(Poll::Ready(read))
    })
}
