//! Which addresses no upstream may have: a poisoned name must not open the home network, and
//! nothing but WhatsApp is to be reached through us. An address enters, the reason against it leaves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::address::{Range, is_home_of, range};

/// Why no upstream may be at `ip`, if so. `allow_private` leaves only what is no address of one
/// machine.
pub(super) fn reason(ip: IpAddr, allow_private: bool) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if ip.is_unspecified() {
        return Some(Range::Unspecified.name());
    }
    if ip.is_multicast() {
        return Some(Range::Multicast.name());
    }
    if allow_private {
        return None;
    }
    range(ip).map(Range::name)
}

/// Whether `ip` belongs to this machine or to the home behind it, as the routes are now.
pub(super) fn is_home(ip: IpAddr) -> bool {
    source_towards(ip).is_some_and(|source| is_home_of(source, ip))
}

/// The address of ours that a connection to `ip` would come from. Sends nothing.
pub(super) fn source_towards(ip: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match ip {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    // A route is chosen for any port but 0.
    socket.connect((ip, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_out_on_the_internet_is_refused_by_its_name() {
        for (text, expected) in [
            ("192.168.1.1", Some("private address")),
            ("::ffff:127.0.0.1", Some("loopback address")),
            ("64:ff9b::10.0.0.1", Some("private address")),
            ("192.0.2.1", Some("documentation address")),
            ("::1", Some("loopback address")),
            ("157.240.1.60", None),
            ("2a03:2880::1", None),
        ] {
            assert_eq!(reason(ip(text), false), expected, "{text}");
        }
    }

    #[test]
    fn private_addresses_are_let_through_where_allowed_but_not_what_is_no_machine() {
        for text in [
            "127.0.0.1",
            "192.168.1.1",
            "::1",
            "fd00::1",
            "64:ff9b::10.0.0.1",
        ] {
            assert_eq!(reason(ip(text), true), None, "{text}");
        }
        for text in [
            "0.0.0.0",
            "224.0.0.1",
            "::",
            "ff02::1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
        ] {
            assert!(reason(ip(text), true).is_some(), "{text}");
        }
    }

    #[test]
    fn this_machine_is_at_home() {
        assert!(is_home(ip("127.0.0.1")));
    }
}
