//! The most connections that this machine can hold, and what bounds it.

use std::fs;
use std::num::NonZeroU32;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::Auto;
use crate::memory;

/// As the reference has it.
const LIMIT: u32 = 27_500;

/// Memory of one connection in bytes, kernel's and ours: two sockets, two entries of conntrack,
/// some bytes in flight.
const CONNECTION_MEMORY: u64 = 16 * 1024;

/// Connections may take one part in so many of the machine's memory.
const MEMORY_SHARE: u64 = 4;

/// Bytes of our own memory of one connection, where a limit of the process counts that alone: an
/// idle TLS session, and what its peers do not take at once.
const CONNECTION_OWN_MEMORY: u64 = 10 * 1024;

/// Bytes of it for everything else: stacks of threads, buffers, what libraries keep.
const OTHER_OWN_MEMORY: u64 = 4 * 1024 * 1024;

/// File descriptors of a connection: a socket on each side.
const CONNECTION_FILES: u64 = 2;

/// File descriptors for everything else: a listening socket for each listener and worker, what
/// runtimes and control socket need, addresses that are tried side by side.
const OTHER_FILES: u64 = 128;

/// Connections may take one part in so many of the connection tracking table: the home needs it
/// too.
const TRACKS_SHARE: u64 = 2;

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
    /// Memory of the machine, or what a limit of the process leaves of it.
    Memory,
    /// The operator.
    Option,
}

/// What a machine has; `None` is what it does not tell.
#[derive(Clone, Copy, Debug)]
struct Machine {
    /// Bytes of memory.
    memory: Option<u64>,
    /// Bytes of memory that the process may have for itself.
    own_memory: Option<u64>,
    /// Files that we may open.
    files: Option<u64>,
    /// Entries in the connection tracking table.
    tracks: Option<u64>,
}

// === impl Cap ===

impl Cap {
    /// The cap for the option `max_connections` on this machine. Raises `RLIMIT_NOFILE` as far as
    /// it needs and may. An option above what memory, files or connection tracking allow is
    /// lowered: then `bound` is not [`Bound::Option`]. `shared_files` are descriptors that make
    /// connections faster; where there are few in all, they get a quarter.
    pub fn find(option: Auto<NonZeroU32>, shared_files: u64) -> Self {
        let files = wanted_files(option, shared_files);
        let machine = Machine {
            memory: Some(memory::total() as u64),
            own_memory: memory::limit().map(|bytes| bytes as u64),
            files: raise_files(files)
                .map(|files| files.saturating_sub(shared_files.min(files / 4))),
            tracks: conntrack_max(),
        };
        Self::of(option, machine)
    }

    fn of(option: Auto<NonZeroU32>, machine: Machine) -> Self {
        let of_memory = |bytes| bytes / MEMORY_SHARE / CONNECTION_MEMORY;
        let of_own_memory =
            |bytes: u64| bytes.saturating_sub(OTHER_OWN_MEMORY) / CONNECTION_OWN_MEMORY;
        let of_files = |files: u64| files.saturating_sub(OTHER_FILES) / CONNECTION_FILES;
        let of_tracks = |entries| entries / TRACKS_SHARE / CONNECTION_TRACKS;
        let bounds = [
            (Bound::Memory, machine.memory.map(of_memory)),
            (Bound::Memory, machine.own_memory.map(of_own_memory)),
            (Bound::Files, machine.files.map(of_files)),
            (Bound::Conntrack, machine.tracks.map(of_tracks)),
        ];
        let mut cap = Self {
            connections: wanted(option),
            bound: match option {
                Auto::Auto => Bound::Limit,
                Auto::Fixed(_) => Bound::Option,
            },
        };
        for (bound, connections) in bounds {
            if let Some(connections) = connections.and_then(|n| u32::try_from(n.max(1)).ok())
                && connections < cap.connections
            {
                cap = Self { connections, bound };
            }
        }
        cap
    }
}

/// File descriptors for as many connections as `option` wants, with `shared_files` of [`Cap::find`].
pub fn wanted_files(option: Auto<NonZeroU32>, shared_files: u64) -> u64 {
    u64::from(wanted(option))
        .saturating_mul(CONNECTION_FILES)
        .saturating_add(OTHER_FILES)
        .saturating_add(shared_files)
}

fn wanted(option: Auto<NonZeroU32>) -> u32 {
    match option {
        Auto::Auto => LIMIT,
        Auto::Fixed(fixed) => fixed.get().min(LIMIT),
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

/// Connections that the firewall can track.
fn conntrack_max() -> Option<u64> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max").ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_has_least_of_is_the_bound() {
        const MIB: u64 = 1 << 20;
        let fixed = |n| Auto::Fixed(NonZeroU32::new(n).expect("not zero"));
        for (option, memory, files, tracks, connections, bound) in [
            (Auto::Auto, None, None, None, 27_500, Bound::Limit),
            (fixed(100), None, None, None, 100, Bound::Option),
            // A router of 64 MB, one with 1,024 files, and one with the table of OpenWrt.
            (Auto::Auto, Some(64 * MIB), None, None, 1_024, Bound::Memory),
            (
                Auto::Auto,
                Some(64 * MIB),
                Some(1_024),
                None,
                448,
                Bound::Files,
            ),
            (
                Auto::Auto,
                None,
                None,
                Some(16_384),
                4_096,
                Bound::Conntrack,
            ),
            (
                fixed(5_000),
                None,
                None,
                Some(16_384),
                4_096,
                Bound::Conntrack,
            ),
            (fixed(4_096), None, None, Some(16_384), 4_096, Bound::Option),
            (fixed(9), Some(0), Some(0), Some(0), 1, Bound::Memory),
            (Auto::Auto, Some(u64::MAX), None, None, 27_500, Bound::Limit),
        ] {
            let machine = Machine {
                memory,
                own_memory: None,
                files,
                tracks,
            };
            let cap = Cap::of(option, machine);
            assert_eq!(cap, Cap { connections, bound }, "{option:?} {machine:?}");
        }
    }

    #[test]
    fn a_limit_of_24_mb_holds_two_thousand() {
        let machine = |own_memory| Machine {
            memory: None,
            own_memory,
            files: None,
            tracks: None,
        };
        let cap = Cap::of(Auto::Auto, machine(Some(24 << 20)));
        assert_eq!((cap.connections, cap.bound), (2_048, Bound::Memory));
        let cap = Cap::of(Auto::Auto, machine(Some(1 << 20)));
        assert_eq!((cap.connections, cap.bound), (1, Bound::Memory));
    }
}
