//! Ports that no other test has.

use std::net::{Ipv6Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// A free port below the range that the kernel takes for outgoing connections, never given
/// twice. Two runs of the tests at once start at different places.
pub fn fresh() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = process::id() % 40 * 500;
    for _ in 0..RANGE {
        let port = FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % RANGE;
        let port = u16::try_from(port).unwrap();
        if TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + RANGE);
}

const FIRST: u32 = 12_000;
const RANGE: u32 = 20_000;
