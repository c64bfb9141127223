//! Honest transfers at a steady rate, each from an address of its own, first alone and then beside
//! an attack that takes what they leave of the load's core.

mod attack;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};
use tokio::net::{TcpSocket, TcpStream};
use tokio::runtime;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsConnector;

pub use self::attack::Attack;
use self::attack::Attackers;
use crate::pair::{PATIENCE, Upstream};
use crate::relay::Relay;
use crate::tls;

/// What became of the honest transfers.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// Their speed beside the attack, as a part of that alone.
    pub kept: f64,
    pub attacks_a_second: f64,
}

/// Honest transfers, every second one over TLS.
const HONEST: u8 = 200;
/// Each sends so much, and gets it back, so often: 800 kbit/s.
const CHUNK: usize = 2_000;
const EVERY: Duration = Duration::from_millis(20);

/// Runs transfers for `time` alone, and for as long beside an attack.
pub fn flood(
    relay: &Relay,
    upstream: &Upstream,
    config: &Arc<ClientConfig>,
    attack: Attack,
    time: Duration,
) -> io::Result<Flood> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    upstream.listener().set_nonblocking(true)?;
    let done = runtime.block_on(async {
        let echoes = tokio::spawn(serve(upstream.listener().try_clone()?));
        let (moved, stop) = (Arc::default(), Arc::default());
        let mut transfers = JoinSet::new();
        for client in 0..HONEST {
            let source = Ipv4Addr::new(127, 66, 200, client);
            if client % 2 == 0 {
                let stream = connect(source, relay.plain()).await?;
                transfers.spawn(transfer(stream, Arc::clone(&moved), Arc::clone(&stop)));
            } else {
                let stream = connect(source, relay.tls()).await?;
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(tls::server_name(0), stream).await?;
                transfers.spawn(transfer(stream, Arc::clone(&moved), Arc::clone(&stop)));
            }
        }
        let alone = speed(&moved, time).await;
        let attackers = Attackers::start(attack, relay, config);
        let beside = speed(&moved, time).await;
        let attacks_a_second = attackers.stop();
        stop.store(true, Ordering::Relaxed);
        while let Some(transfer) = transfers.join_next().await {
            transfer??;
        }
        echoes.abort();
        Ok(Flood {
            kept: beside / alone,
            attacks_a_second,
        })
    });
    upstream.listener().set_nonblocking(false)?;
    done
}

/// Chunks a second, once it is steady.
async fn speed(moved: &AtomicU32, time: Duration) -> f64 {
    sleep(time / 10).await;
    let (before, start) = (moved.load(Ordering::Relaxed), Instant::now());
    sleep(time).await;
    f64::from(moved.load(Ordering::Relaxed) - before) / start.elapsed().as_secs_f64()
}

async fn connect(source: Ipv4Addr, target: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends chunks and gets each back, until it is told to stop.
async fn transfer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    moved: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
) -> io::Result<()> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (sent, mut come) = ([7; CHUNK], [0; CHUNK]);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        stream.write_all(&sent).await?;
        stream.flush().await?;
        timeout(PATIENCE, stream.read_exact(&mut come)).await??;
        if come != sent {
            return Err(io::Error::other("what came back was not what was sent"));
        }
        come.fill(0);
        moved.fetch_add(1, Ordering::Relaxed);
    }
    stream.shutdown().await
}

/// Echoes.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let (mut from, mut to) = stream.split();
            copy(&mut from, &mut to).await
        });
    }
}
