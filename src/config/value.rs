//! The text of one value in, the value out, or what is allowed in its place.

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

use super::budget::Day;
use super::problem::did_you_mean;
use super::{Auto, Bytes, Decoy, Gate, Host, HostPort, Hours, Period, ProxyHeader};

/// A value, or what is allowed.
type Parsed<T> = Result<T, String>;

pub(super) fn flag(text: &str) -> Parsed<bool> {
    match text {
        "1" | "on" | "true" | "yes" | "enabled" => Ok(true),
        "0" | "off" | "false" | "no" | "disabled" => Ok(false),
        _ => Err("1 (on, true, yes, enabled) or 0 (off, false, no, disabled) is allowed".into()),
    }
}

pub(super) fn port(text: &str) -> Parsed<NonZeroU16> {
    number(text)
        .and_then(|n| NonZeroU16::new(u16::try_from(n).ok()?))
        .ok_or_else(|| "a port from 1 to 65535 is allowed".into())
}

/// Whole seconds within a range.
pub(super) fn seconds(range: RangeInclusive<u32>) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        number(text)
            .filter(|n| range.contains(n))
            .map(|n| Duration::from_secs(n.into()))
            .ok_or_else(|| {
                format!(
                    "whole seconds from {} to {} are allowed",
                    range.start(),
                    range.end()
                )
            })
    }
}

/// A count up to a most, which 0 switches off.
pub(super) fn count_or_off(most: u32) -> impl Fn(&str) -> Parsed<Option<NonZeroU32>> {
    move |text| {
        number(text)
            .filter(|n| *n <= most)
            .map(NonZeroU32::new)
            .ok_or_else(|| format!("a whole number from 1 to {most}, or 0 for off, is allowed"))
    }
}

/// A count up to a most, or `auto`.
pub(super) fn count_or_auto(most: u32) -> impl Fn(&str) -> Parsed<Auto<NonZeroU32>> {
    move |text| {
        if text == "auto" {
            return Ok(Auto::Auto);
        }
        number(text)
            .filter(|n| *n <= most)
            .and_then(NonZeroU32::new)
            .map(Auto::Fixed)
            .ok_or_else(|| format!("auto or a whole number from 1 to {most} is allowed"))
    }
}

pub(super) fn log_level(text: &str) -> Parsed<LevelFilter> {
    word(
        text,
        [
            ("off", LevelFilter::Off),
            ("error", LevelFilter::Error),
            ("warn", LevelFilter::Warn),
            ("info", LevelFilter::Info),
            ("debug", LevelFilter::Debug),
            ("trace", LevelFilter::Trace),
        ],
    )
}

pub(super) fn proxy_header(text: &str) -> Parsed<ProxyHeader> {
    word(
        text,
        [
            ("none", ProxyHeader::None),
            ("v1", ProxyHeader::V1),
            ("v2", ProxyHeader::V2),
        ],
    )
}

pub(super) fn gate(text: &str) -> Parsed<Gate> {
    word(
        text,
        [
            ("off", Gate::Off),
            ("log", Gate::Log),
            ("enforce", Gate::Enforce),
        ],
    )
}

/// A whole number of bytes with its unit, or 0.
pub(super) fn bytes_or_off(text: &str) -> Parsed<Option<Bytes>> {
    if text == "0" {
        return Ok(None);
    }
    let end = text.find(|c: char| !c.is_ascii_digit());
    let parsed = end.and_then(|end| {
        let (digits, unit) = text.split_at_checked(end)?;
        Bytes::new(number(digits)?, unit.trim_start())
    });
    parsed.map(Some).ok_or_else(|| {
        "a whole number of kB, MB, GB or TB like 50GB, or 0 for off, is allowed".into()
    })
}

pub(super) fn period(text: &str) -> Parsed<Period> {
    word(text, [("day", Period::Day), ("month", Period::Month)])
}

/// A day that every month has.
pub(super) fn day_of_month(text: &str) -> Parsed<u8> {
    number(text)
        .filter(|n| (1..=28).contains(n))
        .and_then(|n| u8::try_from(n).ok())
        .ok_or_else(|| "a day of the month from 1 to 28 is allowed".into())
}

/// `07:00-23:00`, which may go past midnight.
pub(super) fn hours(text: &str) -> Parsed<Hours> {
    let time = |text: &str| {
        let (hours, minutes) = text.split_once(':')?;
        let two = |text: &str| {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        Some((two(hours)?, two(minutes)?))
    };
    text.split_once('-')
        .and_then(|(from, to)| Hours::new(time(from)?, time(to)?))
        .ok_or_else(|| "two times of the day like 07:00-23:00 or 22:00-06:00 are allowed".into())
}

pub(super) fn weekday(text: &str) -> Parsed<Day> {
    let days = Day::ALL.map(|day| (day.name(), day));
    word(text, days)
}

/// A file, or the address of a web server. No file of another kind: everybody gets to see it. No
/// name: that could be made to lead anywhere.
pub(super) fn decoy(text: &str) -> Parsed<Decoy> {
    if let Ok(path) = path(text)
        && text.as_bytes().ends_with(b".html")
    {
        return Ok(Decoy::Page(path));
    }
    if let Some(HostPort { host, port }) = split(text)
        && let Host::Address(ip) = host
        && let ip = ip.to_canonical()
        && is_at_home(ip)
    {
        if ip.is_loopback() && matches!(port.get(), 80 | 443) {
            return Err("LuCI answers there, which must not be reached from outside".into());
        }
        return Ok(Decoy::Server((ip, port.get()).into()));
    }
    Err(
        "the whole path of a file that ends in .html, or the address of a web server at home like \
         192.168.1.10:80, is allowed"
            .into(),
    )
}

fn is_at_home(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
    }
}

/// The name of a firewall zone, safe in any shell.
pub(super) fn zone(text: &str) -> Parsed<String> {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if plain && text.len() <= 32 {
        Ok(text.to_owned())
    } else {
        Err("the name of a firewall zone is allowed: up to 32 letters, digits, _ - or .".into())
    }
}

/// The name of a network device, as Linux has them, safe in any shell.
pub(super) fn device(text: &str) -> Parsed<String> {
    // IFNAMSIZ, with the end of the text.
    const MOST: usize = 15;
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if plain && text.len() <= MOST && !text.starts_with(['.', '-']) {
        Ok(text.to_owned())
    } else {
        Err("the name of a network device is allowed: up to 15 letters, digits, _ - or .".into())
    }
}

/// A server's name, or a dot and a domain.
pub(super) fn server_name(text: &str) -> Parsed<String> {
    match host(text.strip_prefix('.').unwrap_or(text)) {
        Some(Host::Name(_)) => Ok(text.to_ascii_lowercase()),
        _ => Err("a server's name is allowed, or .example.net for all that ends so".into()),
    }
}

/// An absolute path.
pub(super) fn path(text: &str) -> Parsed<PathBuf> {
    if text.starts_with('/') && !text.ends_with('/') {
        Ok(PathBuf::from(text))
    } else {
        Err("the whole path of a file, from the first /, is allowed".into())
    }
}

/// What people can enter in WhatsApp: a DNS name or an IPv4 address.
pub fn public_host(text: &str) -> Parsed<String> {
    match host(text) {
        Some(Host::Name(_) | Host::Address(IpAddr::V4(_))) => Ok(text.to_owned()),
        _ if ipv6(text).is_some() => {
            Err("a DNS name or an IPv4 address is allowed; WhatsApp takes no IPv6 address".into())
        }
        _ => Err("a DNS name or an IPv4 address is allowed".into()),
    }
}

/// One local address.
pub(super) fn bind_address(text: &str) -> Parsed<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .ok()
        .map(|address| address.to_canonical());
    match address {
        Some(address) if address.is_unspecified() => {
            Err("one address is allowed; leave the option out to listen on all of them".into())
        }
        Some(address) if is_of_one(address) => Ok(address),
        _ => Err("one IPv4 or IPv6 address of this machine is allowed".into()),
    }
}

/// Whether an address is that of one machine.
fn is_of_one(address: IpAddr) -> bool {
    !address.is_unspecified() && !address.is_multicast() && address != Ipv4Addr::BROADCAST
}

/// A range of addresses, or one address.
pub(super) fn network(text: &str) -> Parsed<IpNet> {
    let range = text.parse::<IpNet>().map(|network| network.trunc());
    range
        .or_else(|_| {
            text.parse::<IpAddr>()
                .map(|address| address.to_canonical().into())
        })
        .map_err(|_| {
            "an address or a range of addresses like 192.0.2.0/24 or 2001:db8::/32 is allowed"
                .into()
        })
}

/// `name:443`, `192.0.2.1:443` or `[2001:db8::1]:443`.
pub(super) fn host_port(text: &str) -> Parsed<HostPort> {
    split(text).ok_or_else(|| {
        "a name or an address with a port is allowed: name:443, 192.0.2.1:443 or \
         [2001:db8::1]:443"
            .into()
    })
}

fn split(text: &str) -> Option<HostPort> {
    let (before, after) = text.rsplit_once(':')?;
    let host = if before.starts_with('[') {
        ipv6(before).map(Host::Address)
    } else {
        host(before)
    }?;
    Some(HostPort {
        host,
        port: port(after).ok()?,
    })
}

/// An IPv6 address, in brackets or not.
fn ipv6(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse().ok().map(IpAddr::V6)
}

/// A DNS name as it is written in a URL, or an IPv4 address.
fn host(text: &str) -> Option<Host> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(Host::Address(address.into()));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // Where the last label is a number, the whole was meant to be an IPv4 address.
    let named = |last: &str| !last.bytes().all(|b| b.is_ascii_digit());
    let mut labels = text.split('.');
    (text.len() <= 253 && labels.clone().all(label) && labels.next_back().is_some_and(named))
        .then(|| Host::Name(text.to_owned()))
}

/// A number that every reader of the file takes alike: to a shell `010` is eight.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if !digits || text.len() > 1 && text.starts_with('0') {
        return None;
    }
    text.parse().ok()
}

/// One of some words.
fn word<T: Copy, const N: usize>(text: &str, words: [(&str, T); N]) -> Parsed<T> {
    if let Some((_, value)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*value);
    }
    let known = words.map(|(word, _)| word);
    Err(format!(
        "one of {} is allowed{}",
        known.join(", "),
        did_you_mean(text, known)
    ))
}

#[cfg(test)]
mod tests;
