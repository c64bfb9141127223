//! Where everything goes that has no route of its own: the kernel's tables in (`proc_pid_net(5)`), its
//! default routes out. Reads no file.

use std::net::Ipv4Addr;

/// The kernel's table of IPv4.
pub(crate) const IPV4: &str = "/proc/net/route";

/// The kernel's table of IPv6.
pub(crate) const IPV6: &str = "/proc/net/ipv6_route";

/// Of linux/route.h: `RTF_UP` and `RTF_GATEWAY`.
const BY_GATEWAY: u32 = 3;

/// A default route. Of several that with the least metric is taken.
pub(crate) struct Route<'a> {
    pub(crate) metric: u32,
    pub(crate) interface: &'a str,
    /// The router at the other end, where IPv4 goes by one.
    pub(crate) gateway: Option<Ipv4Addr>,
}

/// Those of a table of IPv4.
pub(crate) fn ipv4(table: &str) -> impl Iterator<Item = Route<'_>> {
    table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [
            interface,
            "00000000",
            gateway,
            flags,
            _,
            _,
            metric,
            "00000000",
            ..,
        ] = fields[..]
        else {
            return None;
        };
        // The kernel prints addresses, which are in network order, as numbers of its own.
        let gateway = Ipv4Addr::from(hex(gateway)?.to_ne_bytes());
        Some(Route {
            metric: metric.parse().ok()?,
            interface,
            gateway: (hex(flags)? & BY_GATEWAY == BY_GATEWAY).then_some(gateway),
        })
    })
}

/// Those of a table of IPv6, where such a route may be for some of our addresses alone.
pub(crate) fn ipv6(table: &str) -> impl Iterator<Item = Route<'_>> {
    let routes = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, "00", _, _, _, metric, _, _, _, interface] = fields[..] else {
            return None;
        };
        Some(Route {
            metric: hex(metric)?,
            interface,
            gateway: None,
        })
    });
    // The kernel has one that leads nowhere.
    routes.filter(|route| route.interface != "lo")
}

/// The interface of the one that is taken.
pub(crate) fn interface<'a>(routes: impl Iterator<Item = Route<'a>>) -> Option<&'a str> {
    routes
        .min_by_key(|route| route.metric)
        .map(|route| route.interface)
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}
