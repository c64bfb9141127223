//! Two thousand connections in 24 MB: idle, and with peers that take nothing. No more than fit come
//! in. Needs root.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::client::{PATIENCE, SOURCE, connect_from, read_exactly};
use crate::support::daemon::Daemon;
use crate::support::duplex::Duplex;
use crate::support::namespace::Namespace;
use crate::support::random::Pattern;
use crate::support::relayed::Kind;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::StandIn;
use crate::support::tls::TlsClient;

#[test]
fn two_thousand_plain_connections_fit_whether_their_clients_read_or_not() {
    all_fit(Kind::Plain);
}

#[test]
fn two_thousand_tls_connections_fit_whether_their_clients_read_or_not() {
    all_fit(Kind::Tls);
}

const LIMIT: u64 = 24 << 20;
/// What fits.
const COUNT: u64 = 2_048;
/// More than the kernel holds for a connection in the network of the test.
const MUCH: usize = 400_000;
const SEED: u64 = 9;

/// Opens them all, has the upstream send to each what nobody reads, and then reads it.
fn all_fit(kind: Kind) {
    let network = Namespace::new();
    // The kernel's memory is not what this is about.
    let small = "cd /proc/sys/net/ipv4; echo 4096 16384 32768 | tee tcp_rmem >tcp_wmem";
    network.tool(&["sh", "-c", small]);
    let (_upstream, accepted, address) = network.inside(|| {
        let (report, accepted) = mpsc::channel();
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        let stand_in = StandIn::on(socket, move |mut stream| {
            // A check of the daemon's leaves without a word.
            if stream.read(&mut [0])? == 1 {
                let _ = report.send(stream);
            }
            Ok(())
        });
        (stand_in, accepted, address)
    });
    let setup = Setup::new()
        .main("max_connections", 2 * COUNT)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", address, "none"));
    let limit = format!("--data={LIMIT}");
    let mut prefix = network.prefix();
    prefix.extend(["prlimit", &limit]);
    let daemon = Daemon::start_under(&prefix, &setup);
    assert_eq!(daemon.status().cap(), COUNT);

    let target = (Ipv4Addr::LOCALHOST, daemon.port(kind.listener()));
    let connect = || network.inside(|| connect_from(SOURCE, target));
    let open = || {
        let client = connect().unwrap();
        let mut client: Box<dyn Duplex> = match kind {
            Kind::Plain => Box::new(client),
            Kind::Tls => Box::new(TlsClient::over(client).unwrap()),
        };
        client.write_all(b"!").unwrap();
        (client, accepted.recv_timeout(PATIENCE).unwrap())
    };
    let mut pairs: Vec<_> = (1..COUNT).map(|_| open()).collect();
    println!("{} bytes with all idle", daemon.status().memory_bytes());
    let mut bytes = vec![0; MUCH];
    Pattern::new(SEED).fill(&mut bytes);
    let mut last = open();
    let mut rests = vec![&bytes[..]; pairs.len()];
    // Not for so long that those who take nothing are cut for that.
    for _ in 0..20 {
        for ((_, upstream), rest) in pairs.iter().zip(&mut rests) {
            *rest = send_some(upstream, rest);
        }
        thread::sleep(Duration::from_millis(100));
    }
    assert!(
        rests.iter().all(|rest| !rest.is_empty()),
        "some was taken whole"
    );
    let status = daemon.until("they are open", |status| status.open() == COUNT);
    println!("{} bytes with all stuck", status.memory_bytes());
    assert!(
        status.memory_bytes() < LIMIT,
        "{} bytes",
        status.memory_bytes()
    );
    let log = daemon.log();
    assert_eq!(log.matches("little is read at once").count(), 1, "{log}");

    // Who reads gets all of it meanwhile, and so does who begins to.
    carry(&mut last, &bytes, &bytes);
    for (pair, rest) in pairs.iter_mut().zip(rests).step_by(100) {
        carry(pair, rest, &bytes);
    }

    // One more does not fit, until one goes.
    let came = connect().and_then(|mut client| client.read(&mut [0]));
    assert_eq!(came.unwrap_err().kind(), ErrorKind::ConnectionReset);
    daemon.until("the log says so, and why", |_| {
        let log = daemon.log();
        log.matches("2048 are open").count() == 1 && log.contains("no more for memory")
    });
    drop(last);
    daemon.until("one has gone", |status| status.open() < COUNT);
    carry(&mut open(), &bytes, &bytes);
}

type Pair = (Box<dyn Duplex>, TcpStream);

/// Sends what is taken at once; the rest.
fn send_some<'a>(mut upstream: &TcpStream, bytes: &'a [u8]) -> &'a [u8] {
    upstream.set_nonblocking(true).unwrap();
    let mut rest = bytes;
    while let Ok(count @ 1..) = upstream.write(rest) {
        rest = &rest[count..];
    }
    rest
}

/// Sends the rest, while the client reads all.
fn carry((client, upstream): &mut Pair, rest: &[u8], all: &[u8]) {
    upstream.set_nonblocking(false).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| upstream.write_all(rest).unwrap());
        assert!(read_exactly(&mut **client, all.len()) == all);
    });
}
