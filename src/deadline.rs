//! Deadlines of the thread's connections, in whole seconds. A relay moves its deadline at every byte,
//! so that must cost a store, not a timer; one tick a second finds those that have passed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

thread_local! {
    static DEADLINES: RefCell<Deadlines> = const {
        RefCell::new(Deadlines { start: None, now: 0, entries: Vec::new(), free: Vec::new() })
    };
}

struct Deadlines {
    /// When the thread's first tick was.
    start: Option<Instant>,
    /// Seconds from then to the last one.
    now: u32,
    entries: Vec<Entry>,
    free: Vec<usize>,
}

#[derive(Default)]
struct Entry {
    due: u32,
    waker: Option<Waker>,
}

/// Looks what time it is and wakes whom a deadline of this thread has passed. Call it every second.
pub fn tick() {
    DEADLINES.with_borrow_mut(|deadlines| {
        let start = deadlines.start.get_or_insert_with(Instant::now);
        deadlines.now = u32::try_from(start.elapsed().as_secs()).unwrap_or(u32::MAX);
        for entry in &mut deadlines.entries {
            if entry.due <= deadlines.now
                && let Some(waker) = entry.waker.take()
            {
                waker.wake();
            }
        }
    });
}

/// A moment of this thread, by which something must have happened.
#[derive(Debug)]
pub struct Deadline {
    index: usize,
    /// On another thread it would be another one.
    _thread: PhantomData<*const ()>,
}

// === impl Deadline ===

impl Deadline {
    /// A deadline that passes after `time`, and at most two seconds later.
    pub fn after(time: Duration) -> Self {
        let index = DEADLINES.with_borrow_mut(|deadlines| {
            deadlines.free.pop().unwrap_or_else(|| {
                deadlines.entries.push(Entry::default());
                deadlines.entries.len() - 1
            })
        });
        let deadline = Self {
            index,
            _thread: PhantomData,
        };
        deadline.set(u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        deadline
    }

    /// Moves it to `seconds` from now.
    pub fn set(&self, seconds: u32) {
        DEADLINES.with_borrow_mut(|deadlines| {
            // `now` may be almost a second old.
            let due = deadlines.now.saturating_add(seconds).saturating_add(1);
            deadlines.entries[self.index].due = due;
        });
    }

    /// Ready when it has passed.
    pub fn poll_passed(&self, cx: &mut Context<'_>) -> Poll<()> {
        DEADLINES.with_borrow_mut(|deadlines| {
            let entry = &mut deadlines.entries[self.index];
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
            deadlines.entries[self.index].waker.take()
        });
        // Outside the borrow: the last waker of a task drops the task.
        drop(waker);
    }
}
