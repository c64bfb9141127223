//! Bytes both ways between two [`Side`]s, until both have ended, one has been reset, or nothing
//! has moved for too long. Owns no buffer and starts no timer; never looks at what it carries.

mod carry;
mod direction;

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use self::direction::{Direction, Fault, Flow, pump};
use crate::allowance::{LINE, Pause};
use crate::deadline::Deadline;
use crate::side::{Plain, Side};
use crate::stats::Counters;

/// Seconds that nothing may move before pipes are taken back, of which there are few.
const STALL: u32 = 2;

/// How a relay ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Both sides ended in order.
    Closed,
    /// One side had ended, the other was silent for too long.
    HalfCloseTimeout,
    /// Both sides were silent for too long.
    IdleTimeout,
    /// Nothing may be carried just now.
    Paused(Pause),
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
    pub half_close: u16,
    /// After both were told of the end, because of a [`Pause`].
    pub drain: u16,
}

/// Two sides with bytes flowing between them. A future; when it is done, drop it to close both
/// sides, with a reset where one was carried over.
#[derive(Debug)]
pub struct Relay<C, U> {
    client: C,
    upstream: U,
    up: Direction,
    down: Direction,
    /// Who has reset the connection while bytes of his may still be on their way.
    gone: Option<Party>,
    /// Why it was ended before its sides have.
    paused: Option<Pause>,
    patience: Patience,
    deadline: Deadline,
    counters: Rc<Counters>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Party {
    Client,
    Upstream,
}

// === impl Relay ===

impl<C: Side, U: Side> Relay<C, U> {
    /// Carries bytes between `client` and `upstream` and counts them in `counters`.
    pub fn new(client: C, upstream: U, patience: Patience, counters: Rc<Counters>) -> Self {
        Self {
            client,
            upstream,
            up: Direction::OPEN,
            down: Direction::OPEN,
            gone: None,
            paused: None,
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
        let before = relay.state();
        if let Some(pause) = LINE.pause() {
            relay.pause(pause);
        }

        let mut up = 0;
        let pumped = pump(
            &mut relay.client,
            &mut relay.upstream,
            &mut relay.up,
            relay.gone == Some(Party::Client),
            relay.gone.is_none() && relay.down.flow == Flow::Done,
            &mut up,
            cx,
        );
        relay.counters.bytes_up.add(up);
        if let Err(fault) = pumped {
            relay.fault(fault, Party::Client, cx);
        }

        let mut down = 0;
        let pumped = pump(
            &mut relay.upstream,
            &mut relay.client,
            &mut relay.down,
            relay.gone == Some(Party::Upstream),
            relay.gone.is_none() && relay.up.flow == Flow::Done,
            &mut down,
            cx,
        );
        relay.counters.bytes_down.add(down);
        if let Err(fault) = pumped {
            relay.fault(fault, Party::Upstream, cx);
        }

        if let Some(end) = relay.end() {
            return Poll::Ready(end);
        }
        if (up, down) != (0, 0) || before != relay.state() {
            let seconds = relay.next_look();
            relay.deadline.set(seconds);
        }
        ready!(relay.deadline.poll_passed(cx));
        if !relay.take_back_pipes() {
            return Poll::Ready(relay.end_by_timeout());
        }
        relay
            .deadline
            .set(relay.patience_now().saturating_sub(STALL));
        relay
            .deadline
            .poll_passed(cx)
            .map(|()| relay.end_by_timeout())
    }
}

impl<C: Side, U: Side> Relay<C, U> {
    /// All that changes where something happens, but for bytes that pass at once.
    fn state(&self) -> impl PartialEq + use<C, U> {
        let waiting = (self.client.waiting(), self.upstream.waiting());
        (self.up.flow, self.down.flow, self.gone, waiting)
    }

    /// Carries nothing more, and has both sides end. What the client still sends is read, so that he gets
    /// all that was sent to him; the upstream has nothing to lose.
    fn pause(&mut self, pause: Pause) {
        for (flow, stopped) in [
            (&mut self.up.flow, Flow::Stopping),
            (&mut self.down.flow, Flow::Ending),
        ] {
            if flow.is_read() && self.gone.is_none() {
                *flow = stopped;
                self.paused = Some(pause);
            }
        }
    }

    /// Notes why the direction that starts at `source` cannot go on, and has the relay be polled
    /// once more: nothing that it waits for would tell of what there is to do now.
    fn fault(&mut self, fault: Fault, source: Party, cx: &Context<'_>) {
        cx.waker().wake_by_ref();
        let (flow, opposite, sink) = match source {
            Party::Client => (&mut self.up.flow, &mut self.down.flow, Party::Upstream),
            Party::Upstream => (&mut self.down.flow, &mut self.up.flow, Party::Client),
        };
        match fault {
            // A client that goes away in the middle of a download is not worth the rest of it.
            Fault::SinkEnded if source == Party::Client => *flow = Flow::Spilling,
            Fault::Sink | Fault::SinkEnded => {
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

    /// The end, if it has come. A reset is carried over once what came before it is written.
    fn end(&self) -> Option<End> {
        match self.gone {
            Some(Party::Client) if self.up.flow.is_read() => None,
            Some(Party::Upstream) if self.down.flow.is_read() => None,
            Some(party) => Some(self.carry_reset(party)),
            None if (self.up.flow, self.down.flow) == (Flow::Done, Flow::Done) => {
                Some(self.paused.map_or(End::Closed, End::Paused))
            }
            None => None,
        }
    }

    /// The end, where nothing has moved for too long. Who did not take all that there was for
    /// him gets a reset, so that it does not look like all.
    fn end_by_timeout(&self) -> End {
        if let Some(party) = self.gone {
            return self.carry_reset(party);
        }
        if self.up.has_more() {
            self.upstream.reset();
        }
        if self.down.has_more() {
            self.client.reset();
        }
        if let Some(pause) = self.paused {
            return End::Paused(pause);
        }
        match (self.up.flow, self.down.flow) {
            (Flow::Done, _) | (_, Flow::Done) => End::HalfCloseTimeout,
            _ => End::IdleTimeout,
        }
    }

    fn carry_reset(&self, from: Party) -> End {
        match from {
            Party::Client => {
                self.upstream.reset();
                End::ResetByClient
            }
            Party::Upstream => {
                self.client.reset();
                End::ResetByUpstream
            }
        }
    }

    /// How long nothing may move from now on.
    fn patience_now(&self) -> u32 {
        if self.paused.is_some() {
            return self.patience.drain.into();
        }
        let flows = [self.up.flow, self.down.flow];
        // A side that takes bytes slowly is not silent, and we read nothing for it meanwhile; nor is one
        // whose turn has not come.
        let waits = self.up.ticket.is_some() || self.down.ticket.is_some();
        let is_slow = self.gone.is_none() && (waits || flows.iter().any(|flow| flow.is_held()));
        let is_whole = self.gone.is_none() && !flows.contains(&Flow::Done);
        if is_slow || is_whole {
            self.patience.idle
        } else {
            self.patience.half_close.into()
        }
    }

    /// When to look whether something has moved: at the end of all patience, or before that to have
    /// a pipe back.
    fn next_look(&mut self) -> u32 {
        let patience = self.patience_now();
        if self.plain_sides().any(|side| side.can_unpipe()) {
            STALL.min(patience)
        } else {
            patience
        }
    }

    /// Takes back the pipes of sides that have taken nothing for long: others need them more. False
    /// where there are none.
    fn take_back_pipes(&mut self) -> bool {
        let mut taken = false;
        for side in self.plain_sides().filter(|side| side.can_unpipe()) {
            if side.unpipe().is_err() {
                // Bytes are lost: the relay must end, and with a reset.
                return false;
            }
            taken = true;
        }
        taken
    }

    fn plain_sides(&mut self) -> impl Iterator<Item = &mut Plain> {
        [self.client.as_plain(), self.upstream.as_plain()]
            .into_iter()
            .flatten()
    }
}

#[cfg(test)]
mod tests;
