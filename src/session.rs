//! The life of one connection, from accept to its [`Outcome`]: the only place that knows the
//! order of the stages.

mod outcome;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;

pub use self::outcome::Outcome;

use crate::address;
use crate::admission::{Handshake, Permit};
use crate::config::{Config, Listener, ProxyHeader};
use crate::deadline::{self, Deadline};
use crate::listener;
use crate::proxy_header::{self, Addresses, Header, Version};
use crate::relay::{Patience, Relay};
use crate::side::{Plain, Side};
use crate::socket;
use crate::stats::Counters;
use crate::tls::Tls;
use crate::upstream::Upstream;

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

/// Carries the connection of `client`, who calls from `peer`, and counts what became of it. `None`
/// if it was turned away at once: a flood must not cost a task for each.
pub fn run(
    client: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
    settings: Rc<Settings>,
) -> Option<impl Future<Output = ()>> {
    let Counters {
        active, refused, ..
    } = &*settings.counters;
    if !settings.listener.accept_proxy
        && let Err(refusal) = permit.identify(peer, &settings.config.limits)
    {
        refused.count(refuse(&client, refusal.into()).reason());
        return None;
    }
    active.set(active.get().saturating_add(1));
    let opening = open(client, peer, permit, Rc::clone(&settings));
    Some(Session {
        stage: Stage::Opening(Box::pin(opening)),
        settings,
    })
}

/// A connection, as small as can be: routers hold thousands of them.
struct Session<O> {
    stage: Stage<O>,
    settings: Rc<Settings>,
}

/// Where a connection is in its life. What only its beginning needs is boxed, and freed after.
enum Stage<O> {
    Opening(Pin<Box<O>>),
    Plain {
        relay: Relay<Plain, Plain>,
        _permit: Permit,
    },
    Tls {
        relay: Relay<Box<Tls>, Plain>,
        _permit: Permit,
    },
}

// === impl Session ===

impl<O: Future<Output = Result<Open, Outcome>>> Future for Session<O> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let session = self.get_mut();
        let outcome = loop {
            match &mut session.stage {
                Stage::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(open) => session.stage = session.settings.relay(open),
                    Err(outcome) => break outcome,
                },
                Stage::Plain { relay, .. } => break ready!(Pin::new(relay).poll(cx)).into(),
                Stage::Tls { relay, .. } => break ready!(Pin::new(relay).poll(cx)).into(),
            }
        };
        session.settings.count(outcome);
        Poll::Ready(())
    }
}

/// A connection whose relay can begin.
struct Open {
    client: Client,
    upstream: Plain,
    permit: Permit,
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
) -> Result<Open, Outcome> {
    let Config {
        limits, timeouts, ..
    } = &*settings.config;
    let deadline = Deadline::after(seconds(timeouts.handshake));

    let header = if settings.listener.accept_proxy {
        if !settings.trusts(peer) {
            return Err(refuse(&client, Outcome::UntrustedProxy));
        }
        let handshake = permit.handshake(peer, limits.max_handshakes);
        within(&deadline, handshake, proxy_header::receive(&client))
            .await
            .and_then(|header| Ok(header?))
            .map_err(|outcome| refuse(&client, outcome))?
    } else {
        Header::Unspecified
    };
    let said = match header {
        Header::Proxied(addresses) => Some(addresses),
        Header::Unspecified => None,
    };
    let source = said.map_or(peer, |addresses| addresses.source);
    if settings.listener.accept_proxy {
        permit
            .identify(source, limits)
            .map_err(|refusal| refuse(&client, refusal.into()))?;
    }
    settings.note_outside(&client, source.ip());
    let introduction = settings
        .introduction(&client, peer, said)
        .map_err(|_| Outcome::ClientLeft)?;

    let client = Plain::new(client);
    let client = match &settings.tls {
        None => Client::Plain(client),
        Some(config) => {
            let mut tls = Tls::new(client, Arc::clone(config))?;
            let handshake = permit.handshake(source, limits.max_handshakes);
            let shaken = within(&deadline, handshake, tls.shake_hands()).await;
            if matches!(shaken, Err(Outcome::PushedOut)) {
                tls.reset();
            }
            shaken??;
            Client::Tls(tls)
        }
    };

    deadline.set(seconds(timeouts.connect));
    let upstream = match settings.upstream.dial(deadline.passed()).await {
        Ok(upstream) => upstream,
        Err(error) => {
            client.reset();
            return Err(error.into());
        }
    };
    if timeouts.idle > socket::LONG_SILENCE {
        // Best effort: without it, the idle timeout does it later.
        let _ = socket::watch(&upstream);
    }
    let mut upstream = Plain::new(upstream);
    if let Some((version, addresses)) = introduction {
        let header = proxy_header::encode(version, &addresses);
        if upstream.send(header.as_ref()).is_err() {
            client.reset();
            return Err(Outcome::Upstream("upstream_connect"));
        }
    }
    Ok(Open {
        client,
        upstream,
        permit,
    })
}

/// What a `step` of a handshake ends with, unless that takes too long or must make room.
async fn within<F: Future>(
    deadline: &Deadline,
    handshake: Option<Handshake>,
    step: F,
) -> Result<F::Output, Outcome> {
    let step = async {
        match handshake {
            Some(mut handshake) => handshake.within(step).await,
            None => Ok(step.await),
        }
    };
    let ended = deadline.within(step).await;
    Ok(ended.ok_or(Outcome::HandshakeTimeout)??)
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

/// Turns a client away.
fn refuse(client: &TcpStream, outcome: Outcome) -> Outcome {
    socket::reset_on_close(client);
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

    /// Notes that a client from outside was let in, and when, but not which.
    fn note_outside(&self, client: &TcpStream, source: IpAddr) {
        let last = &self.counters.last_outside;
        let now = Some(deadline::now());
        // Once a second is enough.
        if last.get() == now || !address::is_outside(source) {
            return;
        }
        // Who uses the shared link at home may come with a public address.
        let is_home = |local: SocketAddr| address::is_home_of(local.ip(), source);
        if !client.local_addr().is_ok_and(is_home) {
            last.set(now);
        }
    }

    /// Who is introduced to the upstream, where it wants that: whom a header `said` to be calling,
    /// or else the `peer`.
    fn introduction(
        &self,
        client: &TcpStream,
        peer: SocketAddr,
        said: Option<Addresses>,
    ) -> io::Result<Option<(Version, Addresses)>> {
        let version = match self.listener.upstream.proxy_header {
            ProxyHeader::None => return Ok(None),
            ProxyHeader::V1 => Version::V1,
            ProxyHeader::V2 => Version::V2,
        };
        let addresses = match said {
            Some(addresses) => addresses,
            None => Addresses {
                source: peer,
                destination: listener::destination(client)?,
            },
        };
        Ok(Some((version, addresses)))
    }

    fn relay<O>(&self, open: Open) -> Stage<O> {
        let patience = Patience {
            idle: seconds(self.config.timeouts.idle),
            half_close: seconds(self.config.timeouts.half_close),
        };
        let counters = Rc::clone(&self.counters);
        let Open {
            client,
            upstream,
            permit,
        } = open;
        match client {
            Client::Plain(client) => Stage::Plain {
                relay: Relay::new(client, upstream, patience, counters),
                _permit: permit,
            },
            Client::Tls(client) => Stage::Tls {
                relay: Relay::new(client, upstream, patience, counters),
                _permit: permit,
            },
        }
    }

    /// Counts a connection that has ended.
    fn count(&self, outcome: Outcome) {
        let Counters {
            active,
            refused,
            ended,
            ..
        } = &*self.counters;
        active.set(active.get().saturating_sub(1));
        let tally = if outcome.is_refusal() { refused } else { ended };
        tally.count(outcome.reason());
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

#[cfg(test)]
mod tests {
    use super::*;

    /// tokio rounds a task up to a multiple of 128 bytes, and routers hold thousands of them.
    #[test]
    fn session_future_stays_small() {
        fn size_of_output<A, B, C, D, F>(_: impl Fn(A, B, C, D) -> Option<F>) -> usize {
            size_of::<F>()
        }
        let size = size_of_output(run);
        assert!(size <= 160, "{size} bytes");
    }
}
