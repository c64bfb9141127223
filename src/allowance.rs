//! What may pass: anything, a rate that all connections share, or nothing just now. The daemon says
//! which; relays wait for their turn and tell what they took. Without a limit that is a look at one byte.

use std::collections::VecDeque;
use std::num::{NonZeroU16, NonZeroU64};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The one line to the Internet that there is.
pub static LINE: Allowance = Allowance::new();

/// What one turn brings at most, in bytes; all have the same.
pub const TURN: usize = 32 * 1024;

const FOUR_TURNS: u64 = 4 * TURN as u64;

/// Reads of less than this are messages. They wait for nobody, and are paid for by those that move
/// more.
const MESSAGE: usize = 2_048;

/// Why no connection is carried just now.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Pause {
    /// What may be carried in this day or month is used up.
    Budget = 1,
    /// It is outside of the hours.
    Hours = 2,
}

/// What may pass.
#[derive(Debug)]
pub struct Allowance {
    /// `FREE`, `LIMITED`, or a [`Pause`].
    state: AtomicU8,
    turns: Mutex<Turns>,
}

/// A place in the queue. Small, for each connection has two; more than there can be connections.
pub type Ticket = Option<NonZeroU16>;

const FREE: u8 = 0;
const LIMITED: u8 = u8::MAX;

/// Who may read next. Everybody waits in one queue, whatever worker he is on, and each turn is as long
/// as any other.
#[derive(Debug)]
struct Turns {
    /// Why nothing may pass.
    pause: Option<Pause>,
    /// Bytes a second.
    rate: Option<NonZeroU64>,
    /// Bytes that may pass now. Below zero, as much has passed before its time.
    left: i64,
    /// Bytes that have passed.
    passed: u64,
    waiting: VecDeque<Waker>,
    /// The number of the last ticket.
    last: u16,
    /// Those who were called and have not come yet.
    called: i64,
}

// === impl Pause ===

impl Pause {
    /// Its name in status and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Hours => "hours",
        }
    }

    /// The same for people.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Budget => "the budget is used up",
            Self::Hours => "it is outside of the hours",
        }
    }
}

// === impl Allowance ===

impl Allowance {
    const fn new() -> Self {
        Self {
            state: AtomicU8::new(FREE),
            turns: Mutex::new(Turns {
                pause: None,
                rate: None,
                left: 0,
                passed: 0,
                waiting: VecDeque::new(),
                last: 0,
                called: 0,
            }),
        }
    }

    /// Lets nothing pass from now on, or again what may.
    pub fn set_pause(&self, pause: Option<Pause>) {
        let mut turns = self.turns();
        turns.pause = pause;
        self.follow(&mut turns);
    }

    /// Lets so many bytes a second pass from now on, or any number.
    pub fn set_rate(&self, rate: Option<NonZeroU64>) {
        let mut turns = self.turns();
        turns.rate = rate;
        self.follow(&mut turns);
    }

    /// Bytes a second that may pass, where that is limited.
    pub fn rate(&self) -> Option<NonZeroU64> {
        self.turns().rate
    }

    fn follow(&self, turns: &mut Turns) {
        let state = match (turns.pause, turns.rate) {
            (Some(pause), _) => pause as u8,
            (None, Some(_)) => LIMITED,
            (None, None) => FREE,
        };
        self.state.store(state, Relaxed);
        if state != LIMITED {
            turns.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Why nothing may pass.
    pub fn pause(&self) -> Option<Pause> {
        match self.state.load(Relaxed) {
            state if state == Pause::Budget as u8 => Some(Pause::Budget),
            state if state == Pause::Hours as u8 => Some(Pause::Hours),
            _ => None,
        }
    }

    /// Lets as much pass as the rate has in the `time` since the last call.
    pub fn refill(&self, time: Duration) {
        let mut turns = self.turns();
        let Some(rate) = turns.rate else { return };
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let more = rate.get().saturating_mul(micros) / 1_000_000;
        // Who was silent does not get it all at once later.
        let most = (rate.get() / 10).max(TURN as u64).cast_signed();
        turns.left = turns.left.saturating_add_unsigned(more).min(most);
        turns.called = 0;
        turns.call();
    }

    /// Bytes that have passed while there was a rate.
    pub fn passed(&self) -> u64 {
        self.turns().passed
    }

    /// Ready with how much may be read at once, as soon as it is the turn of whoever has this `ticket`.
    /// Who has none has not waited: he may read a message, or more where nobody waits for that.
    pub fn poll_turn(&self, ticket: &mut Ticket, cx: &Context<'_>) -> Poll<usize> {
        if self.state.load(Relaxed) == LIMITED {
            return self.turns().poll(ticket, cx);
        }
        *ticket = None;
        Poll::Ready(usize::MAX)
    }

    /// Takes `bytes` that were read off what may pass, and has whoever read them wait for his next turn
    /// where there is less.
    pub fn take(&self, bytes: usize, ticket: &mut Ticket, cx: &Context<'_>) {
        if self.state.load(Relaxed) == LIMITED {
            self.turns().take(bytes, ticket, cx);
        }
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Turns ===

impl Turns {
    fn poll(&mut self, ticket: &mut Ticket, cx: &Context<'_>) -> Poll<usize> {
        match ticket {
            Some(number) => {
                let behind = self.last.wrapping_sub(number.get());
                if usize::from(behind) < self.waiting.len() {
                    return Poll::Pending;
                }
                *ticket = None;
                self.called = self.called.saturating_sub(1);
                Poll::Ready(TURN)
            }
            // Far too much has passed before its time.
            None if self.left < self.deepest() => {
                *ticket = self.queue(cx);
                Poll::Pending
            }
            None if self.is_spoken_for() => Poll::Ready(MESSAGE),
            None => Poll::Ready(TURN),
        }
    }

    fn take(&mut self, bytes: usize, ticket: &mut Ticket, cx: &Context<'_>) {
        self.passed = self.passed.saturating_add(bytes as u64);
        self.left = self.left.saturating_sub_unsigned(bytes as u64);
        let is_busy = self.left <= 0 || !self.waiting.is_empty();
        if bytes >= MESSAGE && is_busy {
            *ticket = self.queue(cx);
        }
        self.call();
    }

    /// How far below zero it may get by those who wait for nobody: a quarter of a second, but at a low rate
    /// what the turn of one and the messages of many take who begin at once.
    fn deepest(&self) -> i64 {
        let quarter = self.rate.map_or(0, |rate| rate.get() / 4);
        0_i64.saturating_sub_unsigned(quarter.max(FOUR_TURNS))
    }

    fn queue(&mut self, cx: &Context<'_>) -> Ticket {
        self.waiting.push_back(cx.waker().clone());
        self.last = self.last.wrapping_add(1);
        // Once in 65,536 times it is none, and goes before others.
        NonZeroU16::new(self.last)
    }

    /// Whether those who were called will take all that there is.
    fn is_spoken_for(&self) -> bool {
        self.left <= self.called.saturating_mul((TURN as u64).cast_signed())
    }

    /// Calls as many as there is something for.
    fn call(&mut self) {
        while !self.is_spoken_for()
            && let Some(waker) = self.waiting.pop_front()
        {
            self.called = self.called.saturating_add(1);
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
