//! Attackers: what they do and which relay they do it to in, how often they did it out.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::nice;
use rustls::{ClientConfig, ClientConnection};
use socket2::{Domain, SockFilter, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::connect;
use crate::pair::PATIENCE;
use crate::relay::Relay;
use crate::tls;

/// What an attacker does without end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attack {
    /// Connects and resets, from one address.
    One,
    /// The same from ten thousand, as all that follow.
    Many,
    /// Connects and closes.
    Scan,
    /// Sends a SYN, and hears no answer.
    Syn,
    /// A full handshake of TLS and a reset.
    Shake,
    /// Many handshakes of TLS at once, of a byte a second each. Who is ended comes again.
    SlowShake,
    /// The same with PROXY headers.
    SlowHeader,
}

/// Threads that attack.
pub(super) struct Attackers {
    start: Instant,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<u32>>,
}

/// How many threads there are, and connections of all of them that are slow.
const ATTACKERS: u32 = 4;
const SLOW: u32 = 500;
/// SYNs of a thread whose answers are not heard.
const SILENT: usize = 1_000;

// === impl Attack ===

impl Attack {
    fn target(self, relay: &Relay) -> SocketAddr {
        match self {
            Self::One | Self::Many | Self::Scan | Self::Syn => relay.plain(),
            Self::Shake | Self::SlowShake => relay.tls(),
            Self::SlowHeader => relay.behind(),
        }
    }

    fn source(self) -> Ipv4Addr {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let first = Ipv4Addr::new(127, 66, 100, 0).to_bits();
        Ipv4Addr::from_bits(match self {
            Self::One => first,
            _ => first + NEXT.fetch_add(1, Ordering::Relaxed) % 10_000,
        })
    }

    /// Attacks until it is told to stop; how often.
    fn repeat(self, target: SocketAddr, config: &Arc<ClientConfig>, stop: &AtomicBool) -> u32 {
        let mut attacks = 0;
        let mut silent = VecDeque::new();
        while !stop.load(Ordering::Relaxed) {
            let Ok(socket) = self.begin(target) else {
                continue;
            };
            attacks += 1;
            match self {
                Self::Shake => {
                    // To be turned away is what an attacker must expect.
                    let _ = shake_hands(socket, config);
                }
                Self::Syn => {
                    silent.push_back(socket);
                    if silent.len() > SILENT {
                        silent.pop_front();
                    }
                }
                _ => {}
            }
        }
        attacks
    }

    fn begin(self, target: SocketAddr) -> io::Result<Socket> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SocketAddr::from((self.source(), 0)).into())?;
        match self {
            Self::Scan => {}
            Self::Syn => {
                // A program of the kernel's that drops whatever comes.
                const RETURN: u16 = 0x06;
                socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])?;
                socket.set_nonblocking(true)?;
            }
            _ => socket.set_linger(Some(Duration::ZERO))?,
        }
        match socket.connect(&target.into()) {
            Err(error) if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {}
            connected => connected?,
        }
        Ok(socket)
    }

    /// The beginning of what is said a byte a second.
    fn beginning(self) -> Option<&'static [u8]> {
        match self {
            Self::SlowShake => Some(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
            Self::SlowHeader => Some(b"PROXY TCP4 "),
            _ => None,
        }
    }
}

// === impl Attackers ===

impl Attackers {
    pub(super) fn start(attack: Attack, relay: &Relay, config: &Arc<ClientConfig>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let target = attack.target(relay);
        let threads = (0..ATTACKERS).map(|_| {
            let (stop, config) = (Arc::clone(&stop), Arc::clone(config));
            thread::spawn(move || {
                // On the same core, or the honest would wait for this and not for the relay.
                nice(19).expect("anybody may step back");
                match attack.beginning() {
                    Some(beginning) => drip(attack, beginning, target, &stop),
                    None => attack.repeat(target, &config, &stop),
                }
            })
        });
        Self {
            threads: threads.collect(),
            start: Instant::now(),
            stop,
        }
    }

    /// How many attacks there were a second.
    pub(super) fn stop(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let attacks = self.threads.into_iter().map(JoinHandle::join);
        let attacks = attacks.map(|attacks| attacks.expect("an attacker does not panic"));
        let attacks: u32 = attacks.sum();
        f64::from(attacks) / self.start.elapsed().as_secs_f64()
    }
}

/// Holds connections, and says a byte a second on each, until it is told to stop; how many there
/// were.
fn drip(attack: Attack, beginning: &'static [u8], target: SocketAddr, stop: &AtomicBool) -> u32 {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime for the attack");
    let attacks = Arc::new(AtomicU32::new(0));
    for _ in 0..SLOW / ATTACKERS {
        let attacks = Arc::clone(&attacks);
        runtime.spawn(async move {
            loop {
                let Ok(mut stream) = connect(attack.source(), target).await else {
                    yield_now().await;
                    continue;
                };
                attacks.fetch_add(1, Ordering::Relaxed);
                for byte in beginning {
                    let sent = stream.write_all(&[*byte]).await;
                    // Whatever comes back is the end of it.
                    let come = timeout(Duration::from_secs(1), stream.read(&mut [0])).await;
                    if sent.is_err() || come.is_ok() {
                        break;
                    }
                }
            }
        });
    }
    runtime.block_on(async {
        while !stop.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(10)).await;
        }
    });
    attacks.load(Ordering::Relaxed)
}

fn shake_hands(mut socket: Socket, config: &Arc<ClientConfig>) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut connection =
        ClientConnection::new(Arc::clone(config), tls::server_name(0)).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(())
}
