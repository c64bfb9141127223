//! Bulk, which the kernel moves from socket to socket through pipes, of which there are few.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::support::client::{self, Ending, read_to_end};
use crate::support::random::Pattern;
use crate::support::relayed::{Kind, Stage};
use crate::support::setup::Setup;

#[test]
fn directions_that_stall_at_once_go_on_where_they_were() {
    let stage = Stage::new(Setup::new());
    let (client, upstream) = stage.connect(Kind::Plain);
    let client = client.socket().try_clone().unwrap();
    thread::scope(|scope| {
        for (seed, end) in [(UP, &client), (DOWN, &upstream)] {
            scope.spawn(move || send(end, seed, MUCH));
        }
        thread::sleep(STALL);
        for (seed, end) in [(DOWN, &client), (UP, &upstream)] {
            scope.spawn(move || check(end, seed, MUCH));
        }
    });
}

#[test]
fn more_stalled_directions_than_pipes_are_carried_as_well() {
    let stage = Stage::new(Setup::new().main("max_connections_per_client", 0));
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, stage.daemon.port("plain")));
    let pairs: Vec<_> = (0..STALLED)
        .map(|_| (connect_with_little_room(target), stage.accepted().stream))
        .collect();
    let memory_before = stage.daemon.status().memory_bytes();
    thread::scope(|scope| {
        for (_, upstream) in &pairs {
            scope.spawn(|| send(upstream, DOWN, ENOUGH));
        }
        thread::sleep(STALL);
        let pipes = stage.daemon.open_pipes();
        assert!(pipes > 0, "nothing was moved through a pipe");
        assert!(
            pipes <= MOST_PIPES * stage.daemon.status().workers(),
            "{pipes} pipes"
        );
        let memory = stage.daemon.status().memory_bytes();
        let each = memory.saturating_sub(memory_before) / STALLED;
        assert!(each < 64 * 1024, "{each} bytes of memory each");

        // Others are carried meanwhile.
        let (client, upstream) = stage.connect(Kind::Plain);
        scope.spawn(move || send(&upstream, DOWN, ENOUGH));
        check(client.socket(), DOWN, ENOUGH);

        for (client, _) in &pairs {
            scope.spawn(|| check(client, DOWN, ENOUGH));
        }
    });
}

const UP: u64 = 7;
const DOWN: u64 = 8;
/// Bytes, more than all kernel buffers on the way can hold.
const MUCH: usize = 60_000_000;
/// More than those of a client with little room can hold.
const ENOUGH: usize = 8_000_000;
/// More than the pipes of two workers.
const STALLED: u64 = 100;
/// Of a worker.
const MOST_PIPES: u64 = 32;
/// Longer than a direction may keep a pipe while its bytes have room in memory.
const STALL: Duration = Duration::from_secs(5);

/// A client whose kernel takes little for it.
fn connect_with_little_room(target: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(64 * 1024).unwrap();
    socket.connect(&target.into()).unwrap();
    let client = TcpStream::from(socket);
    client::patient(&client);
    client
}

fn send(mut end: &TcpStream, seed: u64, size: usize) {
    let mut bytes = vec![0; size];
    Pattern::new(seed).fill(&mut bytes);
    end.write_all(&bytes).unwrap();
    end.shutdown(Shutdown::Write).unwrap();
}

fn check(mut end: &TcpStream, seed: u64, size: usize) {
    let (bytes, ending) = read_to_end(&mut end);
    assert_eq!((bytes.len(), ending), (size, Ending::Closed));
    Pattern::new(seed).check(&bytes).unwrap();
}
