//! What people are to enter, and whether it leads here: the configuration, the init script's word, the
//! router in front and this machine's own address in, a host and hints for the operator out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::Daemon;
use super::handed::{self, handed};
use crate::address::{Range, range};
use crate::config::{self, Config};
use crate::control::{AddressKind, AddressStatus, HostSource};
use crate::port_mapping::{self, Wanted};

impl Daemon {
    /// What people are to enter, as the network is now.
    pub(super) fn address(&self, mapping: Option<&port_mapping::Status>) -> AddressStatus {
        let own = self.own_address();
        let external = mapping.and_then(|mapping| mapping.external);
        let seen = external.or(own);
        let ddns = handed(self.file.as_deref(), "ddns_name");
        let ddns = config::public_host(ddns.trim()).ok();
        let text = |address: Option<Ipv4Addr>| address.map(|address| address.to_string());
        let candidates = [
            (self.config.host.clone(), HostSource::Option),
            (ddns, HostSource::Ddns),
            (text(external), HostSource::Gateway),
            (text(own), HostSource::Own),
        ];
        let found = candidates
            .into_iter()
            .find_map(|(host, source)| Some((host?, source)));
        let (host, source) = found.unzip();
        AddressStatus {
            host,
            source,
            own,
            kind: kind(seen),
        }
    }

    /// Has the router in front be asked anew where this machine has another address.
    pub(super) fn look_at_address(&mut self) {
        if self.port_mapping.is_some() {
            let own = self.own_address();
            if std::mem::replace(&mut self.own, own) != own {
                self.map_ports();
            }
        }
    }

    /// The IPv4 address that this machine has toward the Internet. Phones take no IPv6 address.
    fn own_address(&self) -> Option<Ipv4Addr> {
        let asked = handed(self.file.as_deref(), "asked");
        let addresses = asked
            .lines()
            .filter_map(|line| line.strip_prefix("address "));
        let addresses: Vec<_> = addresses.filter_map(|text| text.parse().ok()).collect();
        of_the_zone(&addresses, routed_address())
    }

    /// What stands between the Internet and this machine, and what can be done, a line each.
    pub(super) fn hints(
        &self,
        address: &AddressStatus,
        mapping: Option<&port_mapping::Status>,
    ) -> Vec<String> {
        let own = address.own.map_or(String::new(), |own| own.to_string());
        match (address.kind, mapping.and_then(|mapping| mapping.external)) {
            (AddressKind::Public, None) => Vec::new(),
            (AddressKind::Public, Some(_)) => mapping.map(|m| refused(m, &own)).unwrap_or_default(),
            (AddressKind::Ipv6Only, _) => vec![
                "this machine is on the Internet with IPv6 alone, and phones take no IPv6 address: \
                 ask your provider for a public IPv4 address"
                    .to_owned(),
            ],
            (AddressKind::None, _) => vec![
                "this machine has no IPv4 address toward the Internet: is it connected?".to_owned(),
            ],
            (_, Some(external)) => vec![format!(
                "the router in front of this machine has no public address either ({external}): \
                 ask your provider for a public IPv4 address"
            )],
            (AddressKind::CarrierNat, None) => vec![format!(
                "people outside cannot reach {own}: your provider shares one Internet address among \
                 many customers (carrier NAT); ask it for a public IPv4 address"
            )],
            (AddressKind::Private, None) => self.behind_a_router(&own, mapping),
        }
    }

    fn behind_a_router(&self, own: &str, mapping: Option<&port_mapping::Status>) -> Vec<String> {
        let ports = ports(self.wanted_ports().into_iter());
        let instead = match mapping {
            None => "or have waproxy ask it for that: option port_mapping '1'".to_owned(),
            Some(mapping) => {
                let error = mapping.error.as_deref();
                let error = error.or(mapping.ports.iter().find_map(|port| port.error.as_deref()));
                let why = error.unwrap_or("it is being asked");
                format!("for it was asked in vain ({why})")
            }
        };
        vec![format!(
            "people outside cannot reach {own}, an address of a home network: have the router in \
             front of this machine forward {ports} of {own}, {instead}"
        )]
    }

    /// The ports that a router in front is to send here: to where they are open.
    pub(super) fn wanted_ports(&self) -> Vec<Wanted> {
        wanted(&self.config, handed::is_service(self.file.as_deref()))
    }
}

/// Public ports, each with the one to which it leads: the port that is bound, for many routers open
/// none that lead to ports below 1024. But where the init script of the `service` opens the ports,
/// it opens that one too only where a router is to be asked.
fn wanted(config: &Config, service: bool) -> Vec<Wanted> {
    let reachable = config.listeners.iter().filter(|listener| {
        listener
            .bind_address
            .is_none_or(|address| address.is_ipv4() && !address.is_loopback())
    });
    let wanted = |listener: &config::Listener| Wanted {
        external: listener.port.get(),
        internal: if service && config.firewall && !config.port_mapping {
            listener.port.get()
        } else {
            listener.bind_port.get()
        },
    };
    reachable.map(wanted).collect()
}

/// What a router grants for some ports and not for all.
fn refused(mapping: &port_mapping::Status, own: &str) -> Vec<String> {
    let missing = mapping.ports.iter().filter(|port| port.error.is_some());
    let Some(why) = missing.clone().find_map(|port| port.error.as_deref()) else {
        return Vec::new();
    };
    let wanted = missing.map(|port| Wanted {
        external: port.port,
        internal: port.internal_port,
    });
    vec![format!(
        "have the router in front of this machine forward {} of {own}, for it was asked in vain ({why})",
        ports(wanted)
    )]
}

fn ports(wanted: impl Iterator<Item = Wanted>) -> String {
    let one = |Wanted { external, internal }| format!("TCP port {external} to port {internal}");
    wanted.map(one).collect::<Vec<_>>().join(" and ")
}

fn kind(address: Option<Ipv4Addr>) -> AddressKind {
    let Some(address) = address else {
        let out = toward((Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 1)).into());
        return if out.is_some_and(|own| range(own).is_none()) {
            AddressKind::Ipv6Only
        } else {
            AddressKind::None
        };
    };
    match range(address.into()) {
        None => AddressKind::Public,
        Some(Range::CarrierNat) => AddressKind::CarrierNat,
        // What stands in for IPv4 where the network is IPv6 alone, RFC 7335.
        Some(Range::Reserved) if address.octets().starts_with(&[192, 0, 0]) => {
            AddressKind::CarrierNat
        }
        Some(_) => AddressKind::Private,
    }
}

/// The address by which people come: of the firewall's zone of the Internet, where the default route
/// may lead into a VPN and so not be by it.
fn of_the_zone(addresses: &[Ipv4Addr], routed: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    let is_public = |address: &Ipv4Addr| range((*address).into()).is_none();
    let routed =
        routed.filter(|own| addresses.is_empty() || addresses.contains(own) || is_public(own));
    routed
        .filter(|own| addresses.contains(own))
        .or_else(|| addresses.iter().copied().find(is_public))
        .or(routed)
        .or_else(|| addresses.first().copied())
}

/// The IPv4 address by which this machine reaches the Internet.
fn routed_address() -> Option<Ipv4Addr> {
    // The address belonged to the relays of 6to4, which are no more (RFC 7526): no network at home
    // has it, and no VPN or provider has a route of its own to it, as they may to a well-known server.
    match toward(Ipv4Addr::new(192, 88, 99, 1).into())? {
        IpAddr::V4(address) if !address.is_loopback() && !address.is_unspecified() => Some(address),
        _ => None,
    }
}

/// Our address toward another. Connecting a datagram socket sends nothing, it only picks the route.
fn toward(address: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((address, 443)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_the_kinds_that_operators_can_do_something_about() {
        for (address, expected) in [
            ("8.8.8.8", AddressKind::Public),
            ("100.64.0.1", AddressKind::CarrierNat),
            ("192.0.0.2", AddressKind::CarrierNat),
            ("192.168.178.20", AddressKind::Private),
            ("10.1.2.3", AddressKind::Private),
            ("192.88.99.1", AddressKind::Private),
        ] {
            assert_eq!(kind(Some(address.parse().unwrap())), expected, "{address}");
        }
    }

    #[test]
    fn people_come_by_an_address_of_the_zone() {
        let [wan, other, vpn, home] = ["198.41.0.4", "198.41.9.7", "10.8.0.2", "192.168.178.20"]
            .map(|ip| ip.parse().unwrap());
        for (zone, routed, expected) in [
            (&[][..], Some(vpn), Some(vpn)),
            (&[wan], Some(wan), Some(wan)),
            (&[other, wan], Some(wan), Some(wan)),
            (&[home, wan], Some(vpn), Some(wan)),
            (&[home], Some(vpn), Some(home)),
            (&[home], Some(wan), Some(wan)),
            (&[home], Some(home), Some(home)),
            (&[wan], None, Some(wan)),
            (&[], None, None),
        ] {
            assert_eq!(of_the_zone(zone, routed), expected, "{zone:?} {routed:?}");
        }
    }

    #[test]
    fn a_port_leads_to_where_it_is_open() {
        let text = "
            config listener
                option port '443'
                option service 'chat'
            config listener
                option port '587'
                option bind_address '127.0.0.1'
                option service 'media'
            config listener
                option port '7777'
                option bind_address '::1'
                option service 'media'";
        let mut config = config::parse("f", text).unwrap().config;
        let ports = |config: &Config, service| ports(wanted(config, service).into_iter());
        assert_eq!(ports(&config, true), "TCP port 443 to port 443");
        assert_eq!(ports(&config, false), "TCP port 443 to port 10443");
        config.port_mapping = true;
        assert_eq!(ports(&config, true), "TCP port 443 to port 10443");
        (config.port_mapping, config.firewall) = (false, false);
        assert_eq!(ports(&config, true), "TCP port 443 to port 10443");
    }
}
