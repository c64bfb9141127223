//! What kind of address one is: an address enters, the [`Range`] that keeps it off the Internet
//! leaves. Never asks the network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// A kind of address that is not out on the Internet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Range {
    /// For measurements between networks.
    Benchmarking,
    /// Of those who share an address of their provider's.
    CarrierNat,
    /// For examples.
    Documentation,
    /// Of one link alone.
    LinkLocal,
    /// This machine.
    Loopback,
    /// Of many machines.
    Multicast,
    /// Of a home or a company.
    Private,
    /// Handed out to nobody.
    Reserved,
    /// Teredo: tunnels into somebody's home.
    Tunnel,
    /// The private addresses of IPv6.
    UniqueLocal,
    /// No address.
    Unspecified,
}

/// Everything of IPv4 that is not out on the Internet.
const V4: [(Ipv4Net, Range); 15] = [
    (v4(0, 0, 0, 0, 8), Range::Unspecified),
    (v4(10, 0, 0, 0, 8), Range::Private),
    (v4(100, 64, 0, 0, 10), Range::CarrierNat),
    (v4(127, 0, 0, 0, 8), Range::Loopback),
    (v4(169, 254, 0, 0, 16), Range::LinkLocal),
    (v4(172, 16, 0, 0, 12), Range::Private),
    (v4(192, 0, 0, 0, 24), Range::Reserved),
    (v4(192, 0, 2, 0, 24), Range::Documentation),
    (v4(192, 88, 99, 0, 24), Range::Reserved),
    (v4(192, 168, 0, 0, 16), Range::Private),
    (v4(198, 18, 0, 0, 15), Range::Benchmarking),
    (v4(198, 51, 100, 0, 24), Range::Documentation),
    (v4(203, 0, 113, 0, 24), Range::Documentation),
    (v4(224, 0, 0, 0, 4), Range::Multicast),
    (v4(240, 0, 0, 0, 4), Range::Reserved),
];

/// What has a name of its own in IPv6, or is an exception from [`V6_INTERNET`].
const V6: [(Ipv6Net, Range); 7] = [
    (v6(0xfc00, 0, 7), Range::UniqueLocal),
    (v6(0xfe80, 0, 10), Range::LinkLocal),
    (v6(0xff00, 0, 8), Range::Multicast),
    (v6(0x2001, 0, 32), Range::Tunnel),
    (v6(0x2001, 0, 23), Range::Reserved),
    (v6(0x2001, 0xdb8, 32), Range::Documentation),
    (v6(0x3fff, 0, 20), Range::Documentation),
];

/// The part of IPv6 that is handed out; all else is reserved.
const V6_INTERNET: Ipv6Net = v6(0x2000, 0, 3);

/// How a NAT64 network writes IPv4. A network with a prefix of its own for that takes it out of
/// [`V6_INTERNET`]; the prefix for local use (RFC 8215) may lead to private addresses, and is reserved.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 16);

/// What a home is given at most places: /56. Two addresses that share it are one household.
const HOME_BITS: u32 = 56;

/// What keeps `ip` off the Internet, if anything does. Mapped and translated forms are judged by
/// the IPv4 address inside.
pub(crate) fn range(ip: IpAddr) -> Option<Range> {
    match plain(ip) {
        IpAddr::V4(ip) => range_v4(ip),
        IpAddr::V6(ip) => range_v6(ip),
    }
}

/// The IPv4 address that a mapped or translated form leads to, or `ip` itself.
pub(crate) fn plain(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => v4_inside(ip).map_or(ip.into(), IpAddr::V4),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Whether who calls from `ip` comes from the Internet, and neither from this machine, a home nor
/// from behind the same translation of a provider's.
pub(crate) fn is_outside(ip: IpAddr) -> bool {
    !matches!(
        range(ip),
        Some(
            Range::CarrierNat
                | Range::LinkLocal
                | Range::Loopback
                | Range::Private
                | Range::UniqueLocal
                | Range::Unspecified
        )
    )
}

/// Whether a machine that reaches `ip` from `source` reaches itself or its own home by it.
///
/// A home's computers have public IPv6 addresses, which no list of ranges can tell from others; but
/// to reach them a router uses its own address out of the same prefix.
pub(crate) fn is_home_of(source: IpAddr, ip: IpAddr) -> bool {
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

fn range_v4(ip: Ipv4Addr) -> Option<Range> {
    let (_, range) = V4.iter().find(|(net, _)| net.contains(&ip))?;
    Some(*range)
}

fn range_v6(ip: Ipv6Addr) -> Option<Range> {
    if ip.is_unspecified() {
        return Some(Range::Unspecified);
    }
    if ip.is_loopback() {
        return Some(Range::Loopback);
    }
    if let Some((_, range)) = V6.iter().find(|(net, _)| net.contains(&ip)) {
        return Some(*range);
    }
    (!V6_INTERNET.contains(&ip)).then_some(Range::Reserved)
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

// === impl Range ===

impl Range {
    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Benchmarking => "benchmarking address",
            Self::CarrierNat => "carrier NAT address",
            Self::Documentation => "documentation address",
            Self::LinkLocal => "link-local address",
            Self::Loopback => "loopback address",
            Self::Multicast => "multicast address",
            Self::Private => "private address",
            Self::Reserved => "reserved address",
            Self::Tunnel => "tunnel address",
            Self::UniqueLocal => "unique-local address",
            Self::Unspecified => "unspecified address",
        }
    }
}

#[cfg(test)]
mod tests;
