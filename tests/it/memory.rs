//! What a connection that says nothing costs: no buffer is among it.

use std::io::Write;
use std::net::TcpStream;

use crate::support::client::read_exactly;
use crate::support::duplex::Duplex;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;
use crate::support::tls::TlsClient;

#[test]
fn an_idle_plain_connection_owns_no_buffer() {
    let stage = stage();
    let cost = cost_of(&stage, 500, || talk(&stage, Kind::Plain));
    assert!(cost < 2 * 1024, "{cost} bytes each");
}

#[test]
fn an_idle_tls_connection_owns_no_buffer() {
    let stage = stage();
    let cost = cost_of(&stage, 500, || talk(&stage, Kind::Tls));
    assert!(cost < 7 * 1024, "{cost} bytes each");
}

#[test]
fn a_tls_connection_in_the_middle_of_a_record_owns_what_has_come_of_it() {
    let stage = stage();
    let cost = cost_of(&stage, 200, || {
        let client = TlsClient::connect(stage.daemon.port("tls"));
        let upstream = stage.accepted().stream;
        // A record of 16 KiB, of which no more than its beginning comes.
        let mut socket = client.into_socket();
        socket
            .write_all(&[0x17, 3, 3, 0x40, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
            .unwrap();
        (socket, upstream)
    });
    assert!(cost < 7 * 1024, "{cost} bytes each");
}

fn stage() -> Stage {
    Stage::new(Setup::new().main("max_connections", 1000))
}

/// A connection that has carried bytes both ways, with both of its ends.
fn talk(stage: &Stage, kind: Kind) -> (Box<dyn Duplex>, TcpStream) {
    let (mut client, mut upstream) = stage.connect(kind);
    for size in [1, 30_000] {
        let bytes = vec![0x5a; size];
        client.write_all(&bytes).unwrap();
        assert_eq!(read_exactly(&mut upstream, size), bytes);
        upstream.write_all(&bytes).unwrap();
        assert_eq!(read_exactly(&mut *client, size), bytes);
    }
    (client, upstream)
}

/// Bytes of memory that each of `count` connections takes, beside what the first ones make the
/// daemon keep for all.
fn cost_of<T>(stage: &Stage, count: u64, mut open: impl FnMut() -> T) -> u64 {
    let mut connections: Vec<T> = (0..FIRST).map(|_| open()).collect();
    let before = memory(stage, FIRST);
    connections.extend((0..count).map(|_| open()));
    let after = memory(stage, FIRST + count);
    drop(connections);
    let cost = after.saturating_sub(before) / count;
    println!("{cost} bytes a connection");
    cost
}

fn memory(stage: &Stage, open: u64) -> u64 {
    let status = stage
        .daemon
        .until("all are open", |status| status.open() == open);
    status.memory_bytes()
}

const FIRST: u64 = 100;
