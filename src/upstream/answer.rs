//! Where a name leads. What the resolver says enters; addresses to dial leave, sorted and judged.

use std::net::{IpAddr, SocketAddr};

use super::refused;

/// Addresses of one name that are used; an answer may have any number of them.
const MAX_ADDRESSES: usize = 16;

/// Where a name leads.
pub(super) struct Answer {
    /// The addresses to dial: families in turn, beginning with the one that the resolver prefers.
    pub(super) allowed: Vec<SocketAddr>,
    /// The others, and why.
    pub(super) refused: Vec<(SocketAddr, &'static str)>,
}

impl Answer {
    /// Sorts and judges what the resolver said. Asks the kernel for routes, so it takes a moment.
    pub(super) fn new(addresses: impl Iterator<Item = SocketAddr>, allow_private: bool) -> Self {
        let mut allowed = Vec::new();
        let mut refused = Vec::new();
        for address in addresses.take(MAX_ADDRESSES) {
            // Also drops what an IPv6 address has beside it, such as a scope.
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            match judge(address.ip(), allow_private) {
                None if !allowed.contains(&address) => allowed.push(address),
                Some(reason) if !refused.contains(&(address, reason)) => {
                    refused.push((address, reason));
                }
                _ => {}
            }
        }
        Self {
            allowed: interleave(allowed),
            refused,
        }
    }

    /// What is wrong with the answer as a whole.
    pub(super) fn error(&self) -> Option<String> {
        if !self.allowed.is_empty() {
            return None;
        }
        Some(match self.refused.first() {
            Some((address, reason)) => format!("leads to {}, a {reason}: refused", address.ip()),
            None => "has no address".to_owned(),
        })
    }
}

fn judge(ip: IpAddr, allow_private: bool) -> Option<&'static str> {
    let own = || refused::is_home(ip).then_some("home address");
    let reason = refused::reason(ip, allow_private);
    if allow_private {
        reason
    } else {
        reason.or_else(own)
    }
}

fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return addresses;
    };
    let first_is_v6 = first.is_ipv6();
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let mut second = second.into_iter();
    let mut sorted: Vec<_> = first
        .into_iter()
        .flat_map(|address| [Some(address), second.next()])
        .flatten()
        .collect();
    sorted.extend(second);
    sorted
}
