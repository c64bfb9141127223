//! The relay between real sockets of this machine, plain and with TLS: whatever the kernel makes of
//! it when peers speak, take, end and reset in any order, they get what was said, and how it ended.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use socket2::SockRef;
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

use super::*;
use crate::side::{Plain, Side};
use crate::tls::Tls;

/// Of each socket: enough for a read that fills a buffer, and soon full.
const SOCKET: usize = 64 * 1024;

/// The most that waits for a peer: what a pipe holds.
const MOST: usize = 1024 * 1024;

/// What happens next, at the side of the client or the other.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The peer says so many bytes more.
    Say(bool, usize),
    /// The peer takes no more than so many bytes of what has come.
    Take(bool, usize),
    /// The peer says that it will say no more.
    End(bool),
    /// The peer resets the connection.
    Reset(bool),
    /// The runtime gets around to what was woken.
    Run,
    /// A second passes.
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let many = prop_oneof![1..5_000usize, READ..8 * READ];
    let side = any::<bool>;
    let step = prop_oneof![
        8 => (side(), many.clone()).prop_map(|(side, n)| Step::Say(side, n)),
        8 => (side(), many).prop_map(|(side, n)| Step::Take(side, n)),
        2 => side().prop_map(Step::End),
        1 => side().prop_map(Step::Reset),
        9 => Just(Step::Run),
        3 => Just(Step::Tick),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn between_sockets_what_peers_said_arrives_and_how_they_left(steps in steps()) {
        let _line = carrying();
        let runtime = runtime();
        let (side, peer) = connection(&runtime);
        play(runtime, side, Peer::new(peer, None), steps);
    }

    #[test]
    fn over_tls_what_peers_said_arrives_and_how_they_left(steps in steps()) {
        let _line = carrying();
        let runtime = runtime();
        let (side, peer) = tls_connection(&runtime);
        play(runtime, side, peer, steps);
    }
}

fn play<C: Side + Unpin>(runtime: Runtime, side: C, client: Peer, steps: Vec<Step>) {
    let (upstream, far) = connection(&runtime);
    let counters = Rc::new(Counters::default());
    let woken = Arc::new(Woken(true.into()));
    let mut stage = Stage {
        relay: Some(Relay::new(side, upstream, PATIENCE, Rc::clone(&counters))),
        runtime,
        peers: [client, Peer::new(far, None)],
        counters,
        waker: Arc::clone(&woken).into(),
        woken,
        quiet: 0,
        end: None,
    };
    for step in steps {
        stage.play(step);
    }
    stage.settle();
    for _ in 0..3 * PATIENCE.idle {
        stage.play(Step::Tick);
    }
    let end = stage.end.expect("it ends, for want of more");
    stage.settle();
    stage.check_end(end);
}

/// A relay, its peers at the far ends of sockets, and a runtime with nothing else to do.
struct Stage<C> {
    relay: Option<Relay<C, Plain>>,
    runtime: Runtime,
    /// The client, and the upstream.
    peers: [Peer; 2],
    counters: Rc<Counters>,
    woken: Arc<Woken>,
    waker: Waker,
    /// Seconds since anything moved that the relay can see.
    quiet: u32,
    end: Option<End>,
}

impl<C: Side + Unpin> Stage<C> {
    fn play(&mut self, step: Step) {
        match step {
            // What is said to a relay that has ended arrives nowhere.
            Step::Say(..) if self.relay.is_none() => {}
            Step::Say(at, n) => self.peers[usize::from(at)].say(n),
            Step::Take(at, n) => drop(self.take(usize::from(at), n)),
            Step::End(at) => self.peers[usize::from(at)].end(),
            Step::Reset(at) => self.peers[usize::from(at)].reset(),
            Step::Run => self.run(),
            Step::Tick => {
                self.run();
                self.quiet += 1;
                deadline::tick();
                self.run();
            }
        }
    }

    /// Polls for as long as the kernel has something to tell.
    fn run(&mut self) {
        let mut still = 0;
        while still < 3 {
            self.peers.iter_mut().for_each(Peer::flush);
            self.runtime.block_on(yield_now());
            if self.woken.0.swap(false, Ordering::Relaxed) {
                still = 0;
                self.poll();
            } else {
                still += 1;
            }
        }
    }

    fn poll(&mut self) {
        let Some(relay) = &mut self.relay else {
            return;
        };
        let _inside = self.runtime.enter();
        let moved = |relay: &Relay<C, Plain>, counters: &Counters| {
            let bytes = (counters.bytes_up.value(), counters.bytes_down.value());
            (relay.state(), bytes)
        };
        let before = moved(relay, &self.counters);
        let polled = Pin::new(&mut *relay).poll(&mut Context::from_waker(&self.waker));
        let waiting = relay.client.waiting().max(relay.upstream.waiting());
        assert!(waiting <= MOST, "{waiting} bytes wait");
        if let Poll::Ready(end) = polled {
            self.check_patience(end);
            self.end = Some(end);
            self.relay = None;
        } else if before != moved(relay, &self.counters) {
            self.quiet = 0;
        }
    }

    fn take(&mut self, at: usize, n: usize) -> bool {
        let before = self.peers[at].seen;
        let took = self.peers[at].take(n);
        let (sink, source) = (&self.peers[at], &self.peers[1 - at]);
        assert!(source.said.starts_with(&sink.taken), "not what was said");
        if before.is_none() && sink.seen == Some(Seen::End) && self.relay.is_some() {
            assert!(source.ended, "ends what has not ended");
            assert!(sink.taken == source.said, "ends before all that was said");
        }
        took
    }

    /// Has both peers take all that there is.
    fn settle(&mut self) {
        let mut still = 0;
        // The kernel may ask for room a fifth of a second later.
        while still < 500 && !self.is_settled() {
            self.run();
            let took = [0, 1].map(|at| self.take(at, usize::MAX));
            if took == [false; 2] {
                still += 1;
                thread::sleep(Duration::from_millis(1));
            } else {
                still = 0;
            }
        }
    }

    /// Whether nothing more can come.
    fn is_settled(&self) -> bool {
        let is_heard = |[source, sink]: [&Peer; 2]| {
            let all = sink.taken == source.said && (sink.seen.is_some() || !source.ended);
            sink.seen.is_some() || sink.was_reset() || !source.was_reset() && all
        };
        let [client, upstream] = &self.peers;
        if self.relay.is_none() {
            let is_told = |peer: &Peer| peer.was_reset() || peer.seen.is_some();
            return is_told(client) && is_told(upstream);
        }
        is_heard([client, upstream]) && is_heard([upstream, client])
    }

    fn check_patience(&self, end: End) {
        let patience = match end {
            End::HalfCloseTimeout => PATIENCE.half_close.into(),
            End::IdleTimeout => PATIENCE.idle,
            _ => return,
        };
        assert!(self.quiet > patience, "{end:?} after {} s", self.quiet);
    }

    /// Whether the peers were told how it ended, and no other bytes were counted than were carried.
    fn check_end(&self, end: End) {
        let [client, upstream] = &self.peers;
        match end {
            End::Closed => assert!(client.ended && upstream.ended, "closed by whom?"),
            End::HalfCloseTimeout => assert!(client.ended || upstream.ended, "half-closed?"),
            End::IdleTimeout => {}
            End::ResetByClient => assert!(client.was_reset(), "reset by who has not"),
            End::ResetByUpstream => assert!(upstream.was_reset(), "reset by who has not"),
            End::Paused(_) => panic!("nobody pauses it"),
        }
        let counted = [&self.counters.bytes_up, &self.counters.bytes_down];
        for ([source, sink], counted) in [[client, upstream], [upstream, client]]
            .into_iter()
            .zip(counted)
        {
            let counted = usize::try_from(counted.value()).unwrap();
            assert!(sink.taken.len() <= counted && counted <= source.said.len());
            if sink.was_reset() {
                continue;
            }
            let is_whole = sink.taken == source.said && counted == source.said.len();
            match (end, sink.seen) {
                (End::Closed, _) if !source.was_reset() => {
                    assert!(is_whole && sink.seen == Some(Seen::End), "{:?}", sink.seen);
                }
                (End::ResetByClient | End::ResetByUpstream, seen) if !source.ended => {
                    assert_eq!(seen, Some(Seen::Reset), "is not carried over");
                }
                // Who was cut off in the middle must not take it for the end.
                (_, Some(Seen::End)) if !source.was_reset() => {
                    assert!(is_whole, "a part looks like all");
                }
                (_, seen) => assert!(seen.is_some(), "was told nothing"),
            }
        }
    }
}

/// What a peer got to know of the end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    End,
    Reset,
    /// Over TLS, an end without its `close_notify`.
    Cut,
}

/// The far end of a socket of the relay's.
struct Peer {
    /// None where it has reset the connection.
    socket: Option<TcpStream>,
    tls: Option<ClientConnection>,
    /// All that it has said.
    said: Vec<u8>,
    /// What of that the kernel has not taken yet.
    out: Vec<u8>,
    /// It has said that this was all, and so has its socket.
    ended: bool,
    shut: bool,
    /// A write has told of a reset, and the kernel does that once.
    told: bool,
    /// All that it has got.
    taken: Vec<u8>,
    seen: Option<Seen>,
}

impl Peer {
    fn new(socket: TcpStream, tls: Option<ClientConnection>) -> Self {
        socket.set_nonblocking(true).unwrap();
        Self {
            socket: Some(socket),
            tls,
            said: Vec::new(),
            out: Vec::new(),
            ended: false,
            shut: false,
            told: false,
            taken: Vec::new(),
            seen: None,
        }
    }

    fn say(&mut self, n: usize) {
        if self.ended || self.was_reset() {
            return;
        }
        let start = self.said.len();
        self.said.extend((start..start + n).map(peer::byte_at));
        let bytes = &self.said[start..];
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(bytes).unwrap();
            while tls.wants_write() {
                tls.write_tls(&mut self.out).unwrap();
            }
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn end(&mut self) {
        if self.ended || self.was_reset() {
            return;
        }
        self.ended = true;
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            tls.write_tls(&mut self.out).unwrap();
        }
    }

    fn reset(&mut self) {
        if let Some(socket) = self.socket.take() {
            SockRef::from(&socket)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
        }
    }

    fn was_reset(&self) -> bool {
        self.socket.is_none()
    }

    /// Hands to the kernel what it has room for.
    fn flush(&mut self) {
        let Some(socket) = &mut self.socket else {
            return;
        };
        while !self.out.is_empty() {
            match socket.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.out.clear();
                    self.told = true;
                }
            }
        }
        if self.ended && !self.shut {
            self.shut = true;
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// Takes no more than `n` bytes off the socket; whether there was anything.
    fn take(&mut self, n: usize) -> bool {
        let Some(socket) = self.socket.as_mut().filter(|_| self.seen.is_none()) else {
            return false;
        };
        let mut bytes = vec![0; n.min(16 * READ)];
        match socket.read(&mut bytes) {
            Ok(0) if self.told => self.seen = Some(Seen::Reset),
            Ok(0) => self.seen = Some(self.end_seen()),
            Ok(n) => self.hear(&bytes[..n]),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return false,
            Err(_) => self.seen = Some(Seen::Reset),
        }
        true
    }

    fn hear(&mut self, mut bytes: &[u8]) {
        let Some(tls) = &mut self.tls else {
            self.taken.extend_from_slice(bytes);
            return;
        };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).unwrap();
            tls.process_new_packets().unwrap();
            // Ends with an error where more may come.
            let _ = tls.reader().read_to_end(&mut self.taken);
        }
    }

    /// What an end of the stream means.
    fn end_seen(&mut self) -> Seen {
        let whole = self.tls.as_mut().is_none_or(|tls| {
            let state = tls.process_new_packets().unwrap();
            state.peer_has_closed()
        });
        if whole { Seen::End } else { Seen::Cut }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_io().build().unwrap()
}

/// A side, and the far end of its socket.
fn connection(runtime: &Runtime) -> (Plain, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (near, _) = listener.accept().unwrap();
    for socket in [&far, &near] {
        let socket = SockRef::from(socket);
        socket.set_recv_buffer_size(SOCKET).unwrap();
        socket.set_send_buffer_size(SOCKET).unwrap();
        socket.set_tcp_nodelay(true).unwrap();
    }
    near.set_nonblocking(true).unwrap();
    let _inside = runtime.enter();
    let near = tokio::net::TcpStream::from_std(near).unwrap();
    (Plain::new(near), far)
}

/// The same with TLS, which has shaken hands.
fn tls_connection(runtime: &Runtime) -> (Box<Tls>, Peer) {
    static CONFIGS: LazyLock<(Arc<ServerConfig>, Arc<ClientConfig>)> = LazyLock::new(configs);
    let (server, client) = &*CONFIGS;
    let (side, mut far) = connection(runtime);
    let name = ServerName::try_from("localhost").unwrap();
    let mut tls = ClientConnection::new(Arc::clone(client), name).unwrap();
    tls.set_buffer_limit(None);
    let mut side = Tls::new(side, Arc::clone(server)).unwrap();
    let shaking = thread::spawn(move || {
        while tls.is_handshaking() {
            tls.complete_io(&mut far).unwrap();
        }
        Peer::new(far, Some(tls))
    });
    runtime.block_on(side.shake_hands()).unwrap();
    (side, shaking.join().unwrap())
}

fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}
