//! Whether the machine has memory for one more connection. Nothing enters; yes or no leaves. Looks once
//! a second at most, and only when somebody comes.

use std::cell::Cell;
use std::fs;

use crate::deadline;
use crate::memory;
use crate::shortage::Shortage;

/// Connections leave one part in so many of the machine's memory free: where the kernel can find no
/// more, it ends a program of the home's, or this one with all that it carries.
const SHARE: usize = 16;

/// And no more than so many bytes, however large the machine is.
const MOST: usize = 16 * 1024 * 1024;

static SHORTAGE: Shortage = Shortage::new("no more connections for now");

thread_local! {
    /// The second, as the thread counts, of the last look, and what was seen.
    static LOOK: Cell<Option<(u32, bool)>> = const { Cell::new(None) };
}

/// Whether there is enough; so too where the kernel does not tell.
pub(super) fn is_enough() -> bool {
    let now = deadline::now();
    if let Some((then, enough)) = LOOK.get()
        && then == now
    {
        return enough;
    }
    let enough = look();
    LOOK.set(Some((now, enough)));
    enough
}

fn look() -> bool {
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(available) = available(&meminfo) else {
        return true;
    };
    let enough = available >= (memory::total() / SHARE).min(MOST);
    if !enough {
        SHORTAGE.log(format_args!(
            "the machine has {available} bytes of memory left"
        ));
    }
    enough
}

/// Bytes that programs can still have before the kernel must take from others (proc(5)).
fn available(meminfo: &str) -> Option<usize> {
    let (_, rest) = meminfo.split_once("MemAvailable:")?;
    let kib: usize = rest.split_whitespace().next()?.parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_read() {
        let text = "MemTotal:  60000 kB\nMemFree:  9 kB\nMemAvailable:  4321 kB\nBuffers:  1 kB\n";
        assert_eq!(available(text), Some(4321 * 1024));
        // Linux before 3.14.
        assert_eq!(available("MemTotal:  60000 kB\n"), None);
        assert_eq!(available("MemAvailable:\n"), None);
    }
}
