//! A thousand connections at once, each with a stream up and another down.

use std::io;
use std::net::{self, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use crate::support::client::{self, SOURCE};
use crate::support::daemon::Daemon;
use crate::support::exchange::Exchange;
use crate::support::relayed::Kind;
use crate::support::setup::{Setup, listener, upstream};
use crate::support::stand_in::long_queue;
use crate::support::tls::{any_certificate, server_name};

#[test]
fn a_thousand_plain_connections_at_once_are_right_and_leave_no_memory() {
    storm(Kind::Plain);
}

#[test]
fn a_thousand_tls_connections_at_once_are_right_and_leave_no_memory() {
    storm(Kind::Tls);
}

const CONNECTIONS: usize = 1000;
/// What the daemon may keep after an equal storm.
const LEFT: u64 = 1 << 20;
/// For one storm, on a slow machine that has more to do.
const PATIENCE: Duration = Duration::from_mins(4);

fn storm(kind: Kind) {
    let upstream_host = Upstream::start();
    let setup = Setup::new()
        .main("connect_timeout", 60)
        .main("handshake_timeout", 60)
        .main("half_close_timeout", 60)
        .main("max_connections", 2000)
        .with(listener("plain", "chat"))
        .with(listener("tls", "chat").option("tls", 1))
        .with(upstream("chat", upstream_host.address, "none"));
    let daemon = Daemon::start(&setup);
    assert_eq!(
        daemon.status().cap(),
        2000,
        "too few file descriptors for this test"
    );

    let mut memory = vec![];
    // How many are busy at the same time is another number each time, so one storm may need more
    // than the one before; but what leaks does so in each.
    while memory.len() < 5 && memory.last_chunk().is_none_or(|[a, b]| *b >= a + LEFT) {
        let start = Instant::now();
        let moved = blow(kind, daemon.port(kind.listener()));
        println!(
            "{kind:?}: {} MB in {:?}",
            moved / 1_000_000,
            start.elapsed()
        );
        let status = daemon.until("none is open", |status| status.open() == 0);
        memory.push(status.memory_bytes());
    }
    println!("{kind:?}: bytes of memory after each storm: {memory:?}");
    let all = memory.len() * CONNECTIONS;
    upstream_host.assert_all_right(all);
    let status = daemon.status();
    // One that is connected may not be accepted yet when the first is over.
    let peak = CONNECTIONS as u64 / 100 * 99..=CONNECTIONS as u64;
    assert!(peak.contains(&status.peak()), "{} at once", status.peak());
    assert_eq!(status.ended(kind.listener(), "closed"), all as u64);
    let [before, after] = memory.last_chunk().unwrap();
    assert!(*after < before + LEFT, "each storm leaves some: {memory:?}");
}

/// Runs all clients; the bytes that they moved.
fn blow(kind: Kind, port: u16) -> u64 {
    let open = Arc::new(AtomicUsize::new(0));
    runtime().block_on(async {
        let exchanges: Vec<_> = (1..=CONNECTIONS as u64).map(Exchange::new).collect();
        let clients: Vec<_> = exchanges
            .iter()
            .map(|exchange| tokio::spawn(run_client(*exchange, kind, port, open.clone())))
            .collect();
        let mut failed = Vec::new();
        for client in clients {
            failed.extend(
                timeout(PATIENCE, client)
                    .await
                    .expect("the storm ends in time")
                    .unwrap()
                    .err(),
            );
        }
        assert!(
            failed.is_empty(),
            "{} connections failed: {:#?}",
            failed.len(),
            &failed[..failed.len().min(10)]
        );
        exchanges.iter().map(Exchange::bytes).sum()
    })
}

async fn run_client(
    exchange: Exchange,
    kind: Kind,
    port: u16,
    open: Arc<AtomicUsize>,
) -> Result<(), String> {
    let told = |error: io::Error| format!("connection {}: {error}", exchange.seed());
    let socket = TcpSocket::new_v4().map_err(told)?;
    socket.bind((SOURCE, 0).into()).map_err(told)?;
    let stream = socket
        .connect((Ipv4Addr::LOCALHOST, port).into())
        .await
        .map_err(told)?;
    let result = match kind {
        Kind::Plain => {
            all_open(&open).await;
            exchange.as_client(stream).await
        }
        Kind::Tls => {
            let connector = TlsConnector::from(any_certificate());
            let stream = connector
                .connect(server_name(), stream)
                .await
                .map_err(told)?;
            all_open(&open).await;
            exchange.as_client(stream).await
        }
    };
    result.map_err(|error| format!("connection {} ({exchange:?}): {error}", exchange.seed()))
}

/// Waits until every client is connected.
async fn all_open(open: &AtomicUsize) {
    open.fetch_add(1, Ordering::Relaxed);
    while open.load(Ordering::Relaxed) < CONNECTIONS {
        sleep(Duration::from_millis(10)).await;
    }
}

/// WhatsApp's end of all exchanges, on a thread of its own.
struct Upstream {
    address: SocketAddr,
    results: Arc<Mutex<Vec<Result<(), String>>>>,
    _end: oneshot::Sender<()>,
}

impl Upstream {
    fn start() -> Self {
        let listener = long_queue();
        let address = listener.local_addr().unwrap();
        let results = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = oneshot::channel();
        let serving = serve(listener, results.clone());
        thread::spawn(move || {
            runtime().block_on(async {
                tokio::spawn(serving);
                // Whatever happens to the sender is the end.
                let _ = ended.await;
            });
        });
        Self {
            address,
            results,
            _end: end,
        }
    }

    /// Waits for the results of `count` exchanges, of which the last come after their clients'.
    fn assert_all_right(&self, count: usize) {
        let deadline = Instant::now() + client::PATIENCE;
        while self.results.lock().unwrap().len() < count && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let results = self.results.lock().unwrap();
        let failed: Vec<_> = results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .collect();
        assert!(
            failed.is_empty(),
            "{} failed at the upstream: {:#?}",
            failed.len(),
            &failed[..failed.len().min(10)]
        );
        assert_eq!(results.len(), count);
    }
}

async fn serve(listener: net::TcpListener, results: Arc<Mutex<Vec<Result<(), String>>>>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let results = results.clone();
        tokio::spawn(async move {
            if let Some((exchange, result)) = Exchange::as_upstream(stream).await {
                let result = result.map_err(|error| format!("{exchange:?}: {error}"));
                results.lock().unwrap().push(result);
            }
        });
    }
}

fn runtime() -> Runtime {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}
