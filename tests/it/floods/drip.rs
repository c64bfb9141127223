//! Clients who say a byte a second.

use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::stage::Stage;
use crate::support::client::connect_from;

/// Two hundred clients, each of whom drips, and comes again when he is ended.
pub struct Drip {
    running: JoinHandle<u32>,
    stop: Arc<AtomicBool>,
}

const CLIENTS: u8 = 200;

// === impl Drip ===

impl Drip {
    /// Has all of them there when it returns.
    pub fn start(stage: &Stage, listener: &str, beginning: &'static [u8]) -> Self {
        let target = stage.target(listener);
        let before = stage.daemon.status().accepted(listener);
        let clients = (0..CLIENTS).map(|number| Client::new(number, target));
        let mut clients: Vec<Client> = clients.collect();
        // A worker that has them all still before it would push out whoever came to another after
        // them.
        stage.daemon.until("all are accepted", |status| {
            status.accepted(listener) >= before + u64::from(CLIENTS)
        });
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let running = thread::spawn(move || {
            let mut resets = 0;
            // One after the other, or so many at once would be a flood of another kind.
            for turn in (0..clients.len()).cycle() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                resets += u32::from(clients[turn].drip(beginning));
                thread::sleep(Duration::from_secs(1) / u32::from(CLIENTS));
            }
            resets
        });
        Self { running, stop }
    }

    /// How often one of them was reset.
    pub fn finish(self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().unwrap()
    }
}

struct Client {
    source: Ipv4Addr,
    target: SocketAddr,
    stream: Option<TcpStream>,
    said: usize,
}

// === impl Client ===

impl Client {
    fn new(number: u8, target: SocketAddr) -> Self {
        let source = Ipv4Addr::new(127, 66, 100, number);
        let mut client = Self {
            source,
            target,
            stream: None,
            said: 0,
        };
        client.connect();
        client
    }

    fn connect(&mut self) {
        self.stream = connect_from(self.source, self.target).ok();
        self.said = 0;
    }

    /// Says the next byte, on a new connection where the old one has ended; whether that was by a
    /// reset.
    fn drip(&mut self, beginning: &[u8]) -> bool {
        let byte = beginning.get(self.said).unwrap_or(&b'x');
        self.said += 1;
        let sent = self
            .stream
            .as_mut()
            .map(|stream| stream.write_all(&[*byte]));
        if matches!(sent, Some(Ok(()))) {
            return false;
        }
        self.connect();
        matches!(sent, Some(Err(error)) if error.kind() == ErrorKind::ConnectionReset)
    }
}
