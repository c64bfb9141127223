//! What people enter in, the address that a phone would dial out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::{Done, Failed};
use crate::address::range;
use crate::aside::aside;
use crate::config::public_host;

/// Finds the IPv4 address of `host`: phones take no other.
pub(super) async fn find(host: &str) -> Result<Done<Ipv4Addr>, Failed> {
    if is_ipv6(host) {
        return Err(Failed::because(
            "an IPv6 address",
            "WhatsApp takes no IPv6 address: use a name or an IPv4 address",
        ));
    }
    if public_host(host).is_err() {
        return Err(Failed::because(
            "neither a name nor an IPv4 address",
            "it has a typing error",
        ));
    }
    let (address, others) = match host.parse() {
        Ok(address) => (address, 0),
        Err(_) => look_up(host).await?,
    };
    let mut what = address.to_string();
    if others > 0 {
        what = format!(
            "{address}, the first of {} addresses",
            others.saturating_add(1)
        );
    }
    let warning = range(address.into()).map(|range| {
        format!(
            "{address} is a {}: people outside cannot reach it",
            range.name()
        )
    });
    Ok(Done {
        what,
        warning,
        value: address,
    })
}

/// The first IPv4 address of a name, and how many others it has.
async fn look_up(name: &str) -> Result<(Ipv4Addr, usize), Failed> {
    let owned = name.to_owned();
    let answer = aside(move || (owned.as_str(), 0).to_socket_addrs()).await;
    let found = answer.and_then(|answer| answer).map_err(|error| {
        Failed::because(
            error,
            "there is no such name, or this machine's DNS does not work",
        )
    })?;
    let v4 = |address: SocketAddr| match address.ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    };
    let mut v4 = found.filter_map(v4);
    let Some(first) = v4.next() else {
        return Err(Failed::because(
            "no IPv4 address",
            "the name has IPv6 addresses only, which WhatsApp does not use: give it an A record",
        ));
    };
    Ok((first, v4.filter(|other| *other != first).count()))
}

/// Whether it is an IPv6 address, in brackets or not.
fn is_ipv6(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse::<Ipv6Addr>().is_ok()
}
