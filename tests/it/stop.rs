//! SIGTERM, and starting again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::{Ending, SOURCE, connect_from, read_exactly, read_to_end};
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;

#[test]
fn without_connections_it_stops_at_once() {
    let mut stage = Stage::new(Setup::new().main("drain_timeout", 60));
    stage.daemon.terminate();
    let start = Instant::now();
    assert!(stage.daemon.wait().success());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn open_connections_get_drain_timeout() {
    let mut stage = Stage::new(Setup::new().main("drain_timeout", 6));
    let mut ends: Vec<_> = Kind::BOTH
        .into_iter()
        .map(|kind| stage.connect(kind))
        .collect();
    let start = Instant::now();
    stage.daemon.terminate();
    thread::sleep(Duration::from_secs(1));
    for (client, upstream) in &mut ends {
        upstream.write_all(b"still here").unwrap();
        assert_eq!(read_exactly(&mut **client, 10), b"still here");
    }
    assert!(stage.daemon.wait().success(), "{}", stage.daemon.log());
    let elapsed = start.elapsed();
    assert!(
        elapsed > Duration::from_millis(5500),
        "cut after {elapsed:?}"
    );
    assert!(elapsed < Duration::from_secs(15), "took {elapsed:?}");
    for (client, upstream) in &mut ends {
        let _ = (read_to_end(&mut **client), read_to_end(upstream));
    }
}

#[test]
fn it_stops_when_the_last_connection_has_ended() {
    let mut stage = Stage::new(Setup::new().main("drain_timeout", 60));
    let (mut client, mut upstream) = stage.connect(Kind::Plain);
    stage.daemon.terminate();
    // Longer than the default of drain_timeout.
    thread::sleep(Duration::from_secs(4));
    upstream.write_all(b"still here").unwrap();
    assert_eq!(read_exactly(&mut *client, 10), b"still here");
    client.finish().unwrap();
    upstream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut *client), (Vec::new(), Ending::Closed));
    let start = Instant::now();
    assert!(stage.daemon.wait().success());
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "took {:?}",
        start.elapsed()
    );
}

#[test]
fn no_connection_comes_in_while_it_stops() {
    let mut stage = Stage::new(Setup::new().main("drain_timeout", 3));
    let _open = stage.connect(Kind::Plain);
    let target = (Ipv4Addr::LOCALHOST, stage.daemon.port("plain"));
    stage.daemon.terminate();
    thread::sleep(Duration::from_secs(1));
    if let Ok(mut late) = connect_from(SOURCE, target) {
        let _ = late.write_all(b"hello?");
        assert!(
            !matches!(late.read(&mut [0]), Ok(1..)),
            "served while stopping"
        );
        panic!("accepted while stopping");
    }
    assert!(stage.daemon.wait().success());
}

#[test]
fn a_second_start_gets_its_ports_at_once() {
    let mut stage = Stage::new(Setup::new().main("drain_timeout", 0));
    for _ in 0..5 {
        // Connections that we close leave their ports in TIME_WAIT.
        let open: Vec<_> = Kind::BOTH
            .into_iter()
            .map(|kind| stage.connect(kind))
            .collect();
        let start = Instant::now();
        stage.daemon.terminate();
        assert!(stage.daemon.wait().success(), "{}", stage.daemon.log());
        assert!(
            start.elapsed() < Duration::from_millis(2500),
            "a drain_timeout of 0 took {:?}",
            start.elapsed()
        );
        stage.daemon.start_again();
        drop(open);
    }
}
