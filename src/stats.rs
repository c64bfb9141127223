//! What one worker counted for one listener, in plain integers of its own thread; and the sum
//! over workers, which is asked for by message. Never locks and never shares a counter: MIPS has
//! no 64-bit atomics, and the way of bytes needs none.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::seldom::Seldom;

/// A counter of one thread. It does not overflow in practice: at 10 Gbit/s, 2^64 bytes take
/// 468 years.
#[derive(Debug, Default)]
pub struct Count(Cell<u64>);

/// Counts by reason. The reasons are few, so a search beats a map.
#[derive(Debug, Default)]
pub struct Tally(RefCell<Vec<(&'static str, u64)>>);

/// The counters of one listener on one worker.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections accepted.
    pub accepted: Count,
    /// Connections open now.
    pub active: Cell<u32>,
    /// Connections turned away, by reason.
    pub refused: Tally,
    /// Connections ended, by reason.
    pub ended: Tally,
    /// Failed calls of accept, by error.
    pub accept_errors: Tally,
    /// Bytes from clients to the upstream.
    pub bytes_up: Count,
    /// Bytes from the upstream to clients.
    pub bytes_down: Count,
    /// When it was last told that one was let in that did not begin as others do.
    pub odd: Seldom,
    /// When a client from outside was last let in, in seconds of the thread's own count. Of the
    /// client nothing is kept.
    pub last_outside: Cell<Option<u32>>,
}

/// The same for a listener as a whole, as numbers that can be sent about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub active: u64,
    /// Connections turned away, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Connections ended, by reason.
    pub ended: BTreeMap<&'static str, u64>,
    /// Failed calls of accept, by error.
    pub accept_errors: BTreeMap<&'static str, u64>,
    /// Bytes from clients to the upstream.
    pub bytes_up: u64,
    /// Bytes from the upstream to clients.
    pub bytes_down: u64,
    /// Seconds since a client from outside was last let in.
    pub last_outside: Option<u32>,
}

/// What was carried, over all listeners, since the start or in a part of that time.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Carried {
    /// Bytes from clients to WhatsApp.
    pub bytes_up: u64,
    /// Bytes from WhatsApp to clients.
    pub bytes_down: u64,
    /// Connections accepted, those that were refused afterwards included.
    pub connections: u64,
}

// === impl Count ===

impl Count {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.set(self.0.get().saturating_add(n));
    }

    /// The value.
    pub fn value(&self) -> u64 {
        self.0.get()
    }
}

// === impl Tally ===

impl Tally {
    /// Counts one more of `reason`.
    pub fn count(&self, reason: &'static str) {
        let mut counts = self.0.borrow_mut();
        match counts.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, n)) => *n = n.saturating_add(1),
            None => counts.push((reason, 1)),
        }
    }

    fn add_to(&self, sums: &mut BTreeMap<&'static str, u64>) {
        for (reason, n) in self.0.borrow().iter() {
            let sum = sums.entry(reason).or_default();
            *sum = sum.saturating_add(*n);
        }
    }
}

// === impl Counters ===

impl Counters {
    /// The values now, `now` being the second that the thread counts.
    pub fn totals(&self, now: u32) -> Totals {
        let mut totals = Totals {
            accepted: self.accepted.value(),
            active: self.active.get().into(),
            bytes_up: self.bytes_up.value(),
            bytes_down: self.bytes_down.value(),
            last_outside: self.last_outside.get().map(|last| now.saturating_sub(last)),
            ..Totals::default()
        };
        self.refused.add_to(&mut totals.refused);
        self.ended.add_to(&mut totals.ended);
        self.accept_errors.add_to(&mut totals.accept_errors);
        totals
    }
}

// === impl Totals ===

impl Totals {
    /// Adds what another worker has counted.
    pub fn add(&mut self, other: &Self) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.active = self.active.saturating_add(other.active);
        self.bytes_up = self.bytes_up.saturating_add(other.bytes_up);
        self.bytes_down = self.bytes_down.saturating_add(other.bytes_down);
        let both = [self.last_outside, other.last_outside];
        self.last_outside = both.into_iter().flatten().min();
        for (sums, counts) in [
            (&mut self.refused, &other.refused),
            (&mut self.ended, &other.ended),
            (&mut self.accept_errors, &other.accept_errors),
        ] {
            for (reason, n) in counts {
                let sum = sums.entry(reason).or_default();
                *sum = sum.saturating_add(*n);
            }
        }
    }
}

// === impl Carried ===

impl Carried {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            bytes_up: self.bytes_up.saturating_add(other.bytes_up),
            bytes_down: self.bytes_down.saturating_add(other.bytes_down),
            connections: self.connections.saturating_add(other.connections),
        }
    }

    /// What came after `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            bytes_up: self.bytes_up.saturating_sub(earlier.bytes_up),
            bytes_down: self.bytes_down.saturating_sub(earlier.bytes_down),
            connections: self.connections.saturating_sub(earlier.connections),
        }
    }
}

impl From<&Totals> for Carried {
    fn from(totals: &Totals) -> Self {
        Self {
            bytes_up: totals.bytes_up,
            bytes_down: totals.bytes_down,
            connections: totals.accepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_past_32_bits() {
        let counters = Counters::default();
        counters.bytes_down.add(u64::from(u32::MAX));
        counters.bytes_down.add(2);
        let mut sum = counters.totals(0);
        sum.add(&counters.totals(0));
        assert_eq!(sum.bytes_down, 2 * 4_294_967_297);
    }

    #[test]
    fn reasons_of_two_workers_are_summed() {
        let (one, two) = (Counters::default(), Counters::default());
        one.ended.count("closed");
        two.ended.count("closed");
        two.ended.count("idle_timeout");
        let mut sum = one.totals(0);
        sum.add(&two.totals(0));
        let expected = BTreeMap::from([("closed", 2), ("idle_timeout", 1)]);
        assert_eq!(sum.ended, expected);
    }

    #[test]
    fn the_last_client_from_outside_is_that_of_any_worker() {
        let (one, two) = (Counters::default(), Counters::default());
        let sum = || {
            let mut sum = one.totals(100);
            sum.add(&two.totals(70));
            sum.last_outside
        };
        assert_eq!(sum(), None);
        two.last_outside.set(Some(10));
        assert_eq!(sum(), Some(60));
        one.last_outside.set(Some(95));
        assert_eq!(sum(), Some(5));
    }
}
