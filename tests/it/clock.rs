//! The clock of a router is set, or wrong, by years: what runs does not notice. `faketime` lies to
//! the daemon about the time of day; the clock that timeouts go by is left alone, as by the kernel.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::support::client::read_to_end;
use crate::support::daemon::Daemon;
use crate::support::faketime::FakeClock;
use crate::support::folder::Folder;
use crate::support::openssl::greet;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::transfer::Transfers;

#[test]
fn a_clock_that_jumps_by_years_disturbs_nothing() {
    let folder = Folder::new();
    let clock = FakeClock::new();
    let echo = StandIn::echo();
    let setup = Setup::new()
        .main("idle_timeout", 4)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", echo.address(), "none"));
    let daemon = Daemon::start_under(&clock.prefix(), &setup);
    let certificate = daemon.connect_tls("tls").certificate();
    let plain = Transfers::start(5, || Box::new(daemon.connect("plain")));
    let tls = Transfers::start(5, || Box::new(daemon.connect_tls("tls")));

    for jump in ["+12y", "-20y", "+60y", "+0"] {
        let session = folder.join("session");
        let session = session.to_str().unwrap();
        greet(daemon.port("tls"), &["-sess_out", session]);
        let start = Instant::now();
        let mut idle = daemon.connect("plain");
        idle.write_all(b"ping").unwrap();
        idle.read_exact(&mut [0; 4]).unwrap();
        thread::sleep(Duration::from_secs(1));

        clock.set(jump);
        assert!(read_to_end(&mut idle).0.is_empty());
        let silent = start.elapsed();
        assert!(
            (4..10).contains(&silent.as_secs()),
            "{jump}: cut after {silent:?}"
        );
        // Resumed or not, it is answered.
        let again = greet(daemon.port("tls"), &["-sess_in", session]);
        assert!(
            again.contains("New, TLSv1") || again.contains("Reused, TLSv1"),
            "{again}"
        );
        let mut new = daemon.connect_tls("tls");
        assert_eq!(new.certificate(), certificate, "{jump}");
        new.write_all(b"ping").unwrap();
        new.read_exact(&mut [0; 4]).unwrap();
        // Longer than between two looks at the day.
        thread::sleep(Duration::from_secs(6));
        let status = daemon.status();
        let uptime = status.0["uptime_seconds"].as_u64().unwrap();
        assert!((5..600).contains(&uptime), "{jump}: up for {uptime} s");
        // Whatever day it is now, all of it is today's; unless it really began a moment ago.
        let today = &status.0["today"]["connections"];
        let accepted = &status.0["connections"]["accepted"];
        assert!(
            today == accepted || is_past_midnight(),
            "{jump}: {today} of {accepted}"
        );
    }
    assert!(plain.finish() > 0 && tls.finish() > 0);
    let log = daemon.log();
    assert!(!log.contains("warning") && !log.contains("error"), "{log}");
}

/// Whether the day has begun in the last minutes, by the clock that nobody lies about.
fn is_past_midnight() -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs() % 86_400 < 600
}
