//! Where a name leads. What the resolver says enters; addresses to dial leave, sorted and judged.

use std::net::SocketAddr;

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
    /// Sorts and judges what the resolver said.
    pub(super) fn new(addresses: impl Iterator<Item = SocketAddr>, allow_private: bool) -> Self {
        let mut allowed = Vec::new();
        let mut refused = Vec::new();
        for address in addresses.take(MAX_ADDRESSES) {
            // Also drops what an IPv6 address has beside it, such as a scope.
            let address = SocketAddr::new(address.ip().to_canonical(), address.port());
            // Where it cannot be told now, it is told before each connection.
            match refused::reason(address.ip(), allow_private).unwrap_or_default() {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(addresses: &[&str], allow_private: bool) -> Answer {
        let addresses = addresses.iter().map(|address| address.parse().unwrap());
        Answer::new(addresses, allow_private)
    }

    fn allowed(addresses: &[&str]) -> Vec<String> {
        answer(addresses, true)
            .allowed
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn families_take_turns_and_the_resolver_s_favourite_begins() {
        assert_eq!(
            allowed(&[
                "[fd00::1]:1",
                "[fd00::2]:1",
                "[fd00::3]:1",
                "10.0.0.1:1",
                "10.0.0.2:1"
            ]),
            [
                "[fd00::1]:1",
                "10.0.0.1:1",
                "[fd00::2]:1",
                "10.0.0.2:1",
                "[fd00::3]:1"
            ],
        );
        assert_eq!(
            allowed(&["10.0.0.1:1", "[fd00::1]:1", "[fd00::2]:1", "[fd00::3]:1"]),
            ["10.0.0.1:1", "[fd00::1]:1", "[fd00::2]:1", "[fd00::3]:1"],
        );
        assert_eq!(
            allowed(&["10.0.0.2:1", "10.0.0.1:1"]),
            ["10.0.0.2:1", "10.0.0.1:1"]
        );
    }

    #[test]
    fn an_address_counts_once_and_in_its_plain_form() {
        assert_eq!(
            allowed(&["[::ffff:10.0.0.1]:1", "10.0.0.1:1"]),
            ["10.0.0.1:1"]
        );
    }

    #[test]
    fn an_endless_answer_is_cut() {
        let many: Vec<_> = (0..300)
            .map(|n| format!("10.0.{}.{}:1", n / 256, n % 256))
            .collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(allowed(&many), many[..MAX_ADDRESSES]);
    }

    #[test]
    fn a_partly_poisoned_answer_is_good_for_the_rest() {
        let answer = answer(&["10.0.0.1:1", "157.240.1.60:1", "10.0.0.1:1"], false);
        assert_eq!(answer.allowed, ["157.240.1.60:1".parse().unwrap()]);
        assert_eq!(
            answer.refused,
            [("10.0.0.1:1".parse().unwrap(), "private address")]
        );
        assert_eq!(answer.error(), None);
    }

    #[test]
    fn an_answer_without_use_says_why() {
        let poisoned = answer(&["10.10.34.35:1"], false);
        assert_eq!(
            poisoned.error().as_deref(),
            Some("leads to 10.10.34.35, a private address: refused"),
        );
        assert_eq!(
            answer(&[], false).error().as_deref(),
            Some("has no address")
        );
    }
}
