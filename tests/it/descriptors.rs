//! File descriptors: as many as the system allows, and no harm where they run out.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::client::PATIENCE;
use crate::support::daemon::Daemon;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let echo = StandIn::echo();
    let daemon = Daemon::start_under(&["prlimit", "--nofile=100:4000"], &setup(&echo, 1000));
    assert_eq!(daemon.status().cap(), 1000);
}

#[test]
fn running_out_of_descriptors_is_counted_and_heals() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo, 1000));
    let mut before: Vec<_> = (0..5).map(|_| daemon.connect("plain")).collect();
    before.iter_mut().for_each(ping);

    // From now on no file can be opened.
    daemon.limit("nofile", 3);
    let mut waiting: Vec<_> = (0..20).map(|_| daemon.connect("plain")).collect();
    let busy_before = daemon.processor_time();
    thread::sleep(Duration::from_secs(3));
    let busy = daemon.processor_time().saturating_sub(busy_before);
    assert!(
        busy < Duration::from_millis(1500),
        "accepting spins: {busy:?} of work in 3 s"
    );
    before.iter_mut().for_each(ping);

    daemon.limit("nofile", ENOUGH);
    let status = daemon.until("counted", |status| status.accept_errors("plain") > 0);
    assert!(status.listener("plain")["accept_errors"].is_object());
    // Those that waited in the queue are served, if they were not turned away meanwhile.
    let served = waiting
        .drain(..)
        .filter_map(|mut stream| try_ping(&mut stream).ok())
        .count();
    println!("{served} of 20 that came meanwhile were served");
    let deadline = Instant::now() + PATIENCE;
    while try_ping(&mut daemon.connect("plain")).is_err() {
        assert!(
            Instant::now() < deadline,
            "it does not heal:\n{}",
            daemon.log()
        );
        thread::sleep(Duration::from_millis(100));
    }
    before.iter_mut().for_each(ping);
    let log = daemon.log();
    assert_eq!(log.matches("cannot accept connections").count(), 1, "{log}");
}

#[test]
fn a_descriptor_that_is_missing_for_the_upstream_is_no_fault_of_it() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo, 100));
    let mut before = daemon.connect("plain");
    ping(&mut before);

    // One is left, for the side of the client.
    let open: Vec<u32> = fs::read_dir(format!("/proc/{}/fd", daemon.id()))
        .unwrap()
        .map(|file| file.unwrap().file_name().to_str().unwrap().parse().unwrap())
        .collect();
    let mut free = (0..).filter(|number| !open.contains(number));
    daemon.limit("nofile", free.nth(1).unwrap());
    for turned_away in 1..=5 {
        try_ping(&mut daemon.connect("plain")).unwrap_err();
        let what = "counted";
        let status = daemon.until(what, |status| {
            status.ended("plain", "shortage") == turned_away
        });
        assert_eq!(status.upstream("chat")["health"], "up");
    }
    ping(&mut before);
    let log = daemon.log();
    assert_eq!(
        log.matches("cannot connect to upstreams").count(),
        1,
        "{log}"
    );

    daemon.limit("nofile", ENOUGH);
    ping(&mut daemon.connect("plain"));
    ping(&mut before);
}

/// Descriptors, for all that a test does.
const ENOUGH: u32 = 1000;

fn setup(echo: &StandIn, max_connections: u32) -> Setup {
    Setup::new()
        .main("max_connections", max_connections)
        .with(listener("plain", "chat"))
        .with(upstream("chat", echo.address(), "none"))
}

fn ping(stream: &mut TcpStream) {
    try_ping(stream).unwrap();
}

fn try_ping(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"ping")?;
    stream.read_exact(&mut [0; 4])
}
