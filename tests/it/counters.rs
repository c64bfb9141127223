//! Counters of bytes: exact also where 32 bits are not enough.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::support::daemon::Daemon;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;

#[test]
fn bytes_are_counted_past_4_gib() {
    let source = StandIn::new(|mut stream| {
        if stream.read(&mut [0])? == 0 {
            return Ok(());
        }
        let chunk = vec![0x5a; CHUNK];
        for _ in 0..CHUNKS {
            stream.write_all(&chunk)?;
        }
        stream.write_all(ODD)
    });
    let setup = Setup::new()
        .with(listener("media_in", "media"))
        .with(upstream("media", source.address(), "none"));
    let daemon = Daemon::start(&setup);

    let mut client = daemon.connect("media_in");
    client.write_all(b"?").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut chunk = vec![0; CHUNK];
    let mut received = 0;
    loop {
        match client.read(&mut chunk).unwrap() {
            0 => break,
            length => received += length as u64,
        }
    }
    let sent = CHUNKS * CHUNK as u64 + ODD.len() as u64;
    assert!(sent > 1 << 32);
    assert_eq!(received, sent);

    let status = daemon.until("it is counted", |status| {
        status.ended("media_in", "closed") == 1
    });
    let counted = status.listener("media_in");
    assert_eq!(counted["bytes_down"], sent);
    assert_eq!(counted["bytes_up"], 1);
    let metrics = daemon.ask("metrics", &[]).success();
    let line = metrics.lines().find(|line| {
        line.starts_with("waproxy_listener_bytes_total") && line.contains("direction=\"down\"")
    });
    let value = line.and_then(|line| line.rsplit(' ').next());
    assert_eq!(value, Some(&*sent.to_string()), "{metrics}");
}

const CHUNK: usize = 1 << 20;
/// 4.3 GiB.
const CHUNKS: u64 = 4403;
/// So that the number is no round one.
const ODD: &[u8] = b"and a bit";
