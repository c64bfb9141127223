//! Addresses of every range, and beside it.

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn first_and_last_address_of_every_range_have_it_and_their_neighbours_have_none() {
    for (first, last, neighbours) in [
        ("0.0.0.0", "0.255.255.255", &["1.0.0.0"][..]),
        ("10.0.0.0", "10.255.255.255", &["9.255.255.255", "11.0.0.0"]),
        (
            "100.64.0.0",
            "100.127.255.255",
            &["100.63.255.255", "100.128.0.0"],
        ),
        (
            "127.0.0.0",
            "127.255.255.255",
            &["126.255.255.255", "128.0.0.0"],
        ),
        (
            "169.254.0.0",
            "169.254.255.255",
            &["169.253.255.255", "169.255.0.0"],
        ),
        (
            "172.16.0.0",
            "172.31.255.255",
            &["172.15.255.255", "172.32.0.0"],
        ),
        (
            "192.0.0.0",
            "192.0.0.255",
            &["191.255.255.255", "192.0.1.0"],
        ),
        ("192.0.2.0", "192.0.2.255", &["192.0.1.255", "192.0.3.0"]),
        (
            "192.88.99.0",
            "192.88.99.255",
            &["192.88.98.255", "192.88.100.0"],
        ),
        (
            "192.168.0.0",
            "192.168.255.255",
            &["192.167.255.255", "192.169.0.0"],
        ),
        (
            "198.18.0.0",
            "198.19.255.255",
            &["198.17.255.255", "198.20.0.0"],
        ),
        (
            "198.51.100.0",
            "198.51.100.255",
            &["198.51.99.255", "198.51.101.0"],
        ),
        (
            "203.0.113.0",
            "203.0.113.255",
            &["203.0.112.255", "203.0.114.0"],
        ),
        ("224.0.0.0", "255.255.255.255", &["223.255.255.255"]),
        ("::", "::ffff", &[]),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", &[]),
        ("100::", "100::ffff:ffff:ffff:ffff", &[]),
        (
            "2001::",
            "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
            &["2001:200::"],
        ),
        (
            "2001:db8::",
            "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
            &["2001:db7:ffff::", "2001:db9::"],
        ),
        (
            "3fff::",
            "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
            &["3fff:1000::", "3ffe::"],
        ),
        (
            "4000::",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            &["2000::", "2a03:2880::1"],
        ),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
        ("ff00::", "ff02::1", &[]),
    ] {
        assert!(range(ip(first)).is_some(), "{first}");
        assert!(range(ip(last)).is_some(), "{last}");
        for neighbour in neighbours {
            assert_eq!(range(ip(neighbour)), None, "{neighbour}");
        }
    }
}

#[test]
fn forms_of_ipv4_are_judged_by_the_address_inside() {
    for (text, is_in_one) in [
        ("::ffff:192.168.1.1", true),
        ("::ffff:157.240.1.60", false),
        ("64:ff9b::10.0.0.1", true),
        ("64:ff9b::127.0.0.1", true),
        ("64:ff9b::224.0.0.1", true),
        ("64:ff9b::0.0.0.0", true),
        ("64:ff9b::157.240.1.60", false),
        ("2002:c0a8:0101::1", true),
        ("2002:7f00:0001::1", true),
        ("2002:9df0:013c::1", false),
        // Compatible (RFC 4291) and translated (RFC 2765) forms, both long gone.
        ("::157.240.1.60", true),
        ("::ffff:0:157.240.1.60", true),
        // Teredo, whatever it hides.
        ("2001:0:9df0:13c::1", true),
    ] {
        assert_eq!(range(ip(text)).is_some(), is_in_one, "{text}");
    }
}

#[test]
fn who_calls_from_inside_is_told_from_who_calls_from_outside() {
    for inside in [
        "127.0.0.1",
        "::1",
        "192.168.1.7",
        "::ffff:10.0.0.1",
        "100.64.0.1",
        "169.254.1.1",
        "fe80::1",
        "fd00::1",
        "64:ff9b::10.0.0.1",
        "0.0.0.0",
        "::",
    ] {
        assert!(!is_outside(ip(inside)), "{inside}");
    }
    for outside in [
        "198.41.0.4",
        "::ffff:198.41.0.4",
        "100.63.255.255",
        "100.128.0.0",
        "2a00:1:2:300::1",
        // Whose calls come from there in a test, and from nowhere else.
        "192.0.2.2",
        "2001:db8::2",
    ] {
        assert!(is_outside(ip(outside)), "{outside}");
    }
}

#[test]
fn a_home_is_our_ipv4_address_and_our_ipv6_prefix() {
    for (source, destination, is_home) in [
        ("198.41.0.4", "198.41.0.4", true),
        ("::ffff:198.41.0.4", "198.41.0.4", true),
        ("198.41.0.4", "198.41.0.5", false),
        ("2a00:1:2:300::1", "2a00:1:2:300::1", true),
        ("2a00:1:2:300::1", "2a00:1:2:3ff:ffff::5", true),
        ("2a00:1:2:300::1", "2a00:1:2:400::1", false),
        ("2a00:1:2:300::1", "198.41.0.4", false),
    ] {
        assert_eq!(
            is_home_of(ip(source), ip(destination)),
            is_home,
            "{source} {destination}"
        );
    }
}
