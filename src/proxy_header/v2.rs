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

#[cfg(test)]
mod tests {
    use super::super::tests::{proxied, v2_header};
    use super::*;

    const BLOCK_V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 2, 0xdb, 0xc4, 0x01, 0xbb];

    fn header_of(bytes: &[u8]) -> Result<Header, Error> {
        match parse(bytes)? {
            Parsed::Complete { header, len } if len == bytes.len() => Ok(header),
            parsed => panic!("{parsed:?} of {bytes:?}"),
        }
    }

    #[test]
    fn addresses_stand_in_the_order_of_the_specification() {
        let addresses = proxied("192.0.2.1:56260", "198.51.100.2:443");
        let bytes = v2_header(PROXY, TCP4, &BLOCK_V4);
        assert_eq!(header_of(&bytes), Ok(Header::Proxied(addresses)));
        assert_eq!(encode(&addresses).as_ref(), bytes);

        let mut block = [0; 36];
        block[..2].copy_from_slice(&[0x20, 0x01]);
        block[15] = 1;
        block[16..18].copy_from_slice(&[0x20, 0x02]);
        block[31] = 2;
        block[32..].copy_from_slice(&[0, 3, 0, 4]);
        let addresses = proxied("[2001::1]:3", "[2002::2]:4");
        let bytes = v2_header(PROXY, TCP6, &block);
        assert_eq!(header_of(&bytes), Ok(Header::Proxied(addresses)));
        assert_eq!(encode(&addresses).as_ref(), bytes);
    }

    #[test]
    fn tlvs_are_skipped_well_formed_or_not() {
        let expected = Ok(Header::Proxied(proxied(
            "192.0.2.1:56260",
            "198.51.100.2:443",
        )));
        for tlvs in [
            &b"\x04\0\0"[..],
            b"\x02\0\x0bexample.org",
            b"\x20\xff\xff",
            b"\0",
        ] {
            let block = [&BLOCK_V4, tlvs].concat();
            assert_eq!(header_of(&v2_header(PROXY, TCP4, &block)), expected);
        }
    }

    #[test]
    fn whatever_is_not_tcp_over_ip_leaves_the_socket_s_addresses() {
        for family in [0x00, 0x01, 0x02, 0x10, 0x12, 0x20, 0x22, 0x30, 0x31, 0x32] {
            for block in [&b""[..], &[0; 300]] {
                let bytes = v2_header(PROXY, family, block);
                assert_eq!(header_of(&bytes), Ok(Header::Unspecified), "{family:#x}");
            }
        }
    }

    #[test]
    fn local_is_taken_whatever_it_carries() {
        for family in 0..=u8::MAX {
            for block in [&b""[..], &BLOCK_V4] {
                let bytes = v2_header(LOCAL, family, block);
                assert_eq!(header_of(&bytes), Ok(Header::Unspecified), "{family:#x}");
            }
        }
    }

    #[test]
    fn a_wrong_byte_is_told_when_it_comes() {
        let mut bytes = SIGNATURE.to_vec();
        for command in (0..=u8::MAX).filter(|command| ![LOCAL, PROXY].contains(command)) {
            bytes.truncate(12);
            bytes.push(command);
            assert_eq!(parse(&bytes), Err(Error::Command), "{command:#x}");
        }
        for family in (0..=u8::MAX).filter(|family| family >> 4 > 3 || family & 0x0f > 2) {
            bytes.truncate(12);
            bytes.extend([PROXY, family]);
            assert_eq!(parse(&bytes), Err(Error::Protocol), "{family:#x}");
        }
        for (family, len) in [(TCP4, 11), (TCP6, 35), (TCP4, 0)] {
            bytes.truncate(12);
            bytes.extend([PROXY, family, 0, len]);
            assert_eq!(parse(&bytes), Err(Error::TooShort), "{len}");
        }
        bytes.truncate(12);
        bytes.extend([PROXY, TCP4, 0x10]);
        assert_eq!(parse(&bytes), Err(Error::TooLong));
    }

    #[test]
    fn a_header_may_have_4096_bytes_and_not_one_more() {
        let longest = v2_header(LOCAL, 0, &[0; 4080]);
        assert_eq!(longest.len(), MAX_LEN);
        assert_eq!(header_of(&longest), Ok(Header::Unspecified));
        let too_long = v2_header(LOCAL, 0, &[0; 4081]);
        assert_eq!(parse(&too_long[..FIXED_LEN]), Err(Error::TooLong));
    }
}
