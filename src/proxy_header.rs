//! PROXY protocol headers, v1 and v2, to and from bytes. Bytes of a client or [`Addresses`] enter,
//! a [`Header`] or the bytes to send leave. Parsing and encoding never do I/O and never wait;
//! [`receive()`] does both for them.

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

    #[expect(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "no header is longer than the longest"
    )]
    fn push(&mut self, bytes: &[u8]) {
        let end = self.len + bytes.len();
        self.bytes[self.len..end].copy_from_slice(bytes);
        self.len = end;
    }
}

impl AsRef<[u8]> for Encoded {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Headers of both versions, every kind of each, and what they say.
    fn samples() -> Vec<(Vec<u8>, Header)> {
        let v4 = proxied("192.168.0.1:56324", "192.168.0.11:443");
        let v6 = proxied(
            "[2001:db8::1]:0",
            "[2001:db8:ffff:ffff:ffff:ffff:ffff:fffe]:65535",
        );
        let both = proxied("192.0.2.1:1", "[2001:db8::1]:2");
        let mut samples = vec![
            (b"PROXY UNKNOWN\r\n".to_vec(), Header::Unspecified),
            (
                b"PROXY UNKNOWN what ever \0\xff\r\n".to_vec(),
                Header::Unspecified,
            ),
            (v2_header(0x20, 0x00, b""), Header::Unspecified),
            (v2_header(0x21, 0x31, &[b'/'; 216]), Header::Unspecified),
        ];
        for addresses in [v4, v6, both] {
            for version in [Version::V1, Version::V2] {
                let bytes = encode(version, &addresses).as_ref().to_vec();
                samples.push((bytes, Header::Proxied(addresses)));
            }
        }
        samples
    }

    pub(super) fn proxied(source: &str, destination: &str) -> Addresses {
        Addresses {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
        }
    }

    pub(super) fn v2_header(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
        let len = u16::try_from(block.len()).unwrap();
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([command, family]);
        header.extend(len.to_be_bytes());
        header.extend(block);
        header
    }

    #[test]
    fn a_header_is_incomplete_up_to_its_last_byte_and_never_takes_the_client_s() {
        for (bytes, header) in samples() {
            let len = bytes.len();
            for end in 0..len {
                assert_eq!(
                    parse(&bytes[..end]),
                    Ok(Parsed::Incomplete),
                    "{end} of {bytes:?}"
                );
            }
            for follows in ["", "\r\n", "PROXY ", "\r\n\r\n\0\r\nQUIT\n"] {
                let stream = [&bytes, follows.as_bytes()].concat();
                assert_eq!(
                    parse(&stream),
                    Ok(Parsed::Complete { header, len }),
                    "{bytes:?}"
                );
            }
        }
    }

    #[test]
    fn a_wrong_byte_ends_it_at_once_or_makes_another_header() {
        for (bytes, _) in samples() {
            for at in 0..bytes.len() {
                for byte in 0..=u8::MAX {
                    let mut wrong = bytes.clone();
                    wrong[at] = byte;
                    let verdict = parse(&wrong);
                    match parse(&wrong[..=at]) {
                        Err(error) => assert_eq!(verdict, Err(error), "{wrong:?}"),
                        Ok(Parsed::Complete { len, .. }) => assert_eq!(len, at + 1, "{wrong:?}"),
                        Ok(Parsed::Incomplete) => {}
                    }
                }
            }
        }
    }

    #[test]
    fn other_protocols_are_told_by_their_first_bytes() {
        let strangers: [&[u8]; 7] = [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET / HTTP/1.1\r\n",
            b"POST / HTTP/1.1\r\n",
            b"PROXX",
            b"PROXY\t",
            b"\r\n\r\n\r\n",
            b"\xed\x00\x01WA",
        ];
        for stranger in strangers {
            assert_eq!(parse(stranger), Err(Error::Missing), "{stranger:?}");
        }
        assert_eq!(parse(b"PO"), Err(Error::Missing));
        assert_eq!(parse(b"\0"), Err(Error::Missing));
    }

    #[test]
    fn mapped_addresses_are_written_as_ipv4() {
        let addresses = proxied("[::ffff:192.0.2.1]:1000", "[::ffff:198.51.100.2]:443");
        let line = encode(Version::V1, &addresses);
        assert_eq!(
            line.as_ref(),
            b"PROXY TCP4 192.0.2.1 198.51.100.2 1000 443\r\n"
        );
        let header = encode(Version::V2, &addresses);
        let block = [192, 0, 2, 1, 198, 51, 100, 2, 3, 232, 1, 187];
        assert_eq!(header.as_ref(), v2_header(0x21, 0x11, &block));
    }

    #[test]
    fn mixed_families_are_written_as_ipv6() {
        let addresses = proxied("192.0.2.1:1000", "[2001:db8::2]:443");
        let line = encode(Version::V1, &addresses);
        assert_eq!(
            line.as_ref(),
            b"PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1000 443\r\n"
        );
        let header = encode(Version::V2, &addresses);
        let mut block = vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1];
        block.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        block.extend([3, 232, 1, 187]);
        assert_eq!(header.as_ref(), v2_header(0x21, 0x21, &block));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            source: (IpAddr, u16),
            destination: (IpAddr, u16),
            v2: bool,
            follows: Vec<u8>,
        ) {
            let addresses = Addresses { source: source.into(), destination: destination.into() };
            let encoded = encode(if v2 { Version::V2 } else { Version::V1 }, &addresses);
            let stream = [encoded.as_ref(), &follows].concat();
            let header = Header::Proxied(addresses.canonical());
            let len = encoded.as_ref().len();
            prop_assert_eq!(parse(&stream), Ok(Parsed::Complete { header, len }));
        }

        #[test]
        fn what_came_first_stays_true(bytes: Vec<u8>, at: prop::sample::Index, sample: prop::sample::Index) {
            // The beginning of a header, then anything.
            let (header, _) = sample.get(&samples()).clone();
            let stream = [&header[..at.index(header.len())], &bytes].concat();
            let mut before = Ok(Parsed::Incomplete);
            for end in 0..=stream.len() {
                let now = parse(&stream[..end]);
                if before != Ok(Parsed::Incomplete) {
                    prop_assert_eq!(now, before);
                }
                before = now;
            }
        }
    }
}
