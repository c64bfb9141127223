//! Keeps the section `budget`: the clock and what was carried enter, what may pass on the line leaves.
//! Clocks of routers jump: no jump makes a budget new.

mod calendar;
mod home;
mod used;

use std::num::NonZeroU64;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio::time::sleep;

use self::calendar::{begin, is_open, next_open, number};
use self::home::Home;
use self::used::Used;
use super::zone::Zone;
use crate::allowance::{LINE, Pause};
use crate::config::Budget;
use crate::control::BudgetStatus;
use crate::state_file::Record;
use crate::stats::Carried;

/// How often there is more to share.
const REFILL: Duration = Duration::from_millis(25);

/// What is left of a budget, and whether it is its time.
#[derive(Debug)]
pub(super) struct Keeper {
    budget: Budget,
    used: Used,
    /// Where a restart finds that: in the state folder, while there is a number of bytes.
    record: Record,
    /// The last look.
    look: Look,
    /// Why nothing is carried, and until when in the router's time.
    pause: Option<(Pause, i64)>,
    /// Shares the rate out, where there is one.
    sharing: Option<JoinHandle<()>>,
}

/// A look at the clocks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    /// Seconds since 1970, in UTC.
    pub(super) unix: i64,
    /// The router's.
    pub(super) zone: Zone,
    /// Seconds since the start.
    pub(super) uptime: u64,
    /// What was carried since the start.
    pub(super) carried: Carried,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new() -> Self {
        Self {
            budget: Budget::default(),
            used: Used::default(),
            record: Record::new("budget"),
            look: Look::default(),
            pause: None,
            sharing: None,
        }
    }

    /// Follows another configuration from now on, and keeps what is used in `state_dir`. Wants a
    /// `LocalRuntime` around it.
    pub(super) fn follow(&mut self, budget: Budget, look: Look, state_dir: &Path) {
        let before = std::mem::replace(&mut self.budget, budget);
        if (before.period, before.reset_day) != (budget.period, budget.reset_day) {
            self.used.count_otherwise();
        }
        if let Some(text) = self.record.keep(state_dir, budget.bytes.is_some()) {
            self.used.go_on(&budget, &text, look);
        }
        if (before.rate, before.family_first) != (budget.rate, budget.family_first) {
            self.share();
        }
        self.look(look);
    }

    /// Looks whether connections may be carried.
    pub(super) fn look(&mut self, look: Look) {
        self.used.count(&self.budget, self.look, look);
        self.look = look;
        let pause = self.find_pause();
        let before = std::mem::replace(&mut self.pause, pause);
        if before == pause {
            return;
        }
        LINE.set_pause(pause.map(|(pause, _)| pause));
        if matches!(pause, Some((Pause::Budget, _))) {
            // Whatever ends the daemon, nobody is let in after it.
            self.save();
        }
        match pause {
            Some((pause, until)) => log::warn!(
                "nobody is let in until {}: {}",
                calendar::text(until),
                match pause {
                    Pause::Budget => "what the budget has is used up",
                    Pause::Hours => "it is outside of the hours",
                }
            ),
            None => log::info!("people are let in again"),
        }
    }

    /// Writes what is used once an hour. To be called often.
    pub(super) fn keep(&mut self) {
        if self.record.is_due() {
            self.save();
        }
    }

    /// Writes what is used.
    pub(super) fn save(&mut self) {
        let text = self.used.text(&self.budget);
        self.record.write(&text);
    }

    /// What is told about it.
    pub(super) fn status(&self) -> BudgetStatus {
        let local = self.look.local();
        let next = number(&self.budget, local).saturating_add(1);
        let unix = |local| self.look.zone.unix(local);
        BudgetStatus {
            pause: self.pause.map(|(pause, _)| pause),
            until: self.pause.map(|(_, until)| calendar::text(until)),
            until_unix: self.pause.map(|(_, until)| unix(until)),
            bytes: self.budget.bytes.map(|bytes| bytes.0.get()),
            used_bytes: self.used.bytes(),
            anew_unix: unix(begin(&self.budget, next)),
            rate: LINE.rate().map(|rate| rate.get().saturating_mul(8)),
        }
    }

    /// Why nothing may be carried now, and until when.
    fn find_pause(&self) -> Option<(Pause, i64)> {
        let (budget, local) = (&self.budget, self.look.local());
        let is_used_up = budget
            .bytes
            .is_some_and(|bytes| self.used.bytes() >= bytes.0.get());
        let from = if is_used_up {
            begin(budget, number(budget, local).saturating_add(1))
        } else {
            local
        };
        let until = if is_open(budget, from) {
            from
        } else {
            next_open(budget, from)
        };
        match (is_used_up, until > local) {
            (true, _) => Some((Pause::Budget, until)),
            (false, true) => Some((Pause::Hours, until)),
            (false, false) => None,
        }
    }

    /// Shares the rate of the configuration out from now on.
    fn share(&mut self) {
        if let Some(sharing) = self.sharing.take() {
            sharing.abort();
        }
        let rate = self.budget.rate.map(|rate| u64::from(rate.get()));
        // From Mbit.
        let rate = rate.and_then(|rate| NonZeroU64::new(rate.saturating_mul(125_000)));
        LINE.set_rate(rate);
        self.sharing = rate.map(|rate| {
            let home = self.budget.family_first.then(Home::new);
            tokio::task::spawn_local(share_out(rate, home))
        });
    }
}

/// Lets `rate` pass, less what the `home` needs where that goes first. For ever.
async fn share_out(rate: NonZeroU64, mut home: Option<Home>) {
    const SECOND: Duration = Duration::from_secs(1);
    let mut last = Instant::now();
    let mut looked = last;
    loop {
        sleep(REFILL).await;
        let now = Instant::now();
        LINE.refill(now.saturating_duration_since(last));
        last = now;
        if let Some(home) = &mut home
            && let time = now.saturating_duration_since(looked)
            && time >= SECOND
        {
            LINE.set_rate(Some(home.leaves(rate, LINE.passed(), time)));
            looked = now;
        }
    }
}

// === impl Look ===

impl Look {
    /// Seconds since 1970 as the router's clock shows them to its owner.
    fn local(&self) -> i64 {
        self.unix.saturating_add(self.zone.offset(self.unix))
    }
}

#[cfg(test)]
mod tests;
