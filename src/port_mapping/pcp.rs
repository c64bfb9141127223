//! The Port Control Protocol, RFC 6887: what is asked of a router, and what its answer says. Only
//! its opcode MAP (11), for TCP over IPv4, without options. Sans-I/O.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Granted, Refusal, Said, Wanted, u16_at, u32_at};

/// What tells our mappings from those of others.
pub(super) type Nonce = [u8; 12];

const VERSION: u8 = 2;
const MAP: u8 = 1;
/// The bit of an opcode that makes it an answer's.
const ANSWER: u8 = 0x80;
const TCP: u8 = 6;

/// Asks for a port for `lifetime` seconds; with none, gives it back (15).
pub(super) fn request(own: Ipv4Addr, nonce: &Nonce, wanted: Wanted, lifetime: u32) -> Vec<u8> {
    // Where it is given back, nothing is suggested.
    let external = if lifetime == 0 { 0 } else { wanted.external };
    let mut bytes = vec![VERSION, MAP, 0, 0];
    bytes.extend(lifetime.to_be_bytes());
    bytes.extend(own.to_ipv6_mapped().octets());
    bytes.extend(nonce);
    bytes.extend([TCP, 0, 0, 0]);
    bytes.extend(wanted.internal.to_be_bytes());
    bytes.extend(external.to_be_bytes());
    // Any address of the router's, as long as it is of IPv4 (11.1).
    bytes.extend(Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets());
    bytes
}

/// What the router says of `wanted`; `None` where that is no answer to it.
pub(super) fn answer(bytes: &[u8], nonce: &Nonce, wanted: Wanted) -> Option<Said> {
    let [version, opcode, _, result, ..] = *bytes else {
        return None;
    };
    // Who knows NAT-PMP alone says so in its version (appendix A), and in no words of ours.
    if version == 0 {
        return Some(Err(Refusal::Version));
    }
    if opcode != ANSWER | MAP {
        return None;
    }
    // Or that it opens no ports (7.4).
    if version != VERSION || matches!(result, 1 | 4) {
        return Some(Err(Refusal::Version));
    }
    let is_ours = bytes.get(24..36)? == nonce
        && *bytes.get(36)? == TCP
        && u16_at(bytes, 40)? == wanted.internal;
    if !is_ours {
        return None;
    }
    if result != 0 {
        return Some(Err(Refusal::Other(words(result))));
    }
    let external = Ipv6Addr::from(*bytes.get(44..)?.first_chunk::<16>()?);
    Some(Ok(Granted {
        external_port: u16_at(bytes, 42)?,
        external: external.to_ipv4_mapped().filter(|ip| !ip.is_unspecified()),
        lifetime: u32_at(bytes, 4)?,
    }))
}

/// The result codes (7.4) that say more than that it failed.
fn words(result: u8) -> &'static str {
    match result {
        2 => "it does not allow that",
        7 => "it is not on the Internet itself",
        8 | 10 => "it has no room for more",
        11 => "it cannot give that port away",
        12 => "there is another router between",
        _ => "it refuses",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: Nonce = *b"twelve bytes";
    const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 178, 20);
    const WANTED: Wanted = Wanted {
        external: 443,
        internal: 10443,
    };

    /// What a router would say to a request of ours.
    fn said(result: u8, lifetime: u32, external: u16) -> Vec<u8> {
        let mut bytes = request(OWN, &NONCE, WANTED, lifetime);
        bytes[1] |= ANSWER;
        bytes[3] = result;
        bytes[8..24].fill(0);
        bytes[42..44].copy_from_slice(&external.to_be_bytes());
        bytes[44..].copy_from_slice(&Ipv4Addr::new(198, 41, 7, 9).to_ipv6_mapped().octets());
        bytes
    }

    #[test]
    fn a_request_stands_as_the_rfc_draws_it() {
        let bytes = request(OWN, &NONCE, WANTED, 120);
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255];
        let expected = [
            &[2, 1, 0, 0, 0, 0, 0, 120][..],
            &mapped,
            &[192, 168, 178, 20],
            &NONCE,
            &[6, 0, 0, 0, 0x28, 0xcb, 1, 187],
            &mapped,
            &[0, 0, 0, 0],
        ];
        assert_eq!(bytes, expected.concat());
        assert_eq!(request(OWN, &NONCE, WANTED, 0)[42..44], [0, 0]);
    }

    #[test]
    fn an_answer_says_what_was_granted() {
        let granted = Granted {
            external_port: 444,
            external: Some(Ipv4Addr::new(198, 41, 7, 9)),
            lifetime: 8,
        };
        assert_eq!(answer(&said(0, 8, 444), &NONCE, WANTED), Some(Ok(granted)));
        let refusal = Refusal::Other("it does not allow that");
        assert_eq!(answer(&said(2, 0, 0), &NONCE, WANTED), Some(Err(refusal)));
    }

    #[test]
    fn no_address_is_none() {
        let mut bytes = said(0, 8, 443);
        bytes[44..].copy_from_slice(&Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().octets());
        let granted = answer(&bytes, &NONCE, WANTED).unwrap().unwrap();
        assert_eq!((granted.external, granted.external_port), (None, 443));
    }

    #[test]
    fn an_older_router_is_known_by_its_answer() {
        for old in [
            &[0, 0x81, 0, 1][..],
            &[0, 128, 0, 1, 0, 0, 0, 9],
            &said(1, 0, 0),
        ] {
            assert_eq!(answer(old, &NONCE, WANTED), Some(Err(Refusal::Version)));
        }
    }

    #[test]
    fn what_answers_something_else_is_no_answer() {
        let right = said(0, 8, 443);
        for end in 0..right.len() {
            assert_eq!(answer(&right[..end], &NONCE, WANTED), None, "{end}");
        }
        assert_eq!(answer(&right, b"another one!", WANTED), None);
        let other = Wanted {
            internal: 10587,
            ..WANTED
        };
        assert_eq!(answer(&right, &NONCE, other), None);
        assert_eq!(
            answer(&request(OWN, &NONCE, WANTED, 8), &NONCE, WANTED),
            None
        );
    }
}
