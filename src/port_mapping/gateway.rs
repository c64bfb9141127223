//! The router in front of this machine, as its routes are now. Nothing enters, an address leaves.

use std::fs;
use std::io;
use std::net::Ipv4Addr;

use crate::routes;

/// Where everything goes that has no route of its own.
pub(super) fn find() -> io::Result<Ipv4Addr> {
    let table = fs::read_to_string(routes::IPV4)?;
    best(&table).ok_or_else(|| io::Error::other("no router is in front of this machine"))
}

fn best(table: &str) -> Option<Ipv4Addr> {
    let routes = routes::ipv4(table);
    let (_, gateway) = routes
        .filter_map(|route| Some((route.metric, route.gateway?)))
        .min()?;
    Some(gateway)
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
        assert_eq!(best(&lines.concat()), Some(Ipv4Addr::new(192, 168, 178, 1)));
    }
}
