//! What a period has used: what was carried enters, and time that passes makes it new. All that a
//! restart has to find again.

use super::Look;
use super::calendar::number;
use crate::config::{Budget, Period};
use crate::stats::Carried;

/// How far a clock may get off in a few seconds without having been set, in seconds.
const DRIFT: u64 = 60;

/// What a period has used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Used {
    /// Bytes on the line.
    bytes: u64,
    /// The number of the period; none before the clock was first looked at.
    period: Option<i64>,
    /// Seconds that it has been counted for.
    seconds: u64,
    /// The period that a restart went on with, until the clock has been set: a router's begins where it
    /// ended, and learns later how long that was ago.
    resumed: Option<i64>,
}

// === impl Used ===

impl Used {
    /// Bytes on the line.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes what has been used along into whatever period comes next: another way to count makes
    /// nothing new.
    pub(super) fn count_otherwise(&mut self) {
        (self.period, self.resumed) = (None, None);
    }

    /// Counts what was carried between two looks, and begins with a new period where there is one.
    ///
    /// Only time that passes ends a period: a clock that is set takes what has been used along into the
    /// period that it shows then, unless it has been counted for as long as any period lasts, or nobody
    /// knows how much time there was before the start.
    pub(super) fn count(&mut self, budget: &Budget, before: Look, now: Look) {
        let Carried {
            bytes_up,
            bytes_down,
            ..
        } = now.carried.since(before.carried);
        // What comes in goes out again, and a provider counts both.
        let more = bytes_up.saturating_add(bytes_down).saturating_mul(2);
        self.bytes = self.bytes.saturating_add(more);
        let passed = now.uptime.saturating_sub(before.uptime);
        self.seconds = self.seconds.saturating_add(passed);

        let number = number(budget, now.local());
        let last = self.period.replace(number);
        let expected = before.unix.saturating_add_unsigned(passed);
        let is_set = now.unix.abs_diff(expected) > DRIFT;
        let longest = match budget.period {
            Period::Day => 86_400,
            Period::Month => 31 * 86_400,
        };
        let is_other = last.is_some_and(|last| last != number);
        let was_off = self.resumed.is_some_and(|resumed| resumed < number);
        if is_other && (!is_set || self.seconds >= longest || was_off) {
            (self.bytes, self.seconds) = (0, 0);
            self.resumed = None;
        }
        if is_set {
            self.resumed = None;
        }
    }

    /// Goes on with what `text` says was used before a restart, if that is of a period that is not over.
    pub(super) fn go_on(&mut self, budget: &Budget, text: &str, now: Look) {
        let Some((kind, before)) = Self::read(text) else {
            return;
        };
        let period = before.resumed.filter(|_| kind == self::kind(budget));
        if period.is_some_and(|period| period < number(budget, now.local())) {
            return;
        }
        (self.period, self.resumed) = (None, period);
        self.bytes = self.bytes.saturating_add(before.bytes);
        self.seconds = self.seconds.saturating_add(before.seconds);
    }

    /// What [`go_on`](Self::go_on) goes on with: the day on which a month begins, or zero for days, the
    /// number of the period, bytes, and seconds.
    pub(super) fn text(&self, budget: &Budget) -> String {
        let (kind, period) = (
            kind(budget),
            self.period.max(self.resumed).unwrap_or_default(),
        );
        format!("{kind} {period} {} {}\n", self.bytes, self.seconds)
    }

    fn read(text: &str) -> Option<(u8, Self)> {
        let mut words = text.split_whitespace();
        let kind = words.next()?.parse().ok()?;
        let used = Self {
            resumed: Some(words.next()?.parse().ok()?),
            bytes: words.next()?.parse().ok()?,
            seconds: words.next()?.parse().ok()?,
            period: None,
        };
        Some((kind, used))
    }
}

/// What distinguishes ways to count.
fn kind(budget: &Budget) -> u8 {
    match budget.period {
        Period::Day => 0,
        Period::Month => budget.reset_day,
    }
}
