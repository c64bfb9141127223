//! PROXY protocol headers, v1 and v2, to and from bytes. Never does I/O.

use std::net::SocketAddr;

/// Who speaks, and what he connected to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}
