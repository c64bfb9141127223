//! Deadlines of the thread's relays, in whole seconds. A relay moves its deadline at every byte,
//! so that must cost a store, not a timer; one tick a second finds those that have passed.

use std::cell::RefCell;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

thread_local! {
    static DEADLINES: RefCell<Deadlines> = const {
        RefCell::new(Deadlines { now: 0, entries: Vec::new(), free: Vec::new() })
    };
}

struct Deadlines {
    /// Seconds since the thread's first tick.
    now: u32,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Entry {
    due: u32,
    waker: Option<Waker>,
}

/// Counts the seconds and wakes whom a deadline has passed. Run it once on each thread.
pub async fn tick() {
    let start = Instant::now();
    let mut interval = tokio::time::interval(Duration::from_secs(1));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        interval.tick().await;
        let now = u32::try_from(start.elapsed().as_secs()).unwrap_or(u32::MAX);
        DEADLINES.with_borrow_mut(|deadlines| {
            deadlines.now = now;
            for entry in &mut deadlines.entries {
                if entry.due <= now
                    && let Some(waker) = entry.waker.take()
                {
                    waker.wake();
                }
            }
        });
    }
}

/// A moment of this thread, by which something must have happened.
#[derive(Debug)]
pub(super) struct Deadline {
    index: u32,
}

// === impl Deadline ===

impl Deadline {
    /// A deadline that passes after `seconds`, and at most one second later.
    pub(super) fn after(seconds: u32) -> Self {
        let index = DEADLINES.with_borrow_mut(|deadlines| {
            deadlines.free.pop().unwrap_or_else(|| {
                deadlines.entries.push(Entry::default());
                u32::try_from(deadlines.entries.len() - 1).expect("fewer relays than 2^32")
            })
        });
        let deadline = Self { index };
        deadline.set(seconds);
        deadline
    }

    /// Moves it to `seconds` from now.
    pub(super) fn set(&self, seconds: u32) {
        DEADLINES.with_borrow_mut(|deadlines| {
            // `now` may be almost a second old.
            let due = deadlines.now.saturating_add(seconds).saturating_add(1);
            deadlines.entries[self.index as usize].due = due;
        });
    }

    /// Ready when it has passed.
    pub(super) fn poll_passed(&self, cx: &mut Context<'_>) -> Poll<()> {
        DEADLINES.with_borrow_mut(|deadlines| {
            let entry = &mut deadlines.entries[self.index as usize];
            if entry.due <= deadlines.now {
                return Poll::Ready(());
            }
            match &mut entry.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let waker = DEADLINES.with_borrow_mut(|deadlines| {
            deadlines.free.push(self.index);
            deadlines.entries[self.index as usize].waker.take()
        });
        // Outside the borrow: the last waker of a task drops the task.
        drop(waker);
    }
}
