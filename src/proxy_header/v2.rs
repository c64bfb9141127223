//! Version 2: a signature, four bytes, and a block of the length that they say.

use std::net::{IpAddr, SocketAddr};

use super::{Addresses, Encoded, Error, Header, Parsed};

/// Real headers have some hundred bytes; names out of a client's certificate may add a few more.
pub(super) const MAX_LEN: usize = 4096;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// What stands before the block: the signature, command, family and length.
const FIXED_LEN: usize = SIGNATURE.len() + 4;

const LOCAL: u8 = 0x20;
const PROXY: u8 = 0x21;

const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// Two addresses and two ports.
const TCP4_LEN: u8 = 12;
const TCP6_LEN: u8 = 36;

pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Error> {
    let Some(rest) = bytes.strip_prefix(&SIGNATURE) else {
        let may_go_on = SIGNATURE.starts_with(bytes);
        return if may_go_on {
            Ok(Parsed::Incomplete)
        } else {
            Err(Error::Missing)
        };
    };
    let mut fixed = rest.iter().copied();

    let Some(command) = fixed.next() else {
        return Ok(Parsed::Incomplete);
    };
    if !matches!(command, LOCAL | PROXY) {
        return Err(Error::Command);
    }

    let Some(family) = fixed.next() else {
        return Ok(Parsed::Incomplete);
    };
    // The family of LOCAL is to be ignored, even a wrong one.
    if command == PROXY && !is_known(family) {
        return Err(Error::Protocol);
    }

    let Some(high) = fixed.next() else {
        return Ok(Parsed::Incomplete);
    };
    check_not_too_long(u16::from_be_bytes([high, 0]))?;

    let Some(low) = fixed.next() else {
        return Ok(Parsed::Incomplete);
    };
    let block_len = u16::from_be_bytes([high, low]);
    check_not_too_long(block_len)?;
    let needed = match (command, family) {
        (PROXY, TCP4) => TCP4_LEN,
        (PROXY, TCP6) => TCP6_LEN,
        _ => 0,
    };
    if block_len < needed.into() {
        return Err(Error::TooShort);
    }

    let len = FIXED_LEN + usize::from(block_len);
    let Some(block) = bytes.get(FIXED_LEN..len) else {
        return Ok(Parsed::Incomplete);
    };
    // Behind the addresses come TLVs, of which we need none.
    let header = match (command, family) {
        (PROXY, TCP4) => Header::Proxied(read::<4>(block).ok_or(Error::TooShort)?),
        (PROXY, TCP6) => Header::Proxied(read::<16>(block).ok_or(Error::TooShort)?),
        _ => Header::Unspecified,
    };
    Ok(Parsed::Complete { header, len })
}

/// `addresses` are of one family.
pub(super) fn encode(addresses: &Addresses) -> Encoded {
    let (family, len) = if addresses.source.is_ipv4() {
        (TCP4, TCP4_LEN)
    } else {
        (TCP6, TCP6_LEN)
    };
    let mut header = Encoded::new();
    header.push(&SIGNATURE);
    header.push(&[PROXY, family, 0, len]);
    for address in [addresses.source, addresses.destination] {
        match address.ip() {
            IpAddr::V4(ip) => header.push(&ip.octets()),
            IpAddr::V6(ip) => header.push(&ip.octets()),
        }
    }
    header.push(&addresses.source.port().to_be_bytes());
    header.push(&addresses.destination.port().to_be_bytes());
    header
}

/// UNSPEC, IPv4, IPv6 or Unix; UNSPEC, stream or datagram.
fn is_known(family: u8) -> bool {
    family >> 4 <= 3 && family & 0x0f <= 2
}

fn check_not_too_long(block_len: u16) -> Result<(), Error> {
    if usize::from(block_len) > MAX_LEN - FIXED_LEN {
        return Err(Error::TooLong);
    }
    Ok(())
}

/// Two addresses of `N` bytes and their ports.
fn read<const N: usize>(block: &[u8]) -> Option<Addresses>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = block.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk::<2>()?;
    let (destination_port, _) = rest.split_first_chunk::<2>()?;
    let address = |ip: &[u8; N], port| SocketAddr::new((*ip).into(), u16::from_be_bytes(port));
    let addresses = Addresses {
        source: address(source, *source_port),
        destination: address(destination, *destination_port),
    };
    Some(addresses.canonical())
}
