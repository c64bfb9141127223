//! PROXY protocol headers, v1 and v2, to and from bytes. Bytes of a client or [`Addresses`] enter,
//! a [`Header`] or the bytes to send leave. Parsing and encoding never do I/O and never wait;
//! [`receive`] does both for them.

mod receive;
mod v1;
mod v2;

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

pub use self::receive::{ReceiveError, receive};

/// The longest header accepted, in bytes. A v1 line ends much earlier, at 536.
pub const MAX_LEN: usize = v2::MAX_LEN;

/// Who speaks, and what he connected to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// The client.
    pub source: SocketAddr,
    /// What the client connected to.
    pub destination: SocketAddr,
}

/// What the bytes at the beginning of a connection are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parsed {
    /// All of them belong to a header, which needs more.
    Incomplete,
    /// They begin with a whole header.
    Complete {
        /// What it says.
        header: Header,
        /// Its bytes; what follows them is the client's.
        len: usize,
    },
}

/// What a header says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Header {
    /// The connection was made for somebody else. An IPv4 address is never in its mapped form here,
    /// so one address may be IPv4 and the other IPv6.
    Proxied(Addresses),
    /// The addresses of the socket count: v1 UNKNOWN, v2 LOCAL and whatever is not TCP over IP.
    Unspecified,
}

/// Why bytes cannot be, or become, a header.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Error {
    /// An address that is malformed or of the other family.
    #[error("malformed address in the PROXY header")]
    Address,
    /// v2: a version other than 2, or a command other than LOCAL and PROXY.
    #[error("unknown version or command in the PROXY header")]
    Command,
    /// v1: the line does not end where it must, with CR and LF.
    #[error("malformed end of the PROXY header")]
    LineEnd,
    /// Something else speaks here: a client that came past the load balancer, or a scanner.
    #[error("no PROXY header")]
    Missing,
    /// v1: a port that is not a plain decimal number up to 65535.
    #[error("malformed port in the PROXY header")]
    Port,
    /// A family or transport that the specification does not know.
    #[error("unknown protocol in the PROXY header")]
    Protocol,
    /// Longer than [`MAX_LEN`], or than 536 bytes in v1.
    #[error("PROXY header too long")]
    TooLong,
    /// v2: the length has no room for the addresses that the family calls for.
    #[error("PROXY header too short for its addresses")]
    TooShort,
}

/// The form of a header that we send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Version {
    /// One line of text.
    V1,
    /// Binary, without TLVs.
    V2,
}

/// A header to send.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    bytes: [u8; Encoded::CAPACITY],
    len: usize,
}

/// Reads the header that a connection begins with.
///
/// `bytes` is all that came so far. An error comes with the first byte that no header can have in
/// its place, so nobody is waited for in vain.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Error> {
    match bytes.first() {
        None => Ok(Parsed::Incomplete),
        Some(b'P') => v1::parse(bytes),
        Some(_) => v2::parse(bytes),
    }
}

/// Writes the header that tells `addresses` to an upstream.
///
/// Mapped IPv4 addresses are written as IPv4. Where only one of the two is IPv4, both are written
/// as IPv6, that one in its mapped form: neither version can mix families.
pub fn encode(version: Version, addresses: &Addresses) -> Encoded {
    let addresses = addresses.in_one_family();
    match version {
        Version::V1 => v1::encode(&addresses),
        Version::V2 => v2::encode(&addresses),
    }
}

impl Addresses {
    fn canonical(self) -> Self {
        Self {
            source: with_ip(self.source, self.source.ip().to_canonical()),
            destination: with_ip(self.destination, self.destination.ip().to_canonical()),
        }
    }

    /// IPv4 where both can be, IPv6 otherwise.
    fn in_one_family(self) -> Self {
        let plain = self.canonical();
        if plain.source.is_ipv4() == plain.destination.is_ipv4() {
            return plain;
        }
        Self {
            source: with_ip(plain.source, mapped(plain.source.ip())),
            destination: with_ip(plain.destination, mapped(plain.destination.ip())),
        }
    }
}

impl Encoded {
    /// The longest line of v1, two full IPv6 addresses; no v2 header of ours is longer.
    const CAPACITY: usize = 104;

    fn new() -> Self {
        Self {
            bytes: [0; Self::CAPACITY],
            len: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A new address, so that neither flow label nor scope of an IPv6 socket comes along.
fn with_ip(address: SocketAddr, ip: IpAddr) -> SocketAddr {
    SocketAddr::new(ip, address.port())
}

fn mapped(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) => IpAddr::V6(ip.to_ipv6_mapped()),
        IpAddr::V6(_) => ip,
    }
}
