//! How connections end: what each stage says of an end enters, the reason that it is counted under
//! leaves. The one set of labels in status and metrics.

use crate::admission::{PushedOut, Refusal};
use crate::proxy_header;
use crate::relay::End;
use crate::tls;
use crate::upstream::DialError;

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was carried, and ended so.
    Carried(End),
    /// The client left before it could be carried.
    ClientLeft,
    /// A browser was shown the decoy.
    Decoy,
    /// It did not begin as its service does.
    Gate,
    /// PROXY header, TLS and first bytes together took too long.
    HandshakeTimeout,
    /// What should have been a PROXY header is none.
    ProxyHeader,
    /// The handshake had to make room for another.
    PushedOut,
    /// The TLS handshake failed.
    Tls,
    /// Connections of one client come too fast.
    TooFastOfClient,
    /// One client has too many connections.
    TooManyOfClient,
    /// A PROXY header may come only from those whom the operator trusts.
    UntrustedProxy,
    /// The upstream could not be reached.
    Upstream(&'static str),
}

// === impl Outcome ===

impl Outcome {
    /// Its name in status and metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Carried(End::Closed) => "closed",
            Self::Carried(End::HalfCloseTimeout) => "half_close_timeout",
            Self::Carried(End::IdleTimeout) => "idle_timeout",
            Self::Carried(End::Paused(pause)) => pause.reason(),
            Self::Carried(End::ResetByClient) => "reset_by_client",
            Self::Carried(End::ResetByUpstream) => "reset_by_upstream",
            Self::ClientLeft => "client_left",
            Self::Decoy => "decoy",
            Self::Gate => "gate",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::ProxyHeader => "proxy_header",
            Self::PushedOut => "max_handshakes",
            Self::Tls => "tls",
            Self::TooFastOfClient => "max_rate_per_client",
            Self::TooManyOfClient => "max_connections_per_client",
            Self::UntrustedProxy => "untrusted_proxy",
            Self::Upstream(reason) => reason,
        }
    }

    /// Whether the connection was turned away by a rule, and did not fail by itself.
    pub(super) fn is_refusal(self) -> bool {
        matches!(
            self,
            Self::Gate
                | Self::PushedOut
                | Self::TooFastOfClient
                | Self::TooManyOfClient
                | Self::UntrustedProxy
        )
    }
}

impl From<End> for Outcome {
    fn from(end: End) -> Self {
        Self::Carried(end)
    }
}

impl From<PushedOut> for Outcome {
    fn from(_: PushedOut) -> Self {
        Self::PushedOut
    }
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::TooFast => Self::TooFastOfClient,
            Refusal::TooMany => Self::TooManyOfClient,
        }
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
