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
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{self, Sender};
    use std::task::Wake;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limited(rate: u64) -> Allowance {
        let line = Allowance::new();
        line.set_rate(NonZeroU64::new(rate));
        line
    }

    /// What each of some directions moves that always have more, `turn` bytes at once.
    fn moved(line: &Allowance, turns: &[usize], ticks: u32) -> Vec<u64> {
        let cx = &Context::from_waker(Waker::noop());
        let mut moved = vec![(0, None); turns.len()];
        for _ in 0..ticks {
            line.refill(SECOND / 40);
            let mut went_on = true;
            while std::mem::take(&mut went_on) {
                for ((moved, ticket), bytes) in moved.iter_mut().zip(turns) {
                    if let Poll::Ready(most) = line.poll_turn(ticket, cx) {
                        let bytes = most.min(*bytes);
                        line.take(bytes, ticket, cx);
                        *moved += bytes as u64;
                        went_on = true;
                    }
                }
            }
        }
        moved.into_iter().map(|(moved, _)| moved).collect()
    }

    #[test]
    fn what_passes_is_the_rate_however_many_share_it() {
        for (rate, count) in [(125_000, 1), (2_500_000, 1), (2_500_000, 50), (1 << 30, 3)] {
            let moved = moved(&limited(rate), &vec![TURN; count], 40 * 60);
            let all: u64 = moved.iter().sum();
            let first = (TURN * (count + 1)) as u64;
            assert!(
                all.abs_diff(rate * 60) <= first + rate / 10,
                "{rate} {count}: {all}"
            );
            let (least, most) = (moved.iter().min().unwrap(), moved.iter().max().unwrap());
            assert!(most - least <= 4 * TURN as u64 + most / 1000, "{moved:?}");
        }
    }

    #[test]
    fn who_takes_little_is_not_kept_waiting_by_who_takes_much() {
        let cx = &Context::from_waker(Waker::noop());
        // The lower one lets less than a turn pass in a quarter of a second.
        for rate in [125_000, 250_000] {
            let line = limited(rate);
            let (mut tickets, mut ticket) = ([None; 5], None);
            for tick in 0..800 {
                line.refill(SECOND / 40);
                for ticket in &mut tickets {
                    if let Poll::Ready(most) = line.poll_turn(ticket, cx) {
                        line.take(most, ticket, cx);
                    }
                }
                // Once all wait for their turn.
                if tick >= 400 {
                    let turn = line.poll_turn(&mut ticket, cx);
                    assert!(turn.is_ready(), "{rate}: {tick}");
                    line.take(100, &mut ticket, cx);
                }
            }
        }
    }

    #[test]
    fn many_who_take_a_turn_each_and_go_hold_the_rate_too() {
        let line = limited(1_000_000);
        let cx = &Context::from_waker(Waker::noop());
        let mut all = 0;
        for _ in 0..400 {
            line.refill(SECOND / 40);
            for _ in 0..1_000 {
                let mut ticket = None;
                if let Poll::Ready(most) = line.poll_turn(&mut ticket, cx) {
                    line.take(most, &mut ticket, cx);
                    all += most as u64;
                }
            }
        }
        assert!(all <= 10_500_000, "{all}");
    }

    #[test]
    fn who_has_waited_longest_is_called_first() {
        struct Bell(usize, Sender<usize>);
        impl Wake for Bell {
            fn wake(self: Arc<Self>) {
                let _ = self.1.send(self.0);
            }
        }
        let line = limited(TURN as u64);
        let (sender, called) = mpsc::channel();
        let bell = |number| Waker::from(Arc::new(Bell(number, sender.clone())));
        let bells: Vec<_> = (0..5).map(bell).collect();
        let mut tickets = [None; 5];
        for (ticket, bell) in tickets.iter_mut().zip(&bells) {
            line.take(TURN, ticket, &Context::from_waker(bell));
        }
        let mut order = Vec::new();
        for _ in 0..5 + 10 {
            line.refill(SECOND);
            for number in called.try_iter() {
                let (ticket, cx) = (&mut tickets[number], &Context::from_waker(&bells[number]));
                assert!(line.poll_turn(ticket, cx).is_ready(), "{number}");
                line.take(TURN, ticket, cx);
                order.push(number);
            }
        }
        assert_eq!(order, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_turn_that_is_long_over_still_counts() {
        let line = limited(1_000_000);
        let cx = &Context::from_waker(Waker::noop());
        let mut ticket = line.turns().queue(cx);
        moved(&line, &[TURN; 3], 400);
        assert_eq!(line.poll_turn(&mut ticket, cx), Poll::Ready(TURN));

        // There was no limit for a moment, and others wait since.
        let mut ticket = line.turns().queue(cx);
        line.set_rate(None);
        line.set_rate(NonZeroU64::new(1_000_000));
        for _ in 0..3 {
            line.turns().queue(cx);
        }
        assert_eq!(line.poll_turn(&mut ticket, cx), Poll::Ready(TURN));
    }

    #[test]
    fn turns_of_those_who_left_are_soon_forgotten() {
        let line = limited(1_000_000);
        let cx = &Context::from_waker(Waker::noop());
        for _ in 0..100 {
            line.turns().queue(cx);
        }
        moved(&line, &[TURN], 100);
        let all: u64 = moved(&line, &[TURN], 400).iter().sum();
        assert!(all >= 9_900_000, "{all}");
    }

    #[test]
    fn nobody_waits_any_more_once_there_is_no_limit() {
        let line = limited(1);
        let cx = &Context::from_waker(Waker::noop());
        let mut ticket = None;
        line.take(TURN, &mut ticket, cx);
        line.take(TURN, &mut ticket, cx);
        assert!(line.poll_turn(&mut ticket, cx).is_pending());
        line.set_pause(Some(Pause::Hours));
        assert_eq!(line.pause(), Some(Pause::Hours));
        line.set_rate(None);
        line.set_pause(None);
        assert_eq!(line.poll_turn(&mut ticket, cx), Poll::Ready(usize::MAX));
        assert!(line.turns().waiting.is_empty());
    }
}
