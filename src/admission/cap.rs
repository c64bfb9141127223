//! The most connections that this machine can hold, and what bounds it.

use std::fs;
use std::num::NonZeroU32;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Auto;

/// As the reference has it.
const LIMIT: u32 = 27_500;

/// Memory of one connection in bytes, kernel's and ours: two sockets, two entries of conntrack,
/// some bytes in flight.
const CONNECTION_MEMORY: u64 = 16 * 1024;

/// Connections may take one part in so many of the machine's memory.
const MEMORY_SHARE: u64 = 4;

/// File descriptors of a connection: a socket on each side.
const CONNECTION_FILES: u64 = 2;

/// File descriptors for everything else.
const OTHER_FILES: u64 = 64;

/// Entries in the connection tracking table of a connection: one a side.
const CONNECTION_TRACKS: u64 = 2;

/// A number of connections, and why it is not higher.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cap {
    /// Connections at once.
    pub connections: u32,
    /// What bounds it.
    pub bound: Bound,
}

/// What bounds a [`Cap`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bound {
    /// Half of the firewall's connection tracking table.
    Conntrack,
    /// `RLIMIT_NOFILE`.
    Files,
    /// The limit of the reference.
    Limit,
    /// Memory of the machine.
    Memory,
    /// The operator.
    Option,
}

// === impl Cap ===

impl Cap {
    /// The cap for the option `max_connections` on this machine. Raises `RLIMIT_NOFILE` as far as
    /// it needs and may. An option above what memory, files or connection tracking allow is
    /// lowered: then `bound` is not [`Bound::Option`].
    pub fn find(option: Auto<NonZeroU32>) -> Self {
        let wanted = match option {
            Auto::Auto => LIMIT,
            Auto::Fixed(fixed) => fixed.get().min(LIMIT),
        };
        let files = raise_files(u64::from(wanted) * CONNECTION_FILES + OTHER_FILES);
        let files = files.map(|files| files.saturating_sub(OTHER_FILES) / CONNECTION_FILES);
        let memory = total_memory().map(|bytes| bytes / MEMORY_SHARE / CONNECTION_MEMORY);
        let tracks = conntrack_max().map(|entries| entries / 2 / CONNECTION_TRACKS);
        let first = match option {
            Auto::Auto => Bound::Limit,
            Auto::Fixed(_) => Bound::Option,
        };
        let bounds = [
            (Bound::Memory, memory),
            (Bound::Files, files),
            (Bound::Conntrack, tracks),
        ];
        let mut cap = Self {
            connections: wanted,
            bound: first,
        };
        for (bound, connections) in bounds {
            let connections =
                connections.map_or(u32::MAX, |n| u32::try_from(n).unwrap_or(u32::MAX));
            if connections < cap.connections {
                cap = Self {
                    connections: connections.max(1),
                    bound,
                };
            }
        }
        cap
    }
}

// === impl Bound ===

impl Bound {
    /// Its name in status and log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Conntrack => "nf_conntrack_max",
            Self::Files => "file descriptors",
            Self::Limit => "limit of 27500",
            Self::Memory => "memory",
            Self::Option => "option max_connections",
        }
    }
}

/// Raises the soft limit of open files to `wanted`, or as near as may be, and returns it.
fn raise_files(wanted: u64) -> Option<u64> {
    let now = getrlimit(Resource::Nofile);
    let raise = |maximum: Option<u64>| {
        let enough = maximum.map_or(wanted, |maximum| maximum.min(wanted));
        let enough = now.current.map(|current| current.max(enough));
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: enough,
                maximum,
            },
        )
    };
    // Root may raise the hard limit too.
    if now.maximum.is_none_or(|maximum| maximum >= wanted) || raise(Some(wanted)).is_err() {
        let _ = raise(now.maximum);
    }
    getrlimit(Resource::Nofile).current
}

/// Bytes of memory that the machine has.
fn total_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Connections that the firewall can track.
fn conntrack_max() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_below_what_the_machine_can_is_the_cap() {
        let cap = Cap::find(Auto::Fixed(NonZeroU32::MIN));
        assert_eq!((cap.connections, cap.bound), (1, Bound::Option));
    }

    #[test]
    fn nothing_is_above_the_limit() {
        let cap = Cap::find(Auto::Fixed(NonZeroU32::MAX));
        assert!(cap.connections <= LIMIT);
        assert!(Cap::find(Auto::Auto).connections >= 1);
    }

    #[test]
    fn memory_is_read() {
        assert!(total_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
