//! One direction of a relay: what its source sends goes to its sink, until the source has ended or one
//! of the two is gone. Never waits, and knows nothing of the other direction but whether it has ended.

use std::io::{self, ErrorKind};
use std::task::{Context, Poll};

use super::carry::carry;
use crate::allowance::{LINE, Ticket};
use crate::side::{READ, Side, with_buffer};

/// Reads of one direction before the other gets its turn, and then other connections.
const TURN: usize = 8;

/// One direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Direction {
    pub(super) flow: Flow,
    /// More came at once than a message has.
    bulk: bool,
    /// Its place among all that wait for their turn.
    pub(super) ticket: Ticket,
}

/// What a direction is at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Flow {
    Open,
    /// The sink does not take what was sent; nothing is read meanwhile.
    Held,
    /// The sink is gone, and has said all it had to say. What the source still sends is thrown
    /// away: left unread, it would make our close a reset, and cut what the source has to read.
    Spilling,
    /// Nothing more of the source is carried; what it sent is still being written, then the end, and
    /// then the source is spilt.
    Stopping,
    /// The source has ended; what it sent is still being written, then the end.
    Ending,
    Done,
}

/// Why a direction cannot go on.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    /// The sink has reset the connection.
    Sink,
    /// The sink has reset the connection after its own end, which came in order: it has closed,
    /// and then got more.
    SinkEnded,
    /// The source is gone, and all it sent has been handed to the kernel.
    Source,
    /// The source is gone, and some of what it sent still waits.
    SourceBlocked,
}

// === impl Direction ===

impl Direction {
    pub(super) const OPEN: Self = Self {
        flow: Flow::Open,
        bulk: false,
        ticket: None,
    };

    /// Whether there may be bytes that did not get through yet.
    pub(super) fn has_more(self) -> bool {
        self.flow.is_held() || self.ticket.is_some()
    }
}

// === impl Flow ===

impl Flow {
    /// Whether the source is still read from.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Self::Open | Self::Held)
    }

    /// Whether there may be bytes that a side has not taken yet.
    pub(super) fn is_held(self) -> bool {
        matches!(
            self,
            Self::Held | Self::Ending | Self::Spilling | Self::Stopping
        )
    }
}

// === impl Fault ===

impl Fault {
    pub(super) fn sink(error: &io::Error) -> Self {
        // Linux tells so, with EPIPE, of a reset that comes after the peer's end.
        if error.kind() == ErrorKind::BrokenPipe {
            Self::SinkEnded
        } else {
            Self::Sink
        }
    }
}

/// Moves bytes one way until it would block or its turn is over, and adds them to `moved`. `gone`
/// says that the source has reset the connection, `last` that the other direction has ended.
pub(super) fn pump(
    source: &mut impl Side,
    sink: &mut impl Side,
    Direction { flow, bulk, ticket }: &mut Direction,
    gone: bool,
    last: bool,
    moved: &mut u64,
    cx: &mut Context<'_>,
) -> Result<(), Fault> {
    for _ in 0..TURN {
        match flow {
            Flow::Open | Flow::Held => {
                match sink.poll_drained(cx) {
                    Poll::Ready(drained) => drained.map_err(|e| Fault::sink(&e))?,
                    Poll::Pending if !gone && source.poll_reset(cx).is_ready() => {
                        return Err(Fault::SourceBlocked);
                    }
                    Poll::Pending => {
                        *flow = Flow::Held;
                        // Another comes by when this one's turn is long over.
                        *ticket = None;
                        return Ok(());
                    }
                }
                *flow = Flow::Open;
                let Poll::Ready(most) = LINE.poll_turn(ticket, cx) else {
                    return Ok(());
                };
                match carry(source, sink, bulk, most, cx)? {
                    // The kernel tells of a reset once, and a write has had that.
                    Poll::Ready(0) if gone => return Err(Fault::Source),
                    Poll::Ready(0) => *flow = Flow::Ending,
                    Poll::Ready(carried) => {
                        LINE.take(carried, ticket, cx);
                        *moved = moved.saturating_add(carried as u64);
                    }
                    Poll::Pending => return Ok(()),
                }
            }
            // Who is spilt is not dropped yet.
            Flow::Ending | Flow::Stopping => {
                match sink.poll_finish(last && *flow == Flow::Ending, cx) {
                    Poll::Ready(finished) => {
                        finished.map_err(|e| Fault::sink(&e))?;
                        *flow = match flow {
                            Flow::Stopping => Flow::Spilling,
                            _ => Flow::Done,
                        };
                    }
                    Poll::Pending => return Ok(()),
                }
            }
            Flow::Spilling => match with_buffer(|buffer| source.poll_read(cx, READ, buffer)) {
                Poll::Ready(Ok(0)) => *flow = Flow::Done,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Err(Fault::Source),
                Poll::Pending => return Ok(()),
            },
            Flow::Done => return Ok(()),
        }
    }
    cx.waker().wake_by_ref();
    Ok(())
}
