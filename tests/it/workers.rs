//! How many threads share the work.

use std::io::{Read, Write};
use std::thread;

use crate::support::daemon::Daemon;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::transfer::Transfers;

#[test]
fn one_worker_serves_all_listeners() {
    let echo = StandIn::echo();
    let daemon = Daemon::start(&setup(&echo, 1));
    assert_eq!(daemon.status().0["workers"], 1);
    let plain = Transfers::start(10, || Box::new(daemon.connect("plain")));
    let tls = Transfers::start(10, || Box::new(daemon.connect_tls("tls")));
    daemon.until("all are open", |status| status.open() == 20);
    assert!(plain.finish() > 0 && tls.finish() > 0);
    daemon.until("all are counted", |status| {
        status.ended("plain", "closed") == 10 && status.ended("tls", "closed") == 10
    });
}

#[test]
fn more_workers_than_cores_are_lowered_with_a_warning() {
    let echo = StandIn::echo();
    let cores = thread::available_parallelism().unwrap().get();
    let daemon = Daemon::start(&setup(&echo, 256));
    assert_eq!(daemon.status().0["workers"], cores);
    let log = daemon.log();
    let warnings = log.lines().filter(|line| line.contains("workers '256'"));
    assert_eq!(warnings.count(), 1, "one warning in:\n{log}");
    let mut client = daemon.connect("plain");
    client.write_all(b"ping").unwrap();
    client.read_exact(&mut [0; 4]).unwrap();
}

fn setup(echo: &StandIn, workers: u32) -> Setup {
    Setup::new()
        .main("workers", workers)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"))
}
