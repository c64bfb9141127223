//! The router in front of this machine, as its routes are now. Nothing enters, an address leaves.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

/// Of linux/route.h: `RTF_UP` and `RTF_GATEWAY`.
const BY_GATEWAY: u32 = 3;

/// Where everything goes that has no route of its own (`proc_pid_net(5)`).
pub(super) fn find() -> io::Result<Ipv4Addr> {
    let routes = fs::read_to_string("/proc/net/route")?;
    let best = routes.lines().filter_map(default_route).min();
    best.map(|(_, gateway)| gateway)
        .ok_or_else(|| io::Error::other("no router is in front of this machine"))
}

/// The metric and the gateway of a line, where it is that of a default route.
fn default_route(line: &str) -> Option<(u32, Ipv4Addr)> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let mut next = || fields.next();
    let hex = |text: &str| u32::from_str_radix(text, 16).ok();
    let (to, gateway, flags) = (hex(next()?)?, hex(next()?)?, hex(next()?)?);
    let (_, _, metric, mask) = (next()?, next()?, next()?.parse().ok()?, hex(next()?)?);
    // The kernel prints addresses, which are in network order, as numbers of its own.
    let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
    (to == 0 && mask == 0 && flags & BY_GATEWAY == BY_GATEWAY).then_some((metric, gateway))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_of_the_lowest_metric_leads_to_it() {
        let gateway = |last: u8| u32::from_ne_bytes([192, 168, 178, last]);
        let line = |to: u32, gateway: u32, flags: u8, metric: u8, mask: u32| {
            format!(
                "wan\t{to:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t{metric}\t{mask:08X}\t0\t0\t0\n"
            )
        };
        let lines = [
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                .to_owned(),
            line(0, gateway(2), 3, 20, 0),
            line(0, gateway(1), 3, 10, 0),
            line(0, 0, 1, 0, 0),
            line(gateway(0), gateway(3), 3, 0, u32::MAX),
            // Half of the Internet, as VPNs do it.
            line(0, gateway(4), 3, 0, 128),
            "nonsense\n".to_owned(),
        ];
        let found = lines.concat();
        let best = found.lines().filter_map(default_route).min();
        assert_eq!(best, Some((10, Ipv4Addr::new(192, 168, 178, 1))));
    }
}
