//! All that comes before the first byte is carried: PROXY header, TLS handshake, and the way to the
//! upstream. An accepted stream in, both sides out, or why there are none.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use tokio::net::TcpStream;

use super::client::Client;
use super::welcome::Limit;
use super::{Outcome, Settings, refuse, seconds};
use crate::address;
use crate::admission::Permit;
use crate::config::{Config, ProxyHeader};
use crate::deadline::{self, Deadline};
use crate::listener;
use crate::proxy_header::{self, Addresses, Header, Version};
use crate::side::{Plain, Side};
use crate::socket;
use crate::upstream::Upstream;

/// A connection whose relay can begin.
pub(super) struct Open {
    pub(super) client: Client,
    pub(super) upstream: Plain,
    pub(super) permit: Permit,
}

/// All that comes before the first byte is carried.
pub(super) async fn open(
    client: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
    settings: Rc<Settings>,
) -> Result<Open, Outcome> {
    let Config {
        limits, timeouts, ..
    } = &*settings.config;
    let deadline = Deadline::after(seconds(timeouts.handshake));
    let limit = |place| Limit {
        deadline: &deadline,
        place,
    };

    let header = if settings.listener.accept_proxy {
        if !settings.trusts(peer) {
            return Err(refuse(&client, Outcome::UntrustedProxy));
        }
        limit(permit.handshake(peer, limits.max_handshakes))
            .within(proxy_header::receive(&client))
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
    let addresses = settings
        .addresses(&client, peer, said)
        .map_err(|_| Outcome::ClientLeft)?;

    let client = Client::Plain(Plain::new(client));
    let (mut client, way) = if settings.waits() {
        // Who is only looked at makes room for nobody, and nobody for him.
        let place = settings
            .takes_place()
            .then(|| permit.handshake(source, limits.max_handshakes));
        settings.welcome(client, limit(place.flatten())).await?
    } else {
        (client, settings.way())
    };

    if way.is_media {
        // Its servers answer whoever asks; phones open chat as well.
        permit.leave_out();
    }

    deadline.set(seconds(timeouts.connect));
    let upstream = dial(way.upstream, &mut client, &deadline).await?;
    if timeouts.idle > socket::LONG_SILENCE {
        // Best effort: without it, the idle timeout does it later.
        let _ = socket::watch(&upstream);
    }
    let mut upstream = Plain::new(upstream);
    if let Some(addresses) = addresses
        && let Some(version) = version(way.proxy_header)
    {
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

fn version(header: ProxyHeader) -> Option<Version> {
    match header {
        ProxyHeader::None => None,
        ProxyHeader::V1 => Some(Version::V1),
        ProxyHeader::V2 => Some(Version::V2),
    }
}

/// Connects to `upstream` for a client who stays. Who leaves without a word, as scans do, frees his
/// place at once: all protocols that are carried begin with the client.
async fn dial(
    upstream: &Upstream,
    client: &mut Client,
    deadline: &Deadline,
) -> Result<TcpStream, Outcome> {
    let mut dial = pin!(upstream.dial(deadline.passed()));
    let dialled = poll_fn(|cx| match dial.as_mut().poll(cx) {
        Poll::Ready(dialled) => Poll::Ready(Ok(dialled)),
        Poll::Pending => client.poll_left(cx).map(|()| Err(Outcome::ClientLeft)),
    });
    dialled.await?.map_err(|error| {
        client.reset();
        error.into()
    })
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

    /// Who is introduced to an upstream, where one wants that: whom a header `said` to be calling, or
    /// else the `peer`.
    fn addresses(
        &self,
        client: &TcpStream,
        peer: SocketAddr,
        said: Option<Addresses>,
    ) -> io::Result<Option<Addresses>> {
        let ways = [Some(self.way()), self.media_way()];
        let mut ways = ways.into_iter().flatten();
        if !ways.any(|way| way.proxy_header != ProxyHeader::None) {
            return Ok(None);
        }
        if said.is_some() {
            return Ok(said);
        }
        let destination = listener::destination(client)?;
        Ok(Some(Addresses {
            source: peer,
            destination,
        }))
    }
}
