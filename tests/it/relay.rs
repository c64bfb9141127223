//! Bytes, ends and resets, carried over in both directions.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{self, Ending, ending_of, read_exactly, read_to_end};
use crate::support::duplex::Duplex;
use crate::support::random::Pattern;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;

#[test]
fn bytes_arrive_exactly_in_both_directions() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        for length in [1, 2, 1000, 16_384, 16_385, 300_000] {
            say(&mut *client, &mut upstream, length);
            say(&mut upstream, &mut *client, length);
        }
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
    }
}

#[test]
fn a_silent_client_has_its_upstream_at_once_and_may_speak_late() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        // `connect` waits for the upstream, and the client has said nothing yet.
        let (mut client, mut upstream) = stage.connect(kind);
        thread::sleep(Duration::from_secs(2));
        say(&mut *client, &mut upstream, 100);
    }
}

#[test]
fn an_upstream_may_speak_first() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        say(&mut upstream, &mut *client, 100);
    }
}

#[test]
fn half_close_of_the_client_is_forwarded() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.write_all(b"last words").unwrap();
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (b"last words".to_vec(), Ending::Closed),
            "{kind:?}"
        );

        say(&mut upstream, &mut *client, 100_000);
        upstream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            read_to_end(&mut *client),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
        stage.daemon.until("ended as closed", |status| {
            status.ended(kind.listener(), "closed") == 1
        });
    }
}

#[test]
fn half_close_of_the_upstream_is_forwarded() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        upstream.write_all(b"last words").unwrap();
        upstream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(
            read_to_end(&mut *client),
            (b"last words".to_vec(), Ending::Closed),
            "{kind:?}"
        );
        // Under TLS, the FIN comes with the close_notify.
        assert_eq!(
            read_to_end(&mut client.socket()),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );

        say(&mut *client, &mut upstream, 100_000);
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
        stage.daemon.until("ended as closed", |status| {
            status.ended(kind.listener(), "closed") == 1
        });
    }
}

#[test]
fn a_reset_of_the_client_is_carried_over_after_its_bytes() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.write_all(b"last words").unwrap();
        thread::sleep(A_MOMENT);
        client.reset();
        assert_eq!(
            read_to_end(&mut upstream),
            (b"last words".to_vec(), Ending::Reset),
            "{kind:?}"
        );
        let reason = "reset_by_client";
        stage.daemon.until(reason, |status| {
            status.ended(kind.listener(), reason) == 1 && status.open() == 0
        });
    }
}

#[test]
fn a_reset_of_the_upstream_is_carried_over_after_its_bytes() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        upstream.write_all(b"last words").unwrap();
        thread::sleep(A_MOMENT);
        client::reset(upstream);
        assert_eq!(
            read_to_end(&mut *client),
            (b"last words".to_vec(), Ending::Reset),
            "{kind:?}"
        );
        let reason = "reset_by_upstream";
        stage.daemon.until(reason, |status| {
            status.ended(kind.listener(), reason) == 1 && status.open() == 0
        });
    }
}

#[test]
fn a_reset_after_a_half_close_is_carried_over() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.finish().unwrap();
        assert_eq!(
            read_to_end(&mut upstream),
            (Vec::new(), Ending::Closed),
            "{kind:?}"
        );
        client::reset(upstream);
        assert_eq!(
            read_to_end(&mut *client),
            (Vec::new(), Ending::Reset),
            "{kind:?}"
        );
    }
}

#[test]
fn a_client_that_does_not_read_holds_back_the_upstream() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        let sent = fill(&stage, &mut upstream);
        upstream.shutdown(Shutdown::Write).unwrap();
        assert_pattern(&mut *client, sent);
    }
}

#[test]
fn an_upstream_that_does_not_read_holds_back_the_client() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        let sent = fill(&stage, &mut *client);
        thread::scope(|scope| {
            scope.spawn(|| client.finish().unwrap());
            assert_pattern(&mut upstream, sent);
        });
    }
}

#[test]
fn a_reader_may_pause_for_long() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = stage.connect(Kind::Plain);
    let (mut other_client, mut other_upstream) = stage.connect(Kind::Tls);
    let down = fill(&stage, &mut upstream);
    let up = fill(&stage, &mut *other_client);
    thread::sleep(Duration::from_secs(45));
    thread::scope(|scope| {
        scope.spawn(|| upstream.shutdown(Shutdown::Write).unwrap());
        scope.spawn(|| other_client.finish().unwrap());
        assert_pattern(&mut *client, down);
        assert_pattern(&mut other_upstream, up);
    });
}

#[test]
fn a_reset_of_the_upstream_is_noticed_while_the_client_does_not_read() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        fill(&stage, &mut upstream);
        client::reset(upstream);
        let status = stage.daemon.until("ended", |status| status.open() == 0);
        assert_reset_after_pattern(&mut *client);
        assert_eq!(
            status.ended(kind.listener(), "reset_by_upstream"),
            1,
            "{status:?}"
        );
    }
}

#[test]
fn a_reset_of_the_client_is_noticed_while_the_upstream_does_not_read() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        fill(&stage, &mut *client);
        client.reset();
        let status = stage.daemon.until("ended", |status| status.open() == 0);
        assert_reset_after_pattern(&mut upstream);
        assert_eq!(
            status.ended(kind.listener(), "reset_by_client"),
            1,
            "{status:?}"
        );
    }
}

#[test]
fn the_bytes_of_each_direction_are_counted() {
    let stage = Stage::new(Setup::new());
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        say(&mut *client, &mut upstream, 70_000);
        say(&mut upstream, &mut *client, 30_000);
        stage.daemon.until("70,000 up and 30,000 down", |status| {
            let listener = status.listener(kind.listener());
            listener["bytes_up"] == 70_000
                && listener["bytes_down"] == 30_000
                && listener["active"] == 1
        });
    }
}

/// Long enough for the daemon to have read what was sent.
const A_MOMENT: Duration = Duration::from_millis(500);
const SEED: u64 = 7;
/// More than all kernel buffers on the way can hold.
const TOO_MUCH: usize = 50_000_000;

/// Has one end say something and the other hear it.
fn say(from: &mut (impl Write + Send + ?Sized), to: &mut (impl Read + ?Sized), length: usize) {
    let mut bytes = vec![0; length];
    Pattern::new(SEED).fill(&mut bytes);
    thread::scope(|scope| {
        scope.spawn(|| from.write_all(&bytes).and_then(|()| from.flush()).unwrap());
        assert!(
            read_exactly(to, length) == bytes,
            "{length} bytes did not arrive as they were sent"
        );
    });
}

/// Sends until no more is taken: the number of bytes, which must stay within what the kernel
/// keeps, and must not be kept by the daemon.
fn fill(stage: &Stage, sender: &mut (impl Duplex + ?Sized)) -> usize {
    let memory_before = stage.daemon.status().memory_bytes();
    sender
        .socket()
        .set_write_timeout(Some(Duration::from_secs(2)))
        .unwrap();
    let mut chunk = vec![0; 64 * 1024];
    let mut sent = 0;
    // Without back-pressure all of it would go in less; the kernel's probes of a full peer let a
    // few more bytes through now and then.
    let end = Instant::now() + Duration::from_secs(5);
    while sent < TOO_MUCH && Instant::now() < end {
        Pattern::at(SEED, sent as u64).fill(&mut chunk);
        match sender.write(&chunk) {
            Ok(length) => sent += length,
            Err(_) => break,
        }
    }
    assert!(sent < TOO_MUCH, "50 MB went to a reader that does not read");
    let growth = stage
        .daemon
        .status()
        .memory_bytes()
        .saturating_sub(memory_before);
    assert!(
        growth < 1 << 20,
        "the daemon keeps {growth} bytes of one connection"
    );
    client::patient(sender.socket());
    sent
}

fn assert_pattern(reader: &mut (impl Read + ?Sized), length: usize) {
    let (bytes, ending) = read_to_end(reader);
    assert_eq!((bytes.len(), ending), (length, Ending::Closed));
    Pattern::new(SEED).check(&bytes).unwrap();
}

/// What arrives before a reset may be cut, but nothing in it may be wrong.
fn assert_reset_after_pattern(reader: &mut (impl Read + ?Sized)) {
    let mut pattern = Pattern::new(SEED);
    let mut buffer = [0; 16 * 1024];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => panic!("a reset arrives as a proper end"),
            Ok(length) => pattern.check(&buffer[..length]).unwrap(),
            Err(error) => return assert_eq!(ending_of(&error), Some(Ending::Reset), "{error}"),
        }
    }
}
