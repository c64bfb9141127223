//! Sides that take nothing for a while: nothing is lost, and the daemon keeps nothing of it.

use std::io::Read;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{self, Ending, ending_of, read_to_end};
use crate::support::duplex::Duplex;
use crate::support::random::Pattern;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;

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

const SEED: u64 = 7;
/// More than all kernel buffers on the way can hold.
const TOO_MUCH: usize = 50_000_000;

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
