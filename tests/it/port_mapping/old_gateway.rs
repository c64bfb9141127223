//! A stand-in of our own for a router of old, which knows NAT-PMP and no PCP (miniupnpd always knows
//! both), refuses one port and gives other ports than it is asked for. It forwards nothing.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::support::namespace::Namespace;

/// A port that the router of old opens for nobody.
pub const REFUSED: u16 = 7777;

pub struct OldGateway {
    end: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<u16>>>,
}

impl OldGateway {
    pub fn start(place: &Namespace) -> Self {
        let socket = place.inside(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 5351)).unwrap());
        socket
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let end = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (ended, opened) = (end.clone(), open.clone());
        thread::spawn(move || {
            let mut room = [0; 1100];
            while !ended.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut room) else {
                    continue;
                };
                let number = |at: usize| u16::from_be_bytes([room[at], room[at + 1]]);
                let answer = match room[..length] {
                    [0, 0] => [&[0, 128, 0, 0, 0, 0, 0, 9][..], &[198, 41, 7, 9]].concat(),
                    [0, 2, ..] if number(4) == REFUSED => {
                        [&[0, 130, 0, 2, 0, 0, 0, 9], &room[4..6], &[0; 6]].concat()
                    }
                    [0, 2, ..] => {
                        let mut open = opened.lock().unwrap();
                        open.retain(|port| *port != number(4));
                        if room[8..12] != [0; 4] {
                            open.push(number(4));
                        }
                        // A renewal keeps what was granted.
                        let external = number(6) % 1000 + 1000;
                        let head = [0, 130, 0, 0, 0, 0, 0, 9];
                        [&head, &room[4..6], &external.to_be_bytes(), &room[8..12]].concat()
                    }
                    // Another version than ours.
                    _ => vec![0, room[1] | 128, 0, 1, 0, 0, 0, 9],
                };
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { end, open }
    }

    /// The ports of the home to which something would lead.
    pub fn open(&self) -> Vec<u16> {
        self.open.lock().unwrap().clone()
    }
}

impl Drop for OldGateway {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}
