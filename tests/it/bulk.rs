//! Bulk, which the kernel moves from socket to socket through pipes, of which there are few.

use std::io::Write;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::support::client::{self, Ending, read_exactly, read_to_end};
use crate::support::random::{Pattern, Random};
use crate::support::relayed::Stage;
use crate::support::setup::Setup;

#[test]
fn directions_that_stall_at_once_go_on_where_they_were() {
    let stage = Stage::new(Setup::new());
    let (client, upstream) = stage.connect_plain();
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
fn a_direction_goes_on_after_the_other_has_come_to_its_end() {
    let stage = Stage::new(Setup::new());
    let target = SocketAddr::from((Ipv4Addr::LOCALHOST, stage.daemon.port("plain")));
    let client = connect_with_little_room(target);
    let upstream = stage.accepted().stream;
    thread::scope(|scope| {
        // Both stall: the download by little, so that one turn of the relay brings all of it.
        let download = scope.spawn(|| (&upstream).write_all(&vec![8; A_LITTLE]).unwrap());
        scope.spawn(|| send(&client, UP, MUCH));
        thread::sleep(A_MOMENT);
        read_exactly(&mut &client, A_LITTLE);
        download.join().unwrap();
        thread::sleep(A_MOMENT);
        // Nothing but room for the upload can wake the relay now.
        check(&upstream, UP, MUCH);
    });
}

#[test]
fn a_reset_in_the_middle_of_bulk_is_a_reset() {
    let stage = Stage::new(Setup::new());
    let (client, upstream) = stage.connect_plain();
    thread::scope(|scope| {
        let reader = scope.spawn(|| read_to_end(&mut &client));
        let mut bytes = vec![0; ENOUGH];
        Pattern::new(DOWN).fill(&mut bytes);
        (&upstream).write_all(&bytes).unwrap();
        client::reset(upstream);
        let (received, ending) = reader.join().unwrap();
        assert_eq!(ending, Ending::Reset);
        Pattern::new(DOWN).check(&received).unwrap();
    });
    let status = stage.daemon.until("ended", |status| status.open() == 0);
    assert_eq!(status.ended("plain", "reset_by_upstream"), 1);
}

#[test]
fn messages_and_bulk_in_turn_are_exact_and_counted_to_the_byte() {
    let stage = Stage::new(Setup::new());
    let (mut client, mut upstream) = stage.connect_plain();
    let mut random = Random::new(UP);
    let (mut sent, mut pattern) = (0, Pattern::new(UP));
    for _ in 0..300 {
        let size = usize::try_from(random.size(3_000_000)).unwrap();
        let mut bytes = vec![0; size];
        pattern.fill(&mut bytes);
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&bytes).unwrap());
            assert!(read_exactly(&mut upstream, size) == bytes, "after {sent}");
        });
        sent += size;
    }
    stage.daemon.until("all is counted", |status| {
        status.listener("plain")["bytes_up"] == sent
    });
}

#[test]
fn an_urgent_byte_in_bulk_cuts_nothing() {
    let stage = Stage::new(Setup::new());
    let (client, upstream) = stage.connect_plain();
    let mut bytes = vec![0; A_LITTLE];
    Pattern::new(DOWN).fill(&mut bytes);
    let (bulk, rest) = bytes.split_at(A_LITTLE - 80_000);
    thread::scope(|scope| {
        scope.spawn(|| (&upstream).write_all(bulk).unwrap());
        assert!(read_exactly(&mut &client, bulk.len()) == bulk);
    });
    // Asleep, so that it finds the end behind the byte: until that has come, it waits there.
    stage.daemon.pause();
    (&upstream).write_all(&rest[..40_000]).unwrap();
    SockRef::from(&upstream).send_out_of_band(b"!").unwrap();
    (&upstream).write_all(&rest[40_000..]).unwrap();
    upstream.shutdown(Shutdown::Write).unwrap();
    stage.daemon.resume();
    assert!(read_to_end(&mut &client) == (rest.to_vec(), Ending::Closed));
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
        let (client, upstream) = stage.connect_plain();
        scope.spawn(move || send(&upstream, DOWN, ENOUGH));
        check(&client, DOWN, ENOUGH);

        for (client, _) in &pairs {
            scope.spawn(|| check(client, DOWN, ENOUGH));
        }
    });
}

const UP: u64 = 7;
const DOWN: u64 = 8;
/// Bytes, more than all kernel buffers on the way can hold.
const MUCH: usize = 60_000_000;
/// More than those of a client with little room hold by a few reads.
const A_LITTLE: usize = 4_000_000;
/// More than they can hold by many.
const ENOUGH: usize = 8_000_000;
/// More than the pipes of two workers.
const STALLED: u64 = 100;
/// Of a worker.
const MOST_PIPES: u64 = 32;
/// Longer than a direction may keep a pipe while its bytes have room in memory.
const STALL: Duration = Duration::from_secs(5);

/// Long enough for the daemon to have done what it can.
const A_MOMENT: Duration = Duration::from_secs(1);

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
