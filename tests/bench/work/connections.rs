//! New connections, a few at a time: each connects, shakes hands if it is TLS, sends 16 bytes, gets
//! them back, and closes. The upstream closes first, so that no port of a client or of the relay
//! waits for a minute to be used again.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::HandshakeKind::{Full, Resumed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::cost::{Cpu, as_f64};
use crate::pair::{PATIENCE, Upstream};
use crate::relay::Relay;
use crate::tls;

/// How connections are to be made.
#[derive(Clone, Debug)]
pub enum Handshake {
    None,
    Full(Arc<ClientConfig>),
    Resumed(Arc<ClientConfig>),
}

/// What new connections have cost.
#[derive(Clone, Debug)]
pub struct Connections {
    pub cpu: Duration,
    pub time: Duration,
    /// From the start of a connection to its answer, sorted; one for each.
    pub waits: Vec<Duration>,
}

impl Connections {
    pub fn cpu_each(&self) -> Duration {
        self.cpu.div_f64(as_f64(self.waits.len() as u64))
    }

    pub fn a_second(&self) -> f64 {
        as_f64(self.waits.len() as u64) / self.time.as_secs_f64()
    }

    /// The part of the time that the relay was at work.
    pub fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.time.as_secs_f64()
    }
}

/// Makes `count` connections.
pub fn connections(
    relay: &Relay,
    upstream: &Upstream,
    handshake: &Handshake,
    count: u32,
) -> io::Result<Connections> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    upstream.listener().set_nonblocking(true)?;
    let done = runtime.block_on(async {
        let listener = upstream.listener().try_clone()?;
        let echoes = tokio::spawn(serve(listener));
        let address = match handshake {
            Handshake::None => relay.plain(),
            _ => relay.tls(),
        };
        if let Handshake::Resumed(config) = handshake {
            // The first ones of each client, to get the tickets.
            let first = Handshake::Full(config.clone());
            all(address, &first, AT_ONCE).await?;
        }
        settle().await;
        let before = Cpu::of(&relay.processes)?;
        let start = Instant::now();
        let waits = all(address, handshake, count).await?;
        let time = start.elapsed();
        settle().await;
        let cpu = Cpu::of(&relay.processes)?.since(&before);
        echoes.abort();
        Ok(Connections { cpu, time, waits })
    });
    upstream.listener().set_nonblocking(false)?;
    done
}

/// Clients at work at the same time.
const AT_ONCE: u32 = 16;

async fn settle() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

/// All connections, by clients that work one after the other each.
async fn all(address: SocketAddr, handshake: &Handshake, count: u32) -> io::Result<Vec<Duration>> {
    let mut clients = JoinSet::new();
    for client in 0..AT_ONCE {
        let share = count / AT_ONCE + u32::from(client < count % AT_ONCE);
        clients.spawn(several(address, handshake.clone(), client, share));
    }
    let mut waits = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    while let Some(client) = clients.join_next().await {
        waits.extend(client??);
    }
    waits.sort_unstable();
    Ok(waits)
}

async fn several(
    address: SocketAddr,
    handshake: Handshake,
    client: u32,
    count: u32,
) -> io::Result<Vec<Duration>> {
    let mut waits = Vec::new();
    for number in 0..count {
        let message = (u128::from(client) << 64 | u128::from(number)).to_le_bytes();
        let connection = one(address, &handshake, client, message);
        let wait = tokio::time::timeout(PATIENCE, connection).await;
        waits.push(wait.map_err(|_| io::Error::other("no answer came"))??);
    }
    Ok(waits)
}

/// One connection; how long its answer took.
async fn one(
    address: SocketAddr,
    handshake: &Handshake,
    client: u32,
    message: [u8; 16],
) -> io::Result<Duration> {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).await?;
    // What ends a handshake and what follows are two small writes.
    stream.set_nodelay(true)?;
    let (config, kind) = match handshake {
        Handshake::None => return exchange(&mut stream, message, start).await,
        Handshake::Full(config) => (config, Full),
        Handshake::Resumed(config) => (config, Resumed),
    };
    let name = tls::server_name(client);
    let connector = TlsConnector::from(config.clone());
    let mut stream = connector.connect(name, stream).await?;
    let wait = exchange(&mut stream, message, start).await?;
    let was = stream.get_ref().1.handshake_kind();
    if was != Some(kind) {
        let message = format!("a handshake was {was:?} and not {kind:?}");
        return Err(io::Error::other(message));
    }
    Ok(wait)
}

async fn exchange(
    stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    message: [u8; 16],
    start: Instant,
) -> io::Result<Duration> {
    stream.write_all(&message).await?;
    stream.flush().await?;
    let mut answer = [0; 16];
    stream.read_exact(&mut answer).await?;
    let wait = start.elapsed();
    if answer != message {
        return Err(io::Error::other("the answer is another one's"));
    }
    // A relay may leave out the `close_notify`, or be gone already.
    let _ = stream.read(&mut [0]).await;
    let _ = stream.shutdown().await;
    Ok(wait)
}

/// Answers every connection once, and closes it.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            let mut message = [0; 16];
            // Some only look whether we are there.
            if stream.read_exact(&mut message).await.is_ok() {
                let _ = stream.write_all(&message).await;
            }
        });
    }
}
