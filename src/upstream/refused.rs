//! Which addresses no upstream may have: a poisoned name must not open the home network, and
//! nothing but WhatsApp is to be reached through us. An address enters, the reason against it leaves.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ipnet::{Ipv4Net, Ipv6Net};

/// Everything of IPv4 that is not out on the Internet.
const V4: [(Ipv4Net, &str); 15] = [
    (v4(0, 0, 0, 0, 8), "unspecified address"),
    (v4(10, 0, 0, 0, 8), "private address"),
    (v4(100, 64, 0, 0, 10), "carrier NAT address"),
    (v4(127, 0, 0, 0, 8), "loopback address"),
    (v4(169, 254, 0, 0, 16), "link-local address"),
    (v4(172, 16, 0, 0, 12), "private address"),
    (v4(192, 0, 0, 0, 24), "reserved address"),
    (v4(192, 0, 2, 0, 24), "documentation address"),
    (v4(192, 88, 99, 0, 24), "reserved address"),
    (v4(192, 168, 0, 0, 16), "private address"),
    (v4(198, 18, 0, 0, 15), "benchmarking address"),
    (v4(198, 51, 100, 0, 24), "documentation address"),
    (v4(203, 0, 113, 0, 24), "documentation address"),
    (v4(224, 0, 0, 0, 4), "multicast address"),
    (v4(240, 0, 0, 0, 4), "reserved address"),
];

/// What has a name of its own in IPv6, or is an exception from [`V6_INTERNET`].
const V6: [(Ipv6Net, &str); 7] = [
    (v6(0xfc00, 0, 7), "unique-local address"),
    (v6(0xfe80, 0, 10), "link-local address"),
    (v6(0xff00, 0, 8), "multicast address"),
    // Teredo: tunnels into somebody's home.
    (v6(0x2001, 0, 32), "tunnel address"),
    (v6(0x2001, 0, 23), "reserved address"),
    (v6(0x2001, 0xdb8, 32), "documentation address"),
    (v6(0x3fff, 0, 20), "documentation address"),
];

/// The part of IPv6 that is handed out; all else is reserved.
const V6_INTERNET: Ipv6Net = v6(0x2000, 0, 3);

/// How a NAT64 network writes IPv4. A network with a prefix of its own for that takes it out of
/// [`V6_INTERNET`]; the prefix for local use (RFC 8215) may lead to private addresses, and is refused.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 16);

/// What a home is given at most places: /56. Two addresses that share it are one household.
const HOME_BITS: u32 = 56;

/// Why no upstream may be at `ip`, if so. Mapped and translated forms are judged by the IPv4
/// address inside. `allow_private` leaves only what is no address of one machine.
pub(super) fn reason(ip: IpAddr, allow_private: bool) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if ip.is_unspecified() {
        return Some("unspecified address");
    }
    if ip.is_multicast() {
        return Some("multicast address");
    }
    if allow_private {
        return None;
    }
    match ip {
        IpAddr::V4(ip) => reason_v4(ip),
        IpAddr::V6(ip) => reason_v6(ip),
    }
}

/// Whether `ip` belongs to this machine or to the home behind it, as the routes are now.
pub(super) fn is_home(ip: IpAddr) -> bool {
    source_towards(ip).is_some_and(|source| is_home_of(source, ip))
}

/// Whether a machine that reaches `ip` from `source` reaches itself or its own home by it.
///
/// A home's computers have public IPv6 addresses, which no list of ranges can tell from others; but
/// to reach them a router uses its own address out of the same prefix.
pub(super) fn is_home_of(source: IpAddr, ip: IpAddr) -> bool {
    match (source.to_canonical(), ip.to_canonical()) {
        (IpAddr::V4(source), IpAddr::V4(ip)) => source == ip,
        (IpAddr::V6(source), IpAddr::V6(ip)) => {
            (source.to_bits() ^ ip.to_bits()) >> (Ipv6Addr::BITS - HOME_BITS) == 0
        }
        _ => false,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, len: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), len)
}

/// A network by its first two groups.
const fn v6(first: u16, second: u16, len: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, 0, 0, 0, 0, 0, 0), len)
}

fn reason_v4(ip: Ipv4Addr) -> Option<&'static str> {
    let range = V4.iter().find(|(net, _)| net.contains(&ip))?;
    Some(range.1)
}

fn reason_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if let Some(inside) = v4_inside(ip) {
        return reason_v4(inside);
    }
    if ip.is_loopback() {
        return Some("loopback address");
    }
    if let Some((_, reason)) = V6.iter().find(|(net, _)| net.contains(&ip)) {
        return Some(reason);
    }
    (!V6_INTERNET.contains(&ip)).then_some("reserved address")
}

fn v4_inside(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [_, x, y, .., m, n] = ip.segments();
    let (high, low) = if NAT64.contains(&ip) {
        (m, n)
    } else if SIX_TO_FOUR.contains(&ip) {
        (x, y)
    } else {
        return None;
    };
    Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// The address of ours that a connection to `ip` would come from. Sends nothing.
fn source_towards(ip: IpAddr) -> Option<IpAddr> {
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
    fn first_and_last_address_of_every_range_are_refused_and_their_neighbours_are_not() {
        for (first, last, neighbours) in [
            ("0.0.0.0", "0.255.255.255", &["1.0.0.0"][..]),
            ("10.0.0.0", "10.255.255.255", &["9.255.255.255", "11.0.0.0"]),
            (
                "100.64.0.0",
                "100.127.255.255",
                &["100.63.255.255", "100.128.0.0"],
            ),
            (
                "127.0.0.0",
                "127.255.255.255",
                &["126.255.255.255", "128.0.0.0"],
            ),
            (
                "169.254.0.0",
                "169.254.255.255",
                &["169.253.255.255", "169.255.0.0"],
            ),
            (
                "172.16.0.0",
                "172.31.255.255",
                &["172.15.255.255", "172.32.0.0"],
            ),
            (
                "192.0.0.0",
                "192.0.0.255",
                &["191.255.255.255", "192.0.1.0"],
            ),
            ("192.0.2.0", "192.0.2.255", &["192.0.1.255", "192.0.3.0"]),
            (
                "192.88.99.0",
                "192.88.99.255",
                &["192.88.98.255", "192.88.100.0"],
            ),
            (
                "192.168.0.0",
                "192.168.255.255",
                &["192.167.255.255", "192.169.0.0"],
            ),
            (
                "198.18.0.0",
                "198.19.255.255",
                &["198.17.255.255", "198.20.0.0"],
            ),
            (
                "198.51.100.0",
                "198.51.100.255",
                &["198.51.99.255", "198.51.101.0"],
            ),
            (
                "203.0.113.0",
                "203.0.113.255",
                &["203.0.112.255", "203.0.114.0"],
            ),
            ("224.0.0.0", "255.255.255.255", &["223.255.255.255"]),
            ("::", "::ffff", &[]),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", &[]),
            ("100::", "100::ffff:ffff:ffff:ffff", &[]),
            (
                "2001::",
                "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2001:200::"],
            ),
            (
                "2001:db8::",
                "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2001:db7:ffff::", "2001:db9::"],
            ),
            (
                "3fff::",
                "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["3fff:1000::", "3ffe::"],
            ),
            (
                "4000::",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
                &["2000::", "2a03:2880::1"],
            ),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
            ("ff00::", "ff02::1", &[]),
        ] {
            assert!(reason(ip(first), false).is_some(), "{first}");
            assert!(reason(ip(last), false).is_some(), "{last}");
            for neighbour in neighbours {
                assert_eq!(reason(ip(neighbour), false), None, "{neighbour}");
            }
        }
    }

    #[test]
    fn forms_of_ipv4_are_judged_by_the_address_inside() {
        for (text, is_refused) in [
            ("::ffff:192.168.1.1", true),
            ("::ffff:157.240.1.60", false),
            ("64:ff9b::10.0.0.1", true),
            ("64:ff9b::127.0.0.1", true),
            ("64:ff9b::224.0.0.1", true),
            ("64:ff9b::0.0.0.0", true),
            ("64:ff9b::157.240.1.60", false),
            ("2002:c0a8:0101::1", true),
            ("2002:7f00:0001::1", true),
            ("2002:9df0:013c::1", false),
            // Compatible (RFC 4291) and translated (RFC 2765) forms, both long gone.
            ("::157.240.1.60", true),
            ("::ffff:0:157.240.1.60", true),
            // Teredo, whatever it hides.
            ("2001:0:9df0:13c::1", true),
        ] {
            assert_eq!(reason(ip(text), false).is_some(), is_refused, "{text}");
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
    fn a_home_is_our_ipv4_address_and_our_ipv6_prefix() {
        for (source, destination, is_home) in [
            ("198.41.0.4", "198.41.0.4", true),
            ("::ffff:198.41.0.4", "198.41.0.4", true),
            ("198.41.0.4", "198.41.0.5", false),
            ("2a00:1:2:300::1", "2a00:1:2:300::1", true),
            ("2a00:1:2:300::1", "2a00:1:2:3ff:ffff::5", true),
            ("2a00:1:2:300::1", "2a00:1:2:400::1", false),
            ("2a00:1:2:300::1", "198.41.0.4", false),
        ] {
            assert_eq!(
                is_home_of(ip(source), ip(destination)),
                is_home,
                "{source} {destination}"
            );
        }
        assert!(is_home(ip("127.0.0.1")));
    }
}
