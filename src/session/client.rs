//! The client's side, as the listener has it: a stream becomes one with TLS on top, and is ended as
//! fits it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::ServerConfig;

use super::Outcome;
use crate::side::{Plain, READ, Side, with_buffer};
use crate::tls::Tls;

/// The client's side.
pub(super) enum Client {
    Plain(Plain),
    Tls(Box<Tls>),
}

// === impl Client ===

impl Client {
    /// The same with TLS on top, which has not shaken hands.
    pub(super) fn with_tls(self, config: &Arc<ServerConfig>) -> Result<Self, Outcome> {
        match self {
            Self::Plain(client) => Ok(Self::Tls(Tls::new(client, Arc::clone(config))?)),
            Self::Tls(_) => Ok(self),
        }
    }

    /// Shakes hands, where that is due.
    pub(super) async fn shake_hands(&mut self) -> Result<(), Outcome> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(client) => Ok(client.shake_hands().await?),
        }
    }

    /// Shows `judge` the first bytes until it has judged; see [`Plain::poll_first`].
    pub(super) fn poll_first<T>(
        &mut self,
        cx: &mut Context<'_>,
        judge: impl Fn(&[u8]) -> Option<T>,
    ) -> Poll<Result<T, Outcome>> {
        match self {
            Self::Plain(client) => {
                let first = client.poll_first(cx, judge);
                first.map_err(|_| Outcome::ClientLeft)
            }
            Self::Tls(client) => client.poll_first(cx, judge).map_err(Into::into),
        }
    }

    /// Ready when the client is gone and has said nothing that could be carried.
    pub(super) fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Self::Plain(client) => client.poll_left(cx),
            Self::Tls(client) => client.poll_left(cx),
        }
    }

    /// Ends the connection: over TLS as a server does, and otherwise with a reset.
    pub(super) async fn end(&mut self) {
        match self {
            Self::Plain(client) => client.reset(),
            Self::Tls(client) => close(client).await,
        }
    }

    /// Makes the close, which follows when the client is dropped, a reset.
    pub(super) fn reset(&self) {
        match self {
            Self::Plain(client) => client.reset(),
            Self::Tls(client) => client.reset(),
        }
    }
}

/// Ends a connection in order, as far as the client lets it. What he still sends is read: left unread,
/// it would make the close a reset, and cut what he has to read (RFC 9112, 9.6).
pub(super) async fn close(client: &mut impl Side) {
    const MOST: usize = 64 * 1024;
    let mut left = MOST;
    if poll_fn(|cx| client.poll_finish(false, cx)).await.is_err() {
        return;
    }
    while left > 0 {
        match poll_fn(|cx| with_buffer(|buffer| client.poll_read(cx, READ, buffer))).await {
            Ok(read @ 1..) => left = left.saturating_sub(read),
            _ => return,
        }
    }
}
