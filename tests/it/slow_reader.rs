//! Clients that take slowly, or no longer at all, what the upstream has for them, and the other way
//! round. Needs root.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{self, Ending, read_to_end, reset};
use crate::support::duplex::Duplex;
use crate::support::namespace::Namespace;
use crate::support::random::Pattern;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;
use crate::support::tls::TlsClient;

#[test]
fn a_client_that_pauses_after_its_half_close_gets_every_byte_and_the_end() {
    let stage = stage();
    for kind in Kind::BOTH {
        let (mut client, upstream) = stage.connect(kind);
        client.finish().unwrap();
        let sending = send(upstream);
        thread::sleep(2 * HALF_CLOSE);
        let (bytes, ending) = read_to_end(&mut *client);
        assert_eq!((bytes.len(), ending), (SIZE, Ending::Closed), "{kind:?}");
        Pattern::new(SEED).check(&bytes).unwrap();
        assert!(sending.join().unwrap(), "{kind:?}");
    }
}

#[test]
fn a_client_that_never_reads_again_is_cut_after_idle_timeout_with_a_reset() {
    let stage = stage();
    thread::scope(|scope| {
        for kind in Kind::BOTH {
            for half_closed in [false, true] {
                let (mut client, upstream) = stage.connect(kind);
                scope.spawn(move || {
                    let start = Instant::now();
                    if half_closed {
                        client.finish().unwrap();
                    }
                    let all_sent = send(upstream).join().unwrap();
                    let elapsed = start.elapsed();
                    assert!(!all_sent, "{kind:?}: 60 MB went to one who does not read");
                    // The kernel lets a few more bytes through at first.
                    assert!(
                        elapsed > IDLE.mul_f32(0.9) && elapsed < 2 * IDLE,
                        "{kind:?}, half-closed {half_closed}: {elapsed:?}"
                    );
                    let (bytes, ending) = read_to_end(&mut *client);
                    Pattern::new(SEED).check(&bytes).unwrap();
                    assert_eq!(ending, Ending::Reset, "{kind:?}, {half_closed}");
                });
            }
        }
    });
    let status = stage.daemon.until("all ended", |status| status.open() == 0);
    for kind in Kind::BOTH {
        for reason in ["idle_timeout", "half_close_timeout"] {
            assert_eq!(status.ended(kind.listener(), reason), 1, "{kind:?}");
        }
    }
}

#[test]
fn a_reset_that_waits_for_a_slow_upstream_costs_no_time_and_arrives() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = stage.connect_plain();
    let mut bytes = vec![0; SIZE];
    Pattern::new(SEED).fill(&mut bytes);
    // As much as there is room for on the way.
    client.set_write_timeout(Some(A_MOMENT)).unwrap();
    client.write_all(&bytes).unwrap_err();
    reset(client);
    thread::sleep(A_MOMENT);

    let before = stage.daemon.processor_time();
    thread::sleep(4 * A_MOMENT);
    let used = stage.daemon.processor_time().saturating_sub(before);
    assert!(used < A_MOMENT, "{used:?} of {:?}", 4 * A_MOMENT);
    let (bytes, ending) = read_to_end(&mut upstream);
    Pattern::new(SEED).check(&bytes).unwrap();
    assert_eq!(ending, Ending::Reset);
    let reason = "reset_by_client";
    stage
        .daemon
        .until(reason, |status| status.ended("plain", reason) == 1);
}

/// What waits for one who has stopped reading is all that the other could send: in sockets, and in a
/// pipe or the daemon's memory.
#[test]
fn who_reads_no_longer_has_no_more_waiting_than_sockets_and_a_pipe_hold() {
    let place = Namespace::new();
    let small = format!("cd /proc/sys/net/ipv4; echo 4096 16384 {SOCKET} | tee tcp_rmem >tcp_wmem");
    place.tool(&["sh", "-c", &small]);
    let stage = Stage::inside(&place, Setup::new());
    for (kind, most) in [(Kind::Plain, PIPE), (Kind::Tls, KEPT)] {
        for reader in ["client", "upstream"] {
            let port = stage.daemon.port(kind.listener());
            let client = place.inside(|| client::connect(port));
            let client: Box<dyn Duplex> = match kind {
                Kind::Plain => Box::new(client),
                Kind::Tls => Box::new(TlsClient::over(client).unwrap()),
            };
            let upstream: Box<dyn Duplex> = Box::new(stage.accepted().stream);
            let (mut sink, mut source) = match reader {
                "client" => (client, upstream),
                _ => (upstream, client),
            };
            let reading = thread::spawn(move || {
                sink.read_exact(&mut vec![0; READ]).unwrap();
                sink
            });
            source.socket().set_nonblocking(true).unwrap();
            let mut taken = 0;
            let mut last = Instant::now();
            while taken < SIZE && last.elapsed() < 4 * A_MOMENT {
                match source.write(&[0; 16 * 1024]) {
                    Ok(count) => {
                        taken += count;
                        last = Instant::now();
                    }
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
            let _not_gone = reading.join().unwrap();
            let waiting = taken - READ;
            // The daemon's two and those of both ends.
            let bound = 4 * (SOCKET + SEGMENT) + most;
            let what = format!("{kind:?}, for the {reader}: {waiting} bytes wait, of {bound}");
            println!("{what}");
            assert!(waiting <= bound, "{what}");
        }
    }
}

/// Enough to be bulk, before he stops.
const READ: usize = 8_000_000;
/// What the kernel lets a socket have one way. One with a little room left takes a whole segment, which
/// on loopback is as large again; and the client's own TLS holds a record or two.
const SOCKET: usize = 64 * 1024;
const SEGMENT: usize = 64 * 1024;
/// The largest pipe that the daemon makes, and what it keeps in memory for a peer.
const PIPE: usize = 1024 * 1024;
const KEPT: usize = 64 * 1024;

/// Long enough for whatever is at hand to be done.
const A_MOMENT: Duration = Duration::from_millis(500);
const HALF_CLOSE: Duration = Duration::from_secs(2);
const IDLE: Duration = Duration::from_secs(10);
const SEED: u64 = 7;
/// More than all kernel buffers on the way can hold.
const SIZE: usize = 60_000_000;

fn stage() -> Stage {
    Stage::new(
        Setup::new()
            .main("half_close_timeout", HALF_CLOSE.as_secs())
            .main("idle_timeout", IDLE.as_secs()),
    )
}

/// Sends it all and closes; whether the daemon took it.
fn send(mut upstream: TcpStream) -> thread::JoinHandle<bool> {
    thread::spawn(move || {
        let mut bytes = vec![0; SIZE];
        Pattern::new(SEED).fill(&mut bytes);
        upstream
            .write_all(&bytes)
            .and_then(|()| upstream.shutdown(Shutdown::Write))
            .is_ok()
    })
}
