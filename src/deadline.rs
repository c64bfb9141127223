//! Deadlines of the thread's connections, in whole seconds. A relay moves its deadline at every byte,
//! so that must cost a store, not a timer; one tick a second finds those that have passed. Ticks are
//! counted and no clock is read: where the machine stands still, time does, and nobody is late for it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

thread_local! {
    static DEADLINES: RefCell<Deadlines> = const {
        RefCell::new(Deadlines { now: 0, entries: Vec::new(), free: Vec::new() })
    };
}

struct Deadlines {
    /// Ticks so far.
    now: u32,
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Entry {
    due: u32,
    waker: Option<Waker>,
}

/// Tells this thread that a second has passed, and wakes those whose deadline that was.
pub fn tick() {
    DEADLINES.with_borrow_mut(|deadlines| {
        deadlines.now = deadlines.now.saturating_add(1);
        for entry in &mut deadlines.entries {
            if entry.due <= deadlines.now
                && let Some(waker) = entry.waker.take()
            {
                waker.wake();
            }
        }
    });
}

/// Wakes all who wait for a deadline of this thread, for another reason.
pub fn wake_all() {
    DEADLINES.with_borrow_mut(|deadlines| {
        let mut wakers = deadlines.entries.iter_mut().filter_map(|e| e.waker.take());
        wakers.by_ref().for_each(Waker::wake);
    });
}

/// Seconds that this thread has been told of.
pub fn now() -> u32 {
    DEADLINES.with_borrow(|deadlines| deadlines.now)
}

/// A moment of this thread, by which something must have happened.
#[derive(Debug)]
pub struct Deadline {
    /// Small, for each connection has one.
    index: u32,
    /// On another thread it would be another one.
    _thread: PhantomData<*const ()>,
}

// === impl Deadlines ===

impl Deadlines {
    #[expect(
        clippy::indexing_slicing,
        reason = "entries are never taken away, and a deadline stays on the thread that made its own"
    )]
    fn entry(&mut self, deadline: &Deadline) -> &mut Entry {
        &mut self.entries[deadline.index as usize]
    }
}

// === impl Deadline ===

impl Deadline {
    /// A deadline that passes after `seconds`, and at most one second later.
    pub fn after(seconds: u32) -> Self {
        let index = DEADLINES.with_borrow_mut(|deadlines| {
            deadlines.free.pop().unwrap_or_else(|| {
                let index = deadlines.entries.len();
                deadlines.entries.push(Entry::default());
                u32::try_from(index).unwrap_or(u32::MAX)
            })
        });
        let deadline = Self {
            index,
            _thread: PhantomData,
        };
        deadline.set(seconds);
        deadline
    }

    /// Moves it to `seconds` from now.
    pub fn set(&self, seconds: u32) {
        DEADLINES.with_borrow_mut(|deadlines| {
            // The last tick may have been almost a second ago.
            let due = deadlines.now.saturating_add(seconds).saturating_add(1);
            deadlines.entry(self).due = due;
        });
    }

    /// Ready when it has passed.
    pub fn poll_passed(&self, cx: &mut Context<'_>) -> Poll<()> {
        DEADLINES.with_borrow_mut(|deadlines| {
            let now = deadlines.now;
            let entry = deadlines.entry(self);
            if entry.due <= now {
                return Poll::Ready(());
            }
            match &mut entry.waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }

    /// Ends when it has passed.
    pub async fn passed(&self) {
        poll_fn(|cx| self.poll_passed(cx)).await;
    }

    /// What `future` ends with, or nothing if this passes before that.
    pub async fn within<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => self.poll_passed(cx).map(|()| None),
        })
        .await
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let waker = DEADLINES.with_borrow_mut(|deadlines| {
            deadlines.free.push(self.index);
            deadlines.entry(self).waker.take()
        });
        // Outside the borrow: the last waker of a task drops the task.
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::runtime::Builder;
    use tokio::task::yield_now;

    use super::*;

    #[test]
    fn a_deadline_does_not_pass_before_its_time_nor_a_second_late() {
        let cx = &mut Context::from_waker(Waker::noop());
        let deadline = Deadline::after(1);
        tick();
        assert!(deadline.poll_passed(cx).is_pending());
        tick();
        assert!(deadline.poll_passed(cx).is_ready());
        deadline.set(1);
        assert!(deadline.poll_passed(cx).is_pending());
    }

    #[test]
    fn what_comes_in_time_is_told_from_what_does_not() {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            tokio::spawn(async {
                loop {
                    tick();
                    yield_now().await;
                }
            });
            let deadline = Deadline::after(3);
            assert_eq!(deadline.within(ready(7)).await, Some(7));
            assert_eq!(deadline.within(pending::<()>()).await, None);
            deadline.passed().await;
        });
    }

    #[test]
    fn a_place_that_is_used_again_keeps_nothing_of_the_one_before() {
        let cx = &mut Context::from_waker(Waker::noop());
        let first = Deadline::after(0);
        let index = first.index;
        tick();
        assert!(first.poll_passed(cx).is_ready());
        drop(first);
        let second = Deadline::after(0);
        assert_eq!(second.index, index);
        assert!(second.poll_passed(cx).is_pending());
    }
}
