//! What the timeouts of the configuration end, and what they leave alone.

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{self, Ending, read_exactly, read_to_end};
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::{Setup, listener};
use crate::support::tls::TlsClient;

#[test]
fn silence_of_both_sides_ends_a_connection_after_idle_timeout() {
    let stage = Stage::new(Setup::new().main("idle_timeout", 2));
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        let start = Instant::now();
        let (bytes, _) = read_to_end(&mut *client);
        assert!(bytes.is_empty());
        assert_about(start, 2);
        let _ = read_to_end(&mut upstream);
        stage.daemon.until("idle_timeout is counted", |status| {
            status.ended(kind.listener(), "idle_timeout") == 1 && status.open() == 0
        });
    }
}

#[test]
fn bytes_of_one_side_keep_a_connection_open() {
    let stage = Stage::new(Setup::new().main("idle_timeout", 3));
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        for _ in 0..10 {
            upstream.write_all(b"x").unwrap();
            assert_eq!(read_exactly(&mut *client, 1), b"x");
            thread::sleep(Duration::from_millis(500));
        }
    }
}

#[test]
fn silence_after_a_half_close_ends_a_connection_after_half_close_timeout() {
    let stage = Stage::new(Setup::new().main("half_close_timeout", 2));
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        let start = Instant::now();
        client.finish().unwrap();
        assert_eq!(read_to_end(&mut upstream), (Vec::new(), Ending::Closed));
        let _ = read_to_end(&mut *client);
        assert_about(start, 2);
        stage
            .daemon
            .until("half_close_timeout is counted", |status| {
                status.ended(kind.listener(), "half_close_timeout") == 1 && status.open() == 0
            });
    }
}

#[test]
fn a_side_that_goes_on_after_a_half_close_is_not_cut() {
    let stage = Stage::new(Setup::new().main("half_close_timeout", 3));
    for kind in Kind::BOTH {
        let (mut client, mut upstream) = stage.connect(kind);
        client.finish().unwrap();
        for _ in 0..10 {
            upstream.write_all(b"x").unwrap();
            assert_eq!(read_exactly(&mut *client, 1), b"x");
            thread::sleep(Duration::from_millis(500));
        }
        drop(upstream);
        assert_eq!(read_to_end(&mut *client), (Vec::new(), Ending::Closed));
    }
}

/// An alarm that the kernel sets at each wait for events, and takes back after, costs as much as
/// reading a message.
#[test]
fn timeouts_set_no_alarm_in_a_worker() {
    let stage = Stage::new(Setup::new().main("idle_timeout", 60));
    let _pairs = Kind::BOTH.map(|kind| stage.connect(kind));
    let handshake = stage.daemon.connect("tls");
    thread::sleep(Duration::from_millis(100));
    let mut seen = 0;
    for _ in 0..20 {
        for waiting in waits_of_workers(stage.daemon.id()) {
            assert!(waiting.ends_with("ffffffff"), "an alarm in {waiting} ms");
            seen += 1;
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(seen > 0, "no worker waited for events");
    drop(handshake);
}

/// The timeouts with which the daemon's workers wait for events just now (`proc_pid_syscall(5)`).
fn waits_of_workers(daemon: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{daemon}/task")).unwrap();
    let tasks = tasks.map(|task| task.unwrap().path());
    let workers: Vec<_> = tasks
        .filter(|task| {
            fs::read_to_string(task.join("comm"))
                .unwrap()
                .starts_with("worker")
        })
        .collect();
    assert!(!workers.is_empty());
    let calls = workers
        .iter()
        .map(|task| fs::read_to_string(task.join("syscall")).unwrap());
    calls
        .filter_map(|call| {
            // One that is at work is in no call, or in another one than for at most 1,024 events.
            let words: Vec<_> = call.split(' ').collect();
            (words.get(3) == Some(&"0x400")).then(|| words[4].to_owned())
        })
        .collect()
}

#[test]
fn a_handshake_that_drips_ends_after_handshake_timeout() {
    let stage = Stage::new(Setup::new().main("handshake_timeout", 2));
    let mut client = stage.daemon.connect("tls");
    let start = Instant::now();
    // The record header of a ClientHello that promises more than ever comes.
    let promise = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let drip = promise.iter().chain(std::iter::repeat_n(&7, 100));
    for byte in drip {
        if client.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(200));
    }
    let _ = read_to_end(&mut client);
    assert_about(start, 2);
    stage
        .daemon
        .until("handshake_timeout is counted", |status| {
            status.ended("tls", "handshake_timeout") == 1 && status.open() == 0
        });
}

#[test]
fn proxy_header_and_tls_share_one_handshake_timeout() {
    let setup = Setup::new()
        .main("handshake_timeout", 6)
        .main_list("trusted_proxy", "127.64.0.0/10")
        .with(
            listener("behind", "chat")
                .option("tls", 1)
                .option("accept_proxy", 1),
        );
    let stage = Stage::new(setup);
    let mut client = stage.daemon.connect("behind");
    let start = Instant::now();
    thread::sleep(Duration::from_secs(4));
    client
        .write_all(b"PROXY TCP4 203.0.113.7 192.0.2.1 5 443\r\n")
        .unwrap();
    let _ = read_to_end(&mut client);
    assert_about(start, 6);
    // Neither 4 + 6 nor the 10 that are the default.
    assert!(
        start.elapsed() < Duration::from_millis(9500),
        "took {:?}",
        start.elapsed()
    );
    stage
        .daemon
        .until("handshake_timeout is counted", |status| {
            status.ended("behind", "handshake_timeout") == 1
        });
}

#[test]
fn who_waited_while_the_daemon_stood_still_has_the_whole_handshake_timeout() {
    let stage = Stage::new(Setup::new().main("handshake_timeout", 2));
    stage.daemon.pause();
    let mut client = stage.daemon.connect("tls");
    thread::sleep(Duration::from_secs(4));
    stage.daemon.resume();
    let start = Instant::now();
    let _ = read_to_end(&mut client);
    assert_about(start, 2);
}

#[test]
fn a_missing_proxy_header_ends_after_handshake_timeout() {
    let setup = Setup::new()
        .main("handshake_timeout", 2)
        .main_list("trusted_proxy", "127.64.0.0/10")
        .with(listener("behind", "chat").option("accept_proxy", 1));
    let stage = Stage::new(setup);
    let mut client = stage.daemon.connect("behind");
    let start = Instant::now();
    let _ = read_to_end(&mut client);
    assert_about(start, 2);
    stage
        .daemon
        .until("handshake_timeout is counted", |status| {
            status.ended("behind", "handshake_timeout") == 1
        });
}

#[test]
fn handshake_timeout_is_over_when_the_handshake_is() {
    let stage = Stage::new(Setup::new().main("handshake_timeout", 2));
    let mut client = TlsClient::over(client::connect(stage.daemon.port("tls"))).unwrap();
    let mut upstream = stage.accepted().stream;
    thread::sleep(Duration::from_secs(3));
    client.write_all(b"still here").unwrap();
    let mut heard = [0; 10];
    upstream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"still here");
}

/// Whether the time since `start` is that of an option, with much room for a busy machine. An
/// option of 2 is told apart from every default, which is 10 or more.
fn assert_about(start: Instant, seconds: u64) {
    let elapsed = start.elapsed();
    assert!(
        elapsed > Duration::from_millis(seconds * 1000 - 500),
        "too early: {elapsed:?}"
    );
    assert!(
        elapsed < Duration::from_secs(seconds + 6),
        "too late: {elapsed:?}"
    );
}
