//! What is worth a line in the log once a minute, however often it happens. The question whether it
//! is time again enters, yes or no leaves.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PERIOD: Duration = Duration::from_mins(1);

/// When something was last told.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Instant>>);

// === impl Seldom ===

impl Seldom {
    /// Something that has never been told.
    pub const fn never() -> Self {
        Self(Mutex::new(None))
    }

    /// Whether to tell it now. If so, not again for a minute.
    pub fn is_due(&self) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = told.is_none_or(|last| last.elapsed() >= PERIOD);
        if due {
            *told = Some(Instant::now());
        }
        due
    }
}
