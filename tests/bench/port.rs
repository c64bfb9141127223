//! Ports of loopback below those that the kernel gives to clients.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

/// One that nobody listens on, and that no other call of this process gives.
pub fn free() -> io::Result<u16> {
    // Two benches at once start in different places.
    let start = u16::try_from(process::id() % 64).unwrap_or_default() * 128;
    loop {
        let port = FIRST + start + NEXT.fetch_add(1, Ordering::Relaxed);
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
}

const FIRST: u16 = 20_000;
static NEXT: AtomicU16 = AtomicU16::new(0);
