use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use socket2::{Domain, SockRef, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout_at};

use super::*;
use crate::config::ProxyHeader;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Patience for as long, which unlike a `sleep` can be had outside a runtime.
async fn patience(time: Duration) {
    sleep(time).await;
}

/// An upstream by its `host:port`s.
pub(super) fn upstream(addresses: &[&str], allow_private: bool) -> Arc<Upstream> {
    let addresses = addresses.iter().map(|address| {
        let (host, port) = address.rsplit_once(':').unwrap();
        let host = host.trim_matches(['[', ']']);
        HostPort {
            host: host
                .parse()
                .map_or_else(|_| Host::Name(host.to_owned()), Host::Address),
            port: port.parse().unwrap(),
        }
    });
    Upstream::new(Arc::new(config::Upstream {
        interface: None,
        name: "chat".to_owned(),
        addresses: addresses.collect(),
        proxy_header: ProxyHeader::None,
        allow_private,
    }))
}

pub(super) fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// An address that refuses: taken, so that no other test gets it, but not listened on.
fn closed() -> (Socket, String) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address.to_string())
}

/// An address that never answers: connections wait in a queue that is full.
fn black_hole() -> (Vec<Socket>, String) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut sockets = vec![listener];
    for _ in 0..3 {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _ = socket.connect(&address);
        sockets.push(socket);
    }
    (sockets, address.as_socket().unwrap().to_string())
}

fn is_asked(wish: &Notify) -> bool {
    let now = tokio::time::Instant::now();
    runtime()
        .block_on(async { timeout_at(now, wish.notified()).await })
        .is_ok()
}

fn health(upstream: &Upstream) -> Vec<Health> {
    upstream
        .status()
        .addresses
        .iter()
        .map(|address| address.health)
        .collect()
}

#[test]
fn the_first_address_is_dialled_and_its_socket_tuned() {
    let (_first, first) = listener();
    let (other, second) = listener();
    let upstream = upstream(&[&first, &second], true);
    let stream = runtime()
        .block_on(upstream.dial(patience(TIMEOUT)))
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap().to_string(), first);
    assert!(stream.nodelay().unwrap());
    let socket = SockRef::from(&stream);
    assert!(socket.tcp_user_timeout().unwrap().is_some());
    assert_eq!(health(&upstream), [Health::Up, Health::Unknown]);
    assert!(upstream.status().addresses[0].connect_ms.is_some());
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "the second was dialled as well");
}

#[test]
fn a_refusing_address_is_passed_over_at_once_and_comes_last_from_then_on() {
    let (_good, good) = listener();
    let (_bad, bad) = closed();
    let upstream = upstream(&[&bad, &good], true);
    let start = Instant::now();
    let stream = runtime()
        .block_on(upstream.dial(patience(TIMEOUT)))
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap().to_string(), good);
    assert!(
        start.elapsed() < Duration::from_millis(250),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(health(&upstream), [Health::Failing, Health::Up]);
    assert_eq!(upstream.lock().order()[0].to_string(), good);
    let last_error = &upstream.status().addresses[0].last_error;
    assert_eq!(
        last_error.as_deref(),
        Some("Connection refused (os error 111)")
    );
}

#[test]
fn a_silent_address_is_overtaken_after_its_head_start() {
    let (_hole, hole) = black_hole();
    let (_good, good) = listener();
    let upstream = upstream(&[&hole, &good], true);
    let start = Instant::now();
    let stream = runtime()
        .block_on(upstream.dial(patience(TIMEOUT)))
        .unwrap();
    assert_eq!(stream.peer_addr().unwrap().to_string(), good);
    let took = start.elapsed();
    assert!((240..2000).contains(&took.as_millis()), "{took:?}");
    // Being slow is no failure, but it is looked into.
    assert_eq!(health(&upstream), [Health::Unknown, Health::Up]);
    let (_, check) = &upstream.lock().checks()[0];
    assert!(is_asked(check));
}

#[test]
fn patience_that_ends_during_a_head_start_starts_nobody_else() {
    let (_hole, hole) = black_hole();
    let (good, address) = listener();
    let upstream = upstream(&[&hole, &address], true);
    let error = runtime()
        .block_on(upstream.dial(patience(Duration::from_millis(100))))
        .unwrap_err();
    assert_eq!(error.reason(), "upstream_timeout");
    assert_eq!(health(&upstream), [Health::Failing, Health::Unknown]);
    good.set_nonblocking(true).unwrap();
    assert!(good.accept().is_err(), "the second was dialled as well");
}

#[test]
fn silence_everywhere_ends_with_the_timeout_and_is_held_against_all() {
    let (_first, first) = black_hole();
    let (_second, second) = black_hole();
    let upstream = upstream(&[&first, &second], true);
    let start = Instant::now();
    let error = runtime()
        .block_on(upstream.dial(patience(Duration::from_millis(400))))
        .unwrap_err();
    assert_eq!(error.reason(), "upstream_timeout");
    let took = start.elapsed();
    assert!((400..2000).contains(&took.as_millis()), "{took:?}");
    assert_eq!(health(&upstream), [Health::Failing, Health::Failing]);
}

#[test]
fn refusal_everywhere_ends_at_once() {
    let (_first, first) = closed();
    let (_second, second) = closed();
    let upstream = upstream(&[&first, &second], true);
    let start = Instant::now();
    let error = runtime()
        .block_on(upstream.dial(patience(TIMEOUT)))
        .unwrap_err();
    assert_eq!(error.reason(), "upstream_connect");
    assert!(
        start.elapsed() < Duration::from_millis(250),
        "{:?}",
        start.elapsed()
    );
    assert!(
        is_asked(&upstream.doubted[0]),
        "nobody looks for better addresses"
    );
}

#[test]
fn forbidden_addresses_are_never_dialled() {
    let (open, address) = listener();
    let upstream = upstream(&[&address, "192.168.1.1:443", "[::1]:443"], false);
    let error = runtime()
        .block_on(upstream.dial(patience(TIMEOUT)))
        .unwrap_err();
    assert_eq!(error.reason(), "upstream_forbidden");
    open.set_nonblocking(true).unwrap();
    assert!(open.accept().is_err());
    let status = upstream.status();
    assert_eq!(status.health, Health::Down);
    assert_eq!(status.addresses.len(), 3);
    assert_eq!(status.addresses[1].name, "192.168.1.1:443");
    assert_eq!(status.addresses[2].name, "[::1]:443");
}

#[test]
fn what_got_among_the_candidates_is_judged_once_more() {
    let (open, address) = listener();
    let candidates = Arc::from([address.parse().unwrap()]);
    let ended = runtime().block_on(async {
        Race::new(
            candidates,
            pin!(patience(TIMEOUT)),
            upstream(&[address.as_str()], false).config(),
        )
        .next()
        .await
    });
    assert!(matches!(ended.unwrap().result, Err(DialError::Forbidden)));
    open.set_nonblocking(true).unwrap();
    assert!(open.accept().is_err());
}

#[test]
fn a_dial_waits_for_the_first_answer_but_no_longer_than_its_timeout() {
    let upstream = upstream(&["name.invalid:443"], true);
    let start = Instant::now();
    let error = runtime()
        .block_on(upstream.dial(patience(Duration::from_millis(100))))
        .unwrap_err();
    assert_eq!(error.reason(), "upstream_unresolved");
    assert!(start.elapsed() >= Duration::from_millis(100));

    upstream.answer(0, Err("no DNS".to_owned()));
    let start = Instant::now();
    let error = runtime()
        .block_on(upstream.dial(patience(TIMEOUT)))
        .unwrap_err();
    assert_eq!(error.reason(), "upstream_unresolved");
    assert!(start.elapsed() < Duration::from_millis(100));
}

#[test]
fn workers_share_it_and_its_futures_may_move() {
    fn is_send(value: &impl Send) -> usize {
        size_of_val(value)
    }
    let upstream = upstream(&["name.invalid:443"], true);
    is_send(&upstream);
    is_send(&Arc::clone(&upstream).keep_fresh(TIMEOUT));
    let dial = is_send(&upstream.dial(patience(TIMEOUT)));
    assert!(dial <= 520, "{dial} bytes");
}
