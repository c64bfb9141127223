//! What a client has to say before he is connected: TLS, and where a listener has to know, what it
//! is that he brings. His side in; the same side, and the way that it goes, out.

use std::future::poll_fn;

use super::client::Client;
use super::{Outcome, Settings};
use crate::admission::Handshake;
use crate::config::{Gate, Host, HostPort, ProxyHeader};
use crate::deadline::Deadline;
use crate::gate::{self, Hello};
use crate::upstream::Upstream;

/// Where a connection leads.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) proxy_header: ProxyHeader,
    pub(super) is_media: bool,
}

/// What a handshake may take: time, and a place among those of others.
pub(super) struct Limit<'a> {
    pub(super) deadline: &'a Deadline,
    pub(super) place: Option<Handshake>,
}

// === impl Settings ===

impl Settings {
    /// Whether a client must have spoken before he is connected.
    pub(super) fn waits(&self) -> bool {
        self.tls.is_some() || self.listener.gate != Gate::Off
    }

    /// Whether he takes a place among the handshakes meanwhile.
    pub(super) fn takes_place(&self) -> bool {
        self.tls.is_some() || self.listener.gate == Gate::Enforce
    }

    /// Hears a client out, and finds his way.
    pub(super) async fn welcome(
        &self,
        client: Client,
        mut limit: Limit<'_>,
    ) -> Result<(Client, Way<'_>), Outcome> {
        let (mut client, way) = self.sort(client, &mut limit).await?;
        if let Some(decoy) = &self.decoy
            && !way.is_media
            && limit.first(&mut client, gate::is_http).await?
        {
            limit.place = None;
            // Boxed, for others need no room for it.
            return Err(Box::pin(self.show(decoy, client)).await);
        }
        if self.listener.gate == Gate::Log {
            // The handshake is over, and the rest is a look.
            limit.place = None;
        }
        if self.listener.gate != Gate::Off {
            self.judge(&mut client, way, &mut limit).await?;
        }
        Ok((client, way))
    }

    /// Shakes hands with a client, unless he brings media to a listener for everything.
    async fn sort(
        &self,
        mut client: Client,
        limit: &mut Limit<'_>,
    ) -> Result<(Client, Way<'_>), Outcome> {
        if let Some(media) = self.media_way() {
            let hello = limit.first(&mut client, gate::hello).await?;
            if self.is_of_media(hello) {
                return Ok((client, media));
            }
        }
        if let Some(config) = &self.tls {
            client = client.with_tls(config)?;
            let shaken = limit.within(client.shake_hands()).await;
            shaken.inspect_err(|&outcome| turn_out(&client, outcome))??;
        }
        // Media is TLS of the phone's own, also where chat's is around it.
        if let Some(media) = self.media_way()
            && limit.first(&mut client, gate::is_tls).await?
        {
            return Ok((client, media));
        }
        Ok((client, self.way()))
    }

    /// Looks whether a client begins as others do who go that way.
    async fn judge(
        &self,
        client: &mut Client,
        way: Way<'_>,
        limit: &mut Limit<'_>,
    ) -> Result<(), Outcome> {
        let is_right = self.is_right(client, way, limit).await;
        if self.listener.gate == Gate::Log {
            let is_odd = matches!(is_right, Ok(false) | Err(Outcome::HandshakeTimeout));
            if is_odd && self.counters.odd.is_due() {
                let what = if way.is_media { "media" } else { "chat" };
                let name = &self.listener.name;
                log::warn!("listener {name}: a connection does not begin as {what} does");
            }
            return Ok(());
        }
        if is_right? {
            return Ok(());
        }
        limit.place = None;
        // Whether he hears of it or not.
        let _ = limit.within(client.end()).await;
        Err(Outcome::Gate)
    }

    async fn is_right(
        &self,
        client: &mut Client,
        way: Way<'_>,
        limit: &mut Limit<'_>,
    ) -> Result<bool, Outcome> {
        if way.is_media {
            let hello = limit.first(client, gate::hello).await?;
            Ok(self.is_of_media(hello))
        } else {
            limit.first(client, gate::is_chat).await
        }
    }

    /// Whether who begins so wants media: the server that he asks for is known for that, and no
    /// host of chat.
    fn is_of_media(&self, hello: Hello) -> bool {
        let Hello::Client(Some(name)) = hello else {
            return false;
        };
        let is_it = |address: &HostPort| match &address.host {
            Host::Name(host) => host.eq_ignore_ascii_case(&name),
            Host::Address(_) => false,
        };
        let chat = self
            .listener
            .media
            .as_ref()
            .map(|_| &self.listener.upstream);
        let is_chat = chat.is_some_and(|chat| chat.addresses.iter().any(is_it));
        gate::is_among(&name, &self.config.media_names) && !is_chat
    }

    /// The way of all, but for media on a listener for everything.
    pub(super) fn way(&self) -> Way<'_> {
        Way {
            upstream: &self.upstream,
            proxy_header: self.listener.upstream.proxy_header,
            is_media: self.listener.is_media(),
        }
    }

    /// The way of media on a listener for everything.
    pub(super) fn media_way(&self) -> Option<Way<'_>> {
        Some(Way {
            upstream: self.media.as_deref()?,
            proxy_header: self.listener.media.as_deref()?.proxy_header,
            is_media: true,
        })
    }
}

// === impl Limit ===

impl Limit<'_> {
    /// What a `step` of the handshake ends with, unless that takes too long or must make room.
    pub(super) async fn within<F: Future>(&mut self, step: F) -> Result<F::Output, Outcome> {
        let step = async {
            match &mut self.place {
                Some(place) => place.within(step).await,
                None => Ok(step.await),
            }
        };
        let ended = self.deadline.within(step).await;
        Ok(ended.ok_or(Outcome::HandshakeTimeout)??)
    }

    /// What `judge` says of the first bytes of a client.
    async fn first<T>(
        &mut self,
        client: &mut Client,
        judge: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<T, Outcome> {
        let judged = poll_fn(|cx| client.poll_first(cx, &judge));
        let judged = self.within(judged).await;
        judged.inspect_err(|&outcome| turn_out(client, outcome))?
    }
}

/// Has a client who must make room learn that.
fn turn_out(client: &Client, outcome: Outcome) {
    if outcome == Outcome::PushedOut {
        client.reset();
    }
}
