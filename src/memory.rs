//! The memory of the machine.

use rustix::system::sysinfo;

/// Bytes of memory that the machine has, or as many as an address can count.
pub fn total() -> usize {
    let info = sysinfo();
    let units = usize::try_from(info.totalram).unwrap_or(usize::MAX);
    units.saturating_mul(info.mem_unit.try_into().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read() {
        assert!(super::total() > 64 << 20);
    }
}
