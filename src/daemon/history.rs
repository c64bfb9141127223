//! The last ten minutes: what was carried until now enters every five seconds, a sample of each
//! interval leaves. Its memory is taken once, a kilobyte and a half.

use std::collections::VecDeque;
use std::time::Duration;

use crate::control;
use crate::stats::Carried;

/// How long a sample is.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// How many are kept.
const SAMPLES: usize = 120;

/// The samples, oldest first.
#[derive(Debug)]
pub(super) struct History {
    samples: VecDeque<Sample>,
    /// What was carried until the last one ended.
    before: Carried,
}

/// One interval. 32 bits of bytes are enough for 6.8 Gbit/s.
#[derive(Clone, Copy, Debug)]
struct Sample {
    bytes_up: u32,
    bytes_down: u32,
    /// Connections open at its end.
    connections: u32,
}

// === impl History ===

impl History {
    pub(super) fn new() -> Self {
        Self {
            samples: VecDeque::with_capacity(SAMPLES),
            before: Carried::default(),
        }
    }

    /// Ends an interval. `carried` is what was carried since the start, and `connections` are open.
    pub(super) fn add(&mut self, carried: Carried, connections: u32) {
        let in_between = carried.since(self.before);
        self.before = carried;
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample {
            bytes_up: u32::try_from(in_between.bytes_up).unwrap_or(u32::MAX),
            bytes_down: u32::try_from(in_between.bytes_down).unwrap_or(u32::MAX),
            connections,
        });
    }

    /// What is told about it.
    pub(super) fn told(&self) -> control::History {
        let mut told = control::History {
            interval_seconds: INTERVAL.as_secs(),
            bytes_up: Vec::new(),
            bytes_down: Vec::new(),
            connections: Vec::new(),
        };
        for sample in &self.samples {
            told.bytes_up.push(sample.bytes_up);
            told.bytes_down.push(sample.bytes_down);
            told.connections.push(sample.connections);
        }
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(bytes_up: u64, bytes_down: u64) -> Carried {
        Carried {
            bytes_up,
            bytes_down,
            connections: 0,
        }
    }

    #[test]
    fn a_sample_is_what_came_in_between() {
        let mut history = History::new();
        assert!(history.told().bytes_up.is_empty());
        history.add(carried(10, 100), 1);
        history.add(carried(10, 300), 2);
        history.add(carried(15, 300 + (1 << 33)), 0);
        let told = history.told();
        assert_eq!(told.interval_seconds, 5);
        assert_eq!(told.bytes_up, [10, 0, 5]);
        assert_eq!(told.bytes_down, [100, 200, u32::MAX]);
        assert_eq!(told.connections, [1, 2, 0]);
    }

    #[test]
    fn the_oldest_sample_goes_and_no_memory_comes() {
        let mut history = History::new();
        let memory = history.samples.capacity();
        assert!(memory * size_of::<Sample>() <= 1536);
        for n in 1..=300 {
            history.add(carried(n * (n + 1) / 2, 0), 7);
        }
        let expected: Vec<u32> = (181..=300).collect();
        assert_eq!(history.told().bytes_up, expected);
        assert_eq!(history.told().connections, [7; 120]);
        assert_eq!(history.samples.capacity(), memory);
    }
}
