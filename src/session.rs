//! The life of one connection, from accept to its [`Outcome`]: the only place that knows the
//! order of the stages.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::admission::Permit;
use crate::config::{Config, Listener, ProxyHeader};
use crate::listener;
use crate::proxy_header::{self, Addresses, Header, Version};
use crate::relay::{End, Patience, relay};
use crate::side::{Plain, Side};
use crate::stats::Counters;
use crate::tls::{self, Tls};
use crate::upstream::{DialError, Upstream};

/// What a session needs to know; it keeps what it began with through reloads.
#[derive(Debug)]
pub struct Settings {
    /// Limits and timeouts.
    pub config: Arc<Config>,
    /// The listener that accepted.
    pub listener: Listener,
    /// Where it leads.
    pub upstream: Arc<Upstream>,
    /// How TLS is terminated, where it is.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where it is counted.
    pub counters: Rc<Counters>,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was carried, and ended so.
    Carried(End),
    /// The client left before it could be carried.
    ClientLeft,
    /// PROXY header and TLS together took too long.
    HandshakeTimeout,
    /// What should have been a PROXY header is none.
    ProxyHeader,
    /// The TLS handshake failed.
    Tls,
    /// One client has too many connections.
    TooManyOfClient,
    /// A PROXY header may come only from those whom the operator trusts.
    UntrustedProxy,
    /// The upstream could not be reached.
    Upstream(&'static str),
}

/// Carries the connection of `client`, who calls from `peer`, and counts what became of it.
pub fn run(
    client: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    settings: Rc<Settings>,
) -> impl Future<Output = ()> {
    settings
        .counters
        .active
        .set(settings.counters.active.get() + 1);
    // Boxed, and freed before the relay begins: most of a connection's life needs none of it.
    let opening = Box::pin(open(client, peer, permit, Rc::clone(&settings)));
    async move {
        let outcome = match opening.await {
            Ok((client, upstream, _permit)) => {
                let counters = Rc::clone(&settings.counters);
                let patience = settings.patience();
                Outcome::Carried(match client {
                    Client::Plain(client) => relay(client, upstream, patience, counters).await,
                    Client::Tls(client) => relay(client, upstream, patience, counters).await,
                })
            }
            Err(outcome) => outcome,
        };
        let counters = &settings.counters;
        counters.active.set(counters.active.get() - 1);
        if outcome.is_refusal() {
            counters.refused.count(outcome.reason());
        } else {
            counters.ended.count(outcome.reason());
        }
        log::debug!("{}: {peer}: {}", settings.listener.name, outcome.reason());
    }
}

/// The client's side, as the listener has it.
enum Client {
    Plain(Plain),
    Tls(Box<Tls>),
}

/// All that comes before the first byte is carried.
async fn open(
    client: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
    settings: Rc<Settings>,
) -> Result<(Client, Plain, Permit), Outcome> {
    let Config {
        limits, timeouts, ..
    } = &*settings.config;
    let deadline = Instant::now() + timeouts.handshake;

    let header = if settings.listener.accept_proxy {
        if !settings.trusts(peer) {
            return Err(refuse(&client, Outcome::UntrustedProxy));
        }
        timeout_at(deadline, proxy_header::receive(&client))
            .await
            .map_err(|_| refuse(&client, Outcome::HandshakeTimeout))?
            .map_err(|error| refuse(&client, error.into()))?
    } else {
        Header::Unspecified
    };
    let addresses = match header {
        Header::Proxied(addresses) => addresses,
        Header::Unspecified => Addresses {
            source: peer,
            destination: listener::destination(&client).map_err(|_| Outcome::ClientLeft)?,
        },
    };
    permit
        .identify(addresses.source, limits.max_connections_per_client)
        .map_err(|_| refuse(&client, Outcome::TooManyOfClient))?;

    let client = Plain::new(client);
    let client = match &settings.tls {
        None => Client::Plain(client),
        Some(config) => timeout_at(deadline, tls::accept(client, Arc::clone(config)))
            .await
            .map_err(|_| Outcome::HandshakeTimeout)?
            .map(Client::Tls)?,
    };

    let upstream = match settings.upstream.dial(timeouts.connect).await {
        Ok(upstream) => upstream,
        Err(error) => {
            client.reset();
            return Err(error.into());
        }
    };
    let mut upstream = Plain::new(upstream);
    if let Some(version) = settings.header_version() {
        let header = proxy_header::encode(version, &addresses);
        upstream
            .send(header.as_ref())
            .map_err(|_| Outcome::Upstream("upstream_connect"))?;
    }
    Ok((client, upstream, permit))
}

/// Closes with a reset, which costs us nothing more.
fn refuse(client: &TcpStream, outcome: Outcome) -> Outcome {
    // Cannot fail on a TCP socket; and if it did, an ordinary close would follow.
    let _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
    outcome
}

// === impl Settings ===

impl Settings {
    /// Whether a PROXY header from `peer` counts.
    fn trusts(&self, peer: SocketAddr) -> bool {
        let address = peer.ip().to_canonical();
        let mut trusted = self.config.trusted_proxies.iter();
        trusted.any(|network| network.contains(&address))
    }

    fn header_version(&self) -> Option<Version> {
        match self.listener.upstream.proxy_header {
            ProxyHeader::None => None,
            ProxyHeader::V1 => Some(Version::V1),
            ProxyHeader::V2 => Some(Version::V2),
        }
    }

    fn patience(&self) -> Patience {
        let seconds = |time: Duration| u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        Patience {
            idle: seconds(self.config.timeouts.idle),
            half_close: seconds(self.config.timeouts.half_close),
        }
    }
}

// === impl Client ===

impl Client {
    fn reset(&self) {
        match self {
            Self::Plain(client) => client.reset(),
            Self::Tls(client) => client.reset(),
        }
    }
}

// === impl Outcome ===

impl Outcome {
    /// Its name in status and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Carried(End::Closed) => "closed",
            Self::Carried(End::HalfCloseTimeout) => "half_close_timeout",
            Self::Carried(End::IdleTimeout) => "idle_timeout",
            Self::Carried(End::ResetByClient) => "reset_by_client",
            Self::Carried(End::ResetByUpstream) => "reset_by_upstream",
            Self::ClientLeft => "client_left",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::ProxyHeader => "proxy_header",
            Self::Tls => "tls",
            Self::TooManyOfClient => "max_connections_per_client",
            Self::UntrustedProxy => "untrusted_proxy",
            Self::Upstream(reason) => reason,
        }
    }

    /// Whether the connection was turned away by a rule, and did not fail by itself.
    fn is_refusal(self) -> bool {
        matches!(self, Self::TooManyOfClient | Self::UntrustedProxy)
    }
}

impl From<DialError> for Outcome {
    fn from(error: DialError) -> Self {
        Self::Upstream(error.reason())
    }
}

impl From<proxy_header::ReceiveError> for Outcome {
    fn from(error: proxy_header::ReceiveError) -> Self {
        match error {
            proxy_header::ReceiveError::Invalid(_) => Self::ProxyHeader,
            proxy_header::ReceiveError::Left(_) => Self::ClientLeft,
        }
    }
}

impl From<tls::Error> for Outcome {
    fn from(error: tls::Error) -> Self {
        match error {
            tls::Error::Left(_) => Self::ClientLeft,
            tls::Error::Protocol(_) => Self::Tls,
        }
    }
}
