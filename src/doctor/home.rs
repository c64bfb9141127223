//! Looks at the proxy of this machine from within: what the daemon knows of itself, and root of the
//! router, in, one [`Step`] after the other out, and then what a phone would see at the ports that the
//! daemon listens on. What is outside of it, as the port at the provider's end, it cannot see.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use time::OffsetDateTime;

use super::{Done, Failed, Step, Steps, router};
use crate::control::{CertificateStatus, ListenerStatus, Status, Whose};
use crate::routes;
use crate::share::{Form, find};
use crate::upstream::Health;

/// Before this was written, in seconds since 1970.
const LONG_AGO: i64 = 1_790_000_000;

/// How long before its end a certificate of the operator's is to be renewed, in seconds.
const SOON: i64 = 30 * 86_400;

/// Looks at the proxy that fares as `status` says, on a router of which root said these `facts`, and
/// reports each step as it ends.
pub async fn examine(status: &Status, facts: &str, report: impl FnMut(Step)) {
    let mut steps = Steps(report);
    // All of this is known already.
    let mut tell = |name, found| steps.ended(name, Duration::ZERO, found);
    tell("configuration", Ok(configuration(status)));
    let now = OffsetDateTime::now_utc().unix_timestamp();
    tell("clock", clock(now));
    if let Some(shown) = &status.certificate {
        tell("certificate", Ok(certificate(shown, now)));
    }
    tell("address", address(status));
    let table = fs::read_to_string(routes::IPV4).unwrap_or_default();
    let answers = router::answers(facts);
    let mut route = route(routes::interface(routes::ipv4(&table)));
    if let (Ok(done), Some(_)) = (&mut route, &answers) {
        // What is known needs no guess.
        done.warning = None;
    }
    tell("route", route);
    // Where nobody has looked, there is nothing to tell.
    if let Some(found) = router::firewall(facts) {
        tell("firewall", found);
    }
    if let Some(found) = answers {
        tell("answers", found);
    }
    tell("upstreams", upstreams(status));
    let found = steps.ended("ports", Duration::ZERO, ports(status));
    if let Some((address, form)) = found.flatten() {
        steps.at(Some(address), &form).await;
    }
}

/// Whether all is as it says. Where that keeps people out, the ports show it.
fn configuration(status: &Status) -> Done<()> {
    let (what, warning) = if let Some(error) = status.configuration_errors.first() {
        (&**error, Some("the configuration from before stays in use"))
    } else if let Some(problem) = status.service_problems.first() {
        (
            &**problem,
            Some("not everything could be set up as it says"),
        )
    } else {
        ("in use", None)
    };
    Done {
        what: what.to_owned(),
        warning: warning.map(str::to_owned),
        value: (),
    }
}

fn clock(now: i64) -> Result<Done<()>, Failed> {
    if now < LONG_AGO {
        return Err(Failed::because(
            "not set",
            "the router has not learnt the time: its certificate and its days are wrong until it has",
        ));
    }
    Ok(Done::new("set", ()))
}

/// Whether the certificate is the one that it should be, and stays it. None keeps people out: phones take
/// any.
fn certificate(shown: &CertificateStatus, now: i64) -> Done<()> {
    let warning = if let Some(error) = &shown.error {
        Some(format!("the configured one is not in use: {error}"))
    } else if let Some(error) = &shown.unkept {
        Some(format!("it cannot be kept over a restart: {error}"))
    } else if shown.whose == Whose::Operator && shown.not_after_unix < now.saturating_add(SOON) {
        Some(
            "renew it where you got it: phones take it all the same, but others see its age".into(),
        )
    } else {
        None
    };
    Done {
        what: format!("{}, until {}", shown.names.join(", "), shown.not_after),
        warning,
        value: (),
    }
}

/// Whether people can find the way here.
fn address(status: &Status) -> Result<Done<()>, Failed> {
    let hints = (!status.hints.is_empty()).then(|| status.hints.join("; "));
    match &status.address.host {
        Some(host) => Ok(Done {
            what: host.clone(),
            warning: hints,
            value: (),
        }),
        None => Err(Failed::because(
            "none that people could enter",
            "this router has no IPv4 address toward the Internet: is it connected?",
        )),
    }
}

/// Whether answers leave by the way that people come in, as far as the `device` of the default route
/// tells.
fn route(device: Option<&str>) -> Result<Done<()>, Failed> {
    let Some(device) = device else {
        return Err(Failed::because("no default route", "the router is offline"));
    };
    let is_tunnel = ["tun", "tap", "wg", "zt", "tailscale", "ppp-vpn", "vpn"]
        .iter()
        .any(|kind| device.starts_with(kind));
    Ok(Done {
        what: format!("by {device}"),
        warning: is_tunnel.then(|| {
            "answers leave through a VPN, and do not reach who came in by another way: leave waproxy out of it"
                .to_owned()
        }),
        value: (),
    })
}

fn upstreams(status: &Status) -> Result<Done<()>, Failed> {
    let mut names = Vec::new();
    let mut doubt = None;
    for upstream in &status.upstreams {
        let error = upstream.last_error.as_deref();
        if upstream.health == Health::Down {
            let error = error.unwrap_or("no address answers");
            let is_filtered = upstream.addresses.iter().all(|address| {
                let error = address.last_error.as_deref();
                error.is_some_and(|error| error.starts_with("refused"))
            });
            let cause = if upstream.addresses.is_empty() {
                "this router's DNS does not answer or does not know WhatsApp's names, or a filter of it, as \
                 against rebinding, swallows the answer"
            } else if is_filtered {
                "this router's DNS gives private addresses for WhatsApp's names: a filter, or a forgery"
            } else {
                "the router is offline, or its network blocks WhatsApp"
            };
            return Err(Failed::because(
                format!("{}: {error}", upstream.name),
                cause,
            ));
        }
        if upstream.health != Health::Up {
            let error = error.unwrap_or("has not answered yet");
            doubt = Some(format!("{}: {error}", upstream.name));
        }
        names.push(upstream.name.as_str());
    }
    Ok(Done {
        what: names.join(", "),
        warning: doubt,
        value: (),
    })
}

/// The ports that people are given, if they are let in, as the daemon listens on them, and where; that
/// is not looked at where it is on IPv6 alone, or on two addresses.
fn ports(status: &Status) -> Result<Done<Option<(Ipv4Addr, Form)>>, Failed> {
    if let (Some(pause), Some(until)) = (status.budget.pause, &status.budget.until) {
        return Err(Failed::because(
            format!("closed until {until}"),
            pause.in_words(),
        ));
    }
    let connections = &status.connections;
    if connections.now >= connections.cap {
        return Err(Failed::because(
            format!(
                "{} of {} connections are open",
                connections.now, connections.cap
            ),
            "no more are let in before one of them ends",
        ));
    }
    let (chat, media) = find(&status.listeners)
        .map_err(|error| Failed::because(error, "the configuration opens no port for phones"))?;
    let at = |listener: &ListenerStatus| match listener.bind_address {
        None => Some(Ipv4Addr::LOCALHOST),
        Some(IpAddr::V4(address)) => Some(address),
        Some(IpAddr::V6(_)) => None,
    };
    let at = at(chat).filter(|_| at(chat) == at(media));
    let port = |listener: &ListenerStatus| listener.bind_port.try_into().map_err(|_| unbound());
    let form = Form {
        host: at.unwrap_or(Ipv4Addr::LOCALHOST).to_string(),
        chat_port: port(chat)?,
        chat_tls: chat.tls,
        media_port: port(media)?,
    };
    let warning = at
        .is_none()
        .then(|| "they are on addresses that are not looked at from within".into());
    Ok(Done {
        what: format!("{} for chat, {} for media", chat.port, media.port),
        warning,
        value: at.map(|at| (at, form)),
    })
}

fn unbound() -> Failed {
    Failed::because("port 0", "nothing listens there")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_route_through_a_tunnel_is_told() {
        let found = |device| route(device).map(|done| (done.what, done.warning.is_some()));
        let by = |device: &str, warns| Ok((format!("by {device}"), warns));
        let told = |found: Result<_, Failed>| found.map_err(|failed| failed.what);
        assert_eq!(told(found(Some("wan"))), by("wan", false));
        assert_eq!(told(found(Some("wg0"))), by("wg0", true));
        assert_eq!(told(found(None)), Err("no default route".to_owned()));
    }

    #[test]
    fn a_certificate_that_is_not_the_one_or_not_for_long_is_told() {
        let example: Status = serde_json::from_str(include_str!("../control/status.json")).unwrap();
        let mut shown = example.certificate.unwrap();
        let end = shown.not_after_unix;
        let warning = |shown: &_, now| certificate(shown, now).warning.unwrap_or_default();
        assert_eq!(warning(&shown, end), "");
        shown.whose = Whose::Operator;
        assert_eq!(warning(&shown, end - SOON), "");
        assert!(warning(&shown, end - SOON + 1).starts_with("renew it"));
        shown.unkept = Some("disk full".into());
        assert!(warning(&shown, 0).ends_with("over a restart: disk full"));
        shown.error = Some("no such file".into());
        assert!(warning(&shown, 0).ends_with("not in use: no such file"));
        assert_eq!(
            certificate(&shown, 0).what,
            "qvtmrelk.net, until 2036-08-01T00:00:00Z"
        );
    }

    #[test]
    fn a_clock_of_long_ago_is_not_set() {
        assert!(clock(86_400).is_err());
        assert!(clock(LONG_AGO).is_ok());
    }
}
