//! What the home itself does on the line: the counters of the interface that leads to the Internet
//! enter, what of a rate may be used beside that leaves.

use std::fs;
use std::num::NonZeroU64;
use std::time::Duration;

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
    traffic: Option<Traffic>,
    /// Bytes of ours until then.
    passed: u64,
}

// === impl Home ===

impl Home {
    pub(super) fn new() -> Self {
        Self {
            traffic: None,
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
        let (Some(now), Some(before)) = (now, before) else {
            return rate;
        };
        // Each byte of ours comes in and goes out, so both directions have all of it.
        let received = now.received.saturating_sub(before.received);
        let sent = now.sent.saturating_sub(before.sent);
        let home = received.max(sent).saturating_sub(ours);
        let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let home = home.saturating_mul(1_000).checked_div(millis).unwrap_or(0);
        let left = rate.get().saturating_sub(home).max(rate.get() / 10);
        NonZeroU64::new(left).unwrap_or(rate)
    }
}

/// The traffic of the interface that leads to the Internet, if one does.
fn traffic() -> Option<Traffic> {
    let routes = fs::read_to_string("/proc/net/route").ok()?;
    let interfaces = fs::read_to_string("/proc/net/dev").ok()?;
    traffic_of(default_interface(&routes)?, &interfaces)
}

/// The interface of the default route, the one that is taken where there are more.
fn default_interface(routes: &str) -> Option<&str> {
    let defaults = routes.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [interface, "00000000", _, _, _, _, metric, "00000000", ..] = fields[..] else {
            return None;
        };
        Some((metric.parse::<u32>().ok()?, interface))
    });
    defaults.min().map(|(_, interface)| interface)
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

    const INTERFACES: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo:  111       1    0    0    0     0          0         0      222       1    0
pppoe-wan: 5000000000  7    0    0    0     0          0         0 333       1    0
";

    #[test]
    fn the_line_is_where_the_default_route_leads() {
        let interface = default_interface(ROUTES);
        assert_eq!(interface, Some("pppoe-wan"));
        let traffic = traffic_of(interface.unwrap(), INTERFACES);
        let expected = Traffic {
            received: 5_000_000_000,
            sent: 333,
        };
        assert_eq!(traffic, Some(expected));
        assert_eq!(default_interface(""), None);
        assert_eq!(traffic_of("wan", INTERFACES), None);
    }
}
