//! What the home itself does on the line: the counters of the interfaces that lead to the Internet
//! enter, what of a rate may be used beside that leaves.

use std::fs;
use std::num::NonZeroU64;
use std::time::Duration;

use crate::routes;

/// Bytes that an interface has received and sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Traffic {
    received: u64,
    sent: u64,
}

/// What is known of the home.
#[derive(Debug)]
pub(super) struct Home {
    /// At the last look.
    traffic: [Option<Traffic>; 2],
    /// Bytes of ours until then.
    passed: u64,
}

// === impl Home ===

impl Home {
    pub(super) fn new() -> Self {
        Self {
            traffic: [None; 2],
            passed: 0,
        }
    }

    /// What the home leaves of `rate`, `time` after it was asked last, but always a tenth. `passed` is
    /// what has passed of ours until now.
    pub(super) fn leaves(&mut self, rate: NonZeroU64, passed: u64, time: Duration) -> NonZeroU64 {
        let ours = passed.saturating_sub(std::mem::replace(&mut self.passed, passed));
        // With headers, and what is sent to say that all has arrived.
        let ours = ours.saturating_add(ours / 16);
        let now = traffic();
        let before = std::mem::replace(&mut self.traffic, now);
        // One of the two may be a tunnel through the other, and what passes it is in both.
        let moved = now.into_iter().zip(before);
        let moved = moved.filter_map(|(now, before)| Some(now?.since(before?)));
        let Some(moved) = moved.max() else {
            return rate;
        };
        let home = moved.saturating_sub(ours);
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let home = home.saturating_mul(1_000).checked_div(millis).unwrap_or(0);
        let left = rate.get().saturating_sub(home).max(rate.get() / 10);
        NonZeroU64::new(left).unwrap_or(rate)
    }
}

// === impl Traffic ===

impl Traffic {
    /// Bytes that have moved since `before`, in the busier direction: each of ours comes in and goes out,
    /// so both have all of them.
    fn since(self, before: Self) -> u64 {
        let received = self.received.saturating_sub(before.received);
        received.max(self.sent.saturating_sub(before.sent))
    }
}

/// The traffic of the interfaces that lead to the Internet, by IPv4 and by IPv6, where one does.
fn traffic() -> [Option<Traffic>; 2] {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let [ipv4, ipv6, interfaces] = [routes::IPV4, routes::IPV6, "/proc/net/dev"].map(read);
    [
        routes::interface(routes::ipv4(&ipv4)),
        routes::interface(routes::ipv6(&ipv6)),
    ]
    .map(|interface| traffic_of(interface?, &interfaces))
}

/// The counters of an interface, as `/proc/net/dev` has them.
fn traffic_of(interface: &str, interfaces: &str) -> Option<Traffic> {
    let mut lines = interfaces.lines().filter_map(|line| line.split_once(':'));
    let (_, counters) = lines.find(|(name, _)| name.trim_start() == interface)?;
    let mut counters = counters.split_ascii_whitespace();
    Some(Traffic {
        received: counters.next()?.parse().ok()?,
        sent: counters.nth(7)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
br-lan\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wwan0\t00000000\t0101A8C0\t0003\t0\t0\t20\t00000000\t0\t0\t0
pppoe-wan\t00000000\t01020304\t0003\t0\t0\t10\t00000000\t0\t0\t0
";

    const IPV6_ROUTES: &str = "\
20010db8000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001   br-lan
00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003    wwan0
00000000000000000000000000000000 00 20010db8000000000000000000000000 38 fe800000000000000000000000000002 00000200 00000001 00000000 00000003 pppoe-wan
00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00200200       lo
";

    const INTERFACES: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:  111       1    0    0    0     0          0         0      222       1    0
pppoe-wan: 5000000000  7    0    0    0     0          0         0 333       1    0
";

    #[test]
    fn the_line_is_where_the_default_route_leads() {
        let ipv4 = |table| routes::interface(routes::ipv4(table));
        let ipv6 = |table| routes::interface(routes::ipv6(table));
        let interface = ipv4(ROUTES);
        assert_eq!(interface, Some("pppoe-wan"));
        assert_eq!(ipv6(IPV6_ROUTES), interface);
        let traffic = traffic_of(interface.unwrap(), INTERFACES);
        let expected = Traffic {
            received: 5_000_000_000,
            sent: 333,
        };
        assert_eq!(traffic, Some(expected));
        assert_eq!((ipv4(""), ipv6("")), (None, None));
        assert_eq!(traffic_of("wan", INTERFACES), None);
    }
}
