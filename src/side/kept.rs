//! Bytes that a peer would not take yet, in memory until it does. The thread counts them: many peers
//! that take nothing must not cost all the memory there is, so beyond a bound less is read at once.

use std::cell::Cell;
use std::sync::LazyLock;

use crate::memory;
use crate::shortage::Shortage;

/// The part of the memory that may be kept in one thread before less is read at once.
const SHARE: usize = 32;

static MOST: LazyLock<usize> = LazyLock::new(|| memory::allowed() / SHARE);

static SHORTAGE: Shortage = Shortage::new("little is read at once");

thread_local! {
    static ALL: Cell<usize> = const { Cell::new(0) };
}

/// Bytes for one peer.
#[derive(Debug)]
pub(super) struct Kept {
    bytes: Vec<u8>,
    sent: usize,
}

/// Whether this thread keeps as much as it should.
pub(super) fn is_much() -> bool {
    let all = ALL.get();
    let is_much = all > *MOST;
    if is_much {
        SHORTAGE.log(format_args!(
            "{all} bytes wait in memory for peers that do not take them"
        ));
    }
    is_much
}

fn count(more: usize) {
    ALL.set(ALL.get().saturating_add(more));
}

// === impl Kept ===

impl Kept {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        count(bytes.len());
        Self { bytes, sent: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        count(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    /// What is not sent yet.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    pub(super) fn note_sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count);
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        ALL.set(ALL.get().saturating_sub(self.bytes.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_kept_no_more() {
        let mut one = Kept::new(vec![1; 10]);
        one.push(&[2; 5]);
        one.note_sent(10);
        assert_eq!((one.rest(), ALL.get()), (&[2; 5][..], 15));
        let other = Kept::new(vec![0; *MOST]);
        assert!(is_much());
        drop((one, other));
        assert!(!is_much());
        assert_eq!(ALL.get(), 0);
    }
}
