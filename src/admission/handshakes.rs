//! How many connections shake hands at once. Whoever comes gets in, and where there are as many as
//! may be, another goes: a place that is held must not keep anybody out.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use tokio::sync::oneshot;

use super::Client;

/// The handshakes of all workers, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Handshakes(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    next: u32,
}

#[derive(Debug)]
struct Entry {
    number: u32,
    client: Client,
    /// Dropped, it pushes the handshake out, on whichever worker.
    _stay: oneshot::Sender<Infallible>,
}

/// A handshake that is counted; dropped, it is over.
#[derive(Debug)]
pub struct Handshake {
    all: Arc<Handshakes>,
    number: u32,
    pushed_out: oneshot::Receiver<Infallible>,
}

/// A handshake had to make room for another.
#[derive(Debug, thiserror::Error)]
#[error("too many handshakes")]
pub struct PushedOut;

// === impl Handshakes ===

impl Handshakes {
    /// Begins one, of at most `max` with this one.
    pub(super) fn begin(self: &Arc<Self>, client: Client, max: NonZeroU32) -> Handshake {
        let (stay, pushed_out) = oneshot::channel();
        let mut out = Vec::new();
        let number = self.with(|state| {
            let number = state.next;
            state.next = number.wrapping_add(1);
            state.entries.push_back(Entry {
                number,
                client,
                _stay: stay,
            });
            // More than one only after a reload.
            while state.entries.len() > max.get() as usize {
                out.extend(state.push_out());
            }
            number
        });
        // Wakes them, which is nothing to do under a lock.
        drop(out);
        Handshake {
            all: Arc::clone(self),
            number,
            pushed_out,
        }
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl State ===

impl State {
    /// Takes out the oldest handshake of the client who has most of them. So one address pushes
    /// itself out, however fast it is; and of many, those who were given most time go first.
    fn push_out(&mut self) -> Option<Entry> {
        let mut counts: HashMap<Client, u32> = HashMap::new();
        for entry in &self.entries {
            let count = counts.entry(entry.client).or_default();
            *count = count.saturating_add(1);
        }
        let most = counts.values().max()?;
        let index = self
            .entries
            .iter()
            .position(|entry| counts.get(&entry.client) == Some(most))?;
        self.entries.remove(index)
    }
}

// === impl Handshake ===

impl Handshake {
    /// What `step` of it ends with, unless it is pushed out before that.
    pub async fn within<F: Future>(&mut self, step: F) -> Result<F::Output, PushedOut> {
        let mut step = pin!(step);
        poll_fn(|cx| match step.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending => Pin::new(&mut self.pushed_out)
                .poll(cx)
                .map(|_| Err(PushedOut)),
        })
        .await
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let entry = self.all.with(|state| {
            let mut entries = state.entries.iter();
            let index = entries.position(|entry| entry.number == self.number)?;
            state.entries.remove(index)
        });
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: NonZeroU32 = NonZeroU32::new(3).unwrap();

    #[test]
    fn of_many_clients_the_oldest_goes() {
        let all = Arc::new(Handshakes::default());
        let mut begun: Vec<_> = (0..5).map(|client| begin(&all, client)).collect();
        let out: Vec<_> = begun.iter_mut().map(is_out).collect();
        assert_eq!(out, [true, true, false, false, false]);
    }

    #[test]
    fn one_client_pushes_only_itself_out() {
        let all = Arc::new(Handshakes::default());
        let mut honest = begin(&all, 7);
        let mut flood: Vec<_> = (0..1_000).map(|_| begin(&all, 1)).collect();
        assert!(!is_out(&mut honest));
        let left = flood.iter_mut().map(is_out).filter(|out| !out).count();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_handshake_that_is_over_makes_room() {
        let all = Arc::new(Handshakes::default());
        let mut first = begin(&all, 0);
        drop((begin(&all, 1), begin(&all, 2)));
        let _more = (begin(&all, 3), begin(&all, 4));
        assert!(!is_out(&mut first));
        drop(first);
        assert_eq!(all.with(|state| state.entries.len()), 2);
    }

    #[test]
    fn a_lowered_limit_holds_from_the_next_one() {
        let all = Arc::new(Handshakes::default());
        let _three: Vec<_> = (0..3).map(|client| begin(&all, client)).collect();
        let _one = all.begin(Client(3), NonZeroU32::MIN);
        assert_eq!(all.with(|state| state.entries.len()), 1);
    }

    fn begin(all: &Arc<Handshakes>, client: u64) -> Handshake {
        all.begin(Client(client), THREE)
    }

    fn is_out(handshake: &mut Handshake) -> bool {
        handshake.pushed_out.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }
}
