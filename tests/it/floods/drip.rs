//! Clients who say a byte a second.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::stage::Stage;
use crate::support::client::connect_from;

/// Two hundred connections, each of another client, that drip until they are reset.
pub struct Drip {
    running: JoinHandle<usize>,
    stop: Arc<AtomicBool>,
}

impl Drip {
    pub fn start(stage: &Stage, listener: &str, beginning: &'static [u8]) -> Self {
        let connect = |number| {
            let stranger = Ipv4Addr::new(127, 66, 100, number);
            connect_from(stranger, stage.target(listener)).ok()
        };
        let mut streams: Vec<TcpStream> = (0..200).filter_map(connect).collect();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let running = thread::spawn(move || {
            let before = streams.len();
            for byte in beginning {
                streams.retain_mut(|stream| stream.write_all(&[*byte]).is_ok());
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                thread::sleep(Duration::from_secs(1));
            }
            streams.retain_mut(|stream| stream.write_all(b"x").is_ok());
            before - streams.len()
        });
        Self { running, stop }
    }

    /// How many have been reset.
    pub fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join().unwrap()
    }
}
