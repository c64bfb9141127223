//! The memory of the machine, and how much of it is ours.

use rustix::process::{Resource, getrlimit};
use rustix::system::sysinfo;

/// Bytes of memory that the machine has, or as many as an address can count.
pub fn total() -> usize {
    let info = sysinfo();
    let units = usize::try_from(info.totalram).unwrap_or(usize::MAX);
    units.saturating_mul(info.mem_unit.try_into().unwrap_or(1))
}

/// Bytes of memory that this process may have: those of the machine, or fewer by its limits.
pub fn allowed() -> usize {
    limit().unwrap_or(usize::MAX).min(total())
}

/// Bytes of memory of its own that this process is limited to (setrlimit(2)).
pub fn limit() -> Option<usize> {
    let limits = [Resource::Data, Resource::As].map(|resource| getrlimit(resource).current);
    let least = limits.into_iter().flatten().min()?;
    Some(usize::try_from(least).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read() {
        assert!(super::total() > 64 << 20);
    }
}
