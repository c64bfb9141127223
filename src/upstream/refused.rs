//! Which addresses no upstream may have: a poisoned name must not open the home network, and
//! nothing but WhatsApp is to be reached through us. An address enters, the reason against it leaves.

use std::io;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv6Net};

use super::networks;
use crate::address::{Range, plain, range};

/// What a home is given at most, RFC 6177. No upstream is so near.
const SITE_BITS: u8 = 48;

/// Why no upstream may be at `ip`, if so, as this machine's addresses are now. `allow_private`
/// leaves only what is no address of one machine.
pub(super) fn reason(ip: IpAddr, allow_private: bool) -> io::Result<Option<&'static str>> {
    let ip = plain(ip);
    if ip.is_unspecified() {
        return Ok(Some(Range::Unspecified.name()));
    }
    if ip.is_multicast() {
        return Ok(Some(Range::Multicast.name()));
    }
    if allow_private {
        return Ok(None);
    }
    if let Some(range) = range(ip) {
        return Ok(Some(range.name()));
    }
    Ok(is_home(ip)?.then_some("home address"))
}

/// Whether `ip` belongs to this machine or to the home behind it. A home's computers may have public
/// addresses, which no list of ranges can tell from others.
fn is_home(ip: IpAddr) -> io::Result<bool> {
    let own = networks::own()?;
    Ok(own.into_iter().any(|network| site(network).contains(&ip)))
}

/// All that may be at home where one network is.
fn site(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(network) if network.prefix_len() > SITE_BITS => {
            Ipv6Net::new_assert(network.addr(), SITE_BITS).into()
        }
        network => network,
    }
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
            assert_eq!(reason(ip(text), false).unwrap(), expected, "{text}");
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
            assert_eq!(reason(ip(text), true).unwrap(), None, "{text}");
        }
        for text in [
            "0.0.0.0",
            "224.0.0.1",
            "::",
            "ff02::1",
            "::ffff:0.0.0.0",
            "::ffff:224.0.0.1",
        ] {
            assert!(reason(ip(text), true).unwrap().is_some(), "{text}");
        }
    }

    #[test]
    fn this_machine_is_at_home() {
        assert!(is_home(ip("127.0.0.1")).unwrap());
    }

    #[test]
    fn a_home_is_as_large_as_a_site_may_be() {
        for (network, home) in [
            ("2a00:1:2:301::1/64", "2a00:1:2::/48"),
            ("2a00:1:2::1/128", "2a00:1:2::/48"),
            ("2a00:1::1/32", "2a00:1::/32"),
            ("198.41.1.1/29", "198.41.1.0/29"),
        ] {
            assert_eq!(
                site(network.parse().unwrap()).trunc(),
                home.parse().unwrap()
            );
        }
    }
}
