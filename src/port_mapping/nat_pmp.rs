//! The NAT Port Mapping Protocol, RFC 6886: what is asked of a router, and what its answer says. Only
//! for TCP. Sans-I/O.

use std::net::Ipv4Addr;

use super::{Granted, Refusal, Said, Wanted, u16_at, u32_at};

const VERSION: u8 = 0;
/// The bit of an opcode that makes it an answer's.
const ANSWER: u8 = 0x80;
const MAP_TCP: u8 = 2;

/// Asks for the router's address toward the Internet (3.2).
pub(super) const EXTERNAL: [u8; 2] = [VERSION, 0];

/// That address, and no port; `None` where that is no answer to it.
pub(super) fn external(bytes: &[u8]) -> Option<Said> {
    let [VERSION, ANSWER, ..] = *bytes else {
        return None;
    };
    if let Some(refusal) = refusal(u16_at(bytes, 2)?) {
        return Some(Err(refusal));
    }
    Some(Ok(Granted {
        external_port: 0,
        external: Some(u32_at(bytes, 8)?.into()).filter(|ip: &Ipv4Addr| !ip.is_unspecified()),
        lifetime: 0,
    }))
}

/// Asks for a port for `lifetime` seconds (3.3); with none, gives it back (3.4).
pub(super) fn request(wanted: Wanted, lifetime: u32) -> Vec<u8> {
    let external = if lifetime == 0 { 0 } else { wanted.external };
    let mut bytes = vec![VERSION, MAP_TCP, 0, 0];
    bytes.extend(wanted.internal.to_be_bytes());
    bytes.extend(external.to_be_bytes());
    bytes.extend(lifetime.to_be_bytes());
    bytes
}

/// What the router says of `wanted`; `None` where that is no answer to it.
pub(super) fn answer(bytes: &[u8], wanted: Wanted) -> Option<Said> {
    const MAPPED: u8 = ANSWER | MAP_TCP;
    let [VERSION, MAPPED, ..] = *bytes else {
        return None;
    };
    if u16_at(bytes, 8)? != wanted.internal {
        return None;
    }
    if let Some(refusal) = refusal(u16_at(bytes, 2)?) {
        return Some(Err(refusal));
    }
    Some(Ok(Granted {
        external_port: u16_at(bytes, 10)?,
        external: None,
        lifetime: u32_at(bytes, 12)?,
    }))
}

/// What a result code stands for (3.5); nothing for success.
fn refusal(result: u16) -> Option<Refusal> {
    Some(match result {
        0 => return None,
        // This version, or that it is to open a port.
        1 | 5 => Refusal::Version,
        2 => Refusal::Other("it does not allow that"),
        3 => Refusal::Other("it is not on the Internet itself"),
        4 => Refusal::Other("it has no room for more"),
        _ => Refusal::Other("it refuses"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Wanted = Wanted {
        external: 443,
        internal: 10443,
    };

    #[test]
    fn a_request_stands_as_the_rfc_draws_it() {
        let bytes = request(WANTED, 120);
        assert_eq!(bytes, [0, 2, 0, 0, 0x28, 0xcb, 1, 187, 0, 0, 0, 120]);
        assert_eq!(request(WANTED, 0)[6..], [0; 6]);
    }

    #[test]
    fn an_answer_says_what_was_granted() {
        let said = [0, 130, 0, 0, 0, 0, 0, 9, 0x28, 0xcb, 1, 188, 0, 0, 0, 8];
        let granted = Granted {
            external_port: 444,
            external: None,
            lifetime: 8,
        };
        assert_eq!(answer(&said, WANTED), Some(Ok(granted)));
        for end in 0..said.len() {
            assert_eq!(answer(&said[..end], WANTED), None, "{end}");
        }
        let mut refused = said;
        refused[3] = 2;
        let refusal = Refusal::Other("it does not allow that");
        assert_eq!(answer(&refused, WANTED), Some(Err(refusal)));
        let other = Wanted {
            internal: 10587,
            ..WANTED
        };
        assert_eq!(answer(&said, other), None);
    }

    #[test]
    fn the_address_is_told() {
        let said = [0, 128, 0, 0, 0, 0, 0, 9, 198, 41, 7, 9];
        let told = external(&said).unwrap().unwrap();
        assert_eq!(told.external, Some(Ipv4Addr::new(198, 41, 7, 9)));
        for end in 0..said.len() {
            assert_eq!(external(&said[..end]), None, "{end}");
        }
        // What a router says that is not connected.
        let none = [0, 128, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0];
        assert_eq!(external(&none).unwrap().unwrap().external, None);
    }
}
