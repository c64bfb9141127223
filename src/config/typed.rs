//! A [`RawConfig`] in, a [`Config`] out. Reads on after a problem, so that all are found.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::problem::did_you_mean;
use super::raw::{Named, RawBudget, RawConfig, RawListener, RawMain, RawUpstream};
use super::reader::Reader;
use super::report::{Noted, Report, label};
use super::{
    AUTO, Budget, CHAT, Certificate, Config, Gate, Limits, Listener, MEDIA, ProxyHeader, Timeouts,
    Upstream, value,
};

/// What the reference proxy takes. No router comes near.
const MOST_CONNECTIONS: u32 = 27_500;
const MOST_WORKERS: u32 = 256;
/// Mbit/s. Nobody limits more.
const MOST_RATE: u32 = 10_000;

/// An upstream, or that something was wrong with it.
type Read = Result<Arc<Upstream>, Noted>;

/// Where the connections of a listener go.
struct Service {
    upstream: Read,
    media: Option<Read>,
}

/// Reads everything.
pub(super) fn config(raw: &RawConfig, report: &mut Report) -> Result<Config, Noted> {
    let main = main(&raw.main, report);
    let interface = main.as_ref().ok();
    let interface = interface.and_then(|main| main.upstream_interface.clone());
    let budget = budget(&raw.budget, report);
    let upstreams: Vec<(&str, Read)> = raw
        .upstreams
        .iter()
        .map(|raw| (raw.name.as_str(), upstream(raw, interface.clone(), report)))
        .collect();
    let trusting = !raw.main.trusted_proxy.is_empty();
    let listeners: Vec<_> = raw
        .listeners
        .iter()
        .map(|raw| listener(raw, &upstreams, trusting, report))
        .collect();

    let listeners: Vec<_> = listeners.into_iter().collect::<Result<_, _>>()?;
    let listeners: Vec<_> = listeners.into_iter().flatten().collect();
    if listeners.is_empty() {
        report.whole("no listener is enabled, and at least one is needed");
    }
    clashes(&listeners, report);
    let upstreams = upstreams
        .into_iter()
        .filter_map(|(_, upstream)| upstream.ok())
        .filter(|upstream| {
            listeners
                .iter()
                .any(|listener| leads_to(listener, upstream))
        })
        .collect();
    Ok(Config {
        listeners,
        upstreams,
        budget: budget?,
        ..main?
    })
}

/// Everything but budget, listeners and upstreams.
fn main(raw: &RawMain, report: &mut Report) -> Result<Config, Noted> {
    let mut r = Reader::new("waproxy", "main", report);
    let enabled = r.required("enabled", &raw.enabled, value::flag);
    let workers = r.required("workers", &raw.workers, value::count_or_auto(MOST_WORKERS));
    let connections = value::count_or_auto(MOST_CONNECTIONS);
    let max_connections = r.required("max_connections", &raw.max_connections, connections);
    let mut count =
        |option, values| r.required(option, values, value::count_or_off(MOST_CONNECTIONS));
    let per_client = count(
        "max_connections_per_client",
        &raw.max_connections_per_client,
    );
    let rate = count("max_rate_per_client", &raw.max_rate_per_client);
    let handshakes = count("max_handshakes", &raw.max_handshakes);
    let mut seconds = |option, values, range| r.required(option, values, value::seconds(range));
    let connect = seconds("connect_timeout", &raw.connect_timeout, 1..=60);
    let handshake = seconds("handshake_timeout", &raw.handshake_timeout, 1..=120);
    let idle = seconds("idle_timeout", &raw.idle_timeout, 1..=86_400);
    let half_close = seconds("half_close_timeout", &raw.half_close_timeout, 1..=3_600);
    let drain = seconds("drain_timeout", &raw.drain_timeout, 0..=300);
    let firewall = r.required("firewall", &raw.firewall, value::flag);
    let src_zone = r.required("src_zone", &raw.src_zone, value::zone);
    let port_mapping = r.required("port_mapping", &raw.port_mapping, value::flag);
    let log_level = r.required("log_level", &raw.log_level, value::log_level);
    let keep_history = r.required("keep_history", &raw.keep_history, value::flag);
    let interface = &raw.upstream_interface;
    let interface = r.optional("upstream_interface", interface, value::device);
    let host = r.optional("host", &raw.host, value::public_host);
    let certificate = certificate(raw, &mut r);
    let media_names = r.list("media_name", &raw.media_name, value::server_name);
    let trusted_proxies = r.list("trusted_proxy", &raw.trusted_proxy, value::network);

    Ok(Config {
        enabled: enabled?,
        workers: workers?,
        limits: Limits {
            max_connections: max_connections?,
            max_connections_per_client: per_client?,
            max_rate_per_client: rate?,
            max_handshakes: handshakes?,
        },
        timeouts: Timeouts {
            connect: connect?,
            handshake: handshake?,
            idle: idle?,
            half_close: half_close?,
            drain: drain?,
        },
        firewall: firewall?,
        src_zone: src_zone?,
        port_mapping: port_mapping?,
        log_level: log_level?,
        keep_history: keep_history?,
        upstream_interface: interface?,
        host: host?,
        certificate: certificate?,
        media_names: media_names?,
        trusted_proxies: trusted_proxies?,
        budget: Budget::default(),
        listeners: Vec::new(),
        upstreams: Vec::new(),
    })
}

fn budget(raw: &RawBudget, report: &mut Report) -> Result<Budget, Noted> {
    let mut r = Reader::new("budget", "budget", report);
    let bytes = r.optional("bytes", &raw.bytes, value::bytes_or_off);
    let period = r.required("period", &raw.period, value::period);
    let reset_day = r.required("reset_day", &raw.reset_day, value::day_of_month);
    let rate = r.optional("rate", &raw.rate, value::count_or_off(MOST_RATE));
    let family_first = r.required("family_first", &raw.family_first, value::flag);
    let hours = r.optional("hours", &raw.hours, value::hours);
    let weekdays = r.list("weekday", &raw.weekday, value::weekday);
    let budget = Budget {
        bytes: bytes?.flatten(),
        period: period?,
        reset_day: reset_day?,
        rate: rate?.flatten(),
        family_first: family_first?,
        hours: hours?,
        weekdays: weekdays?.into(),
    };
    if budget.family_first && budget.rate.is_none() {
        let message = "this option needs a rate, which then gives way";
        return Err(r.refuse("family_first", &raw.family_first, message));
    }
    Ok(budget)
}

fn certificate(raw: &RawMain, r: &mut Reader<'_>) -> Result<Certificate, Noted> {
    let cert = r.optional("cert", &raw.cert, value::path);
    let key = r.optional("key", &raw.key, value::path);
    let (missing, lonely) = match (cert?, key?) {
        (None, None) => return Ok(Certificate::Own),
        (Some(cert), Some(key)) => return Ok(Certificate::Operator { cert, key }),
        (Some(_), None) => ("key", "cert"),
        (None, Some(_)) => ("cert", "key"),
    };
    Err(r.refuse(
        missing,
        &[],
        &format!("this option is missing, {lonely} needs it"),
    ))
}

fn upstream(
    raw: &Named<RawUpstream>,
    interface: Option<String>,
    report: &mut Report,
) -> Result<Arc<Upstream>, Noted> {
    let Named { name, options } = raw;
    let mut r = Reader::new("upstream", name, report);
    if name.starts_with('@') {
        r.refuse_section("an upstream needs a name, by which listeners find it");
    }
    if name == AUTO {
        r.refuse_section("this name is a service's own, no upstream may have it");
    }
    let addresses = r.list("address", &options.address, value::host_port);
    let proxy_header = r.optional("proxy_header", &options.proxy_header, value::proxy_header);
    let allow_private = r.optional("allow_private", &options.allow_private, value::flag);
    let addresses = addresses?;
    if addresses.is_empty() {
        return Err(r.refuse("address", &[], "at least one address is needed"));
    }
    Ok(Arc::new(Upstream {
        name: name.clone(),
        addresses,
        proxy_header: proxy_header?.unwrap_or(ProxyHeader::V1),
        allow_private: allow_private?.unwrap_or(false),
        interface,
    }))
}

/// `None` where it is switched off.
fn listener(
    raw: &Named<RawListener>,
    upstreams: &[(&str, Read)],
    trusting: bool,
    report: &mut Report,
) -> Result<Option<Listener>, Noted> {
    let Named { name, options } = raw;
    let mut r = Reader::new("listener", name, report);
    let enabled = r.optional("enabled", &options.enabled, value::flag);
    let port = r.required("port", &options.port, value::port);
    let service = r.required("service", &options.service, |text| service(text, upstreams));
    let tls = r.optional("tls", &options.tls, value::flag);
    let accept_proxy = r.optional("accept_proxy", &options.accept_proxy, value::flag);
    let bind_port = r.optional("bind_port", &options.bind_port, value::port);
    let bind_address = r.optional("bind_address", &options.bind_address, value::bind_address);
    let gate = r.optional("gate", &options.gate, value::gate);
    let decoy = r.optional("decoy", &options.decoy, value::decoy);

    let enabled = enabled?.unwrap_or(true);
    let accept_proxy = accept_proxy?.unwrap_or(false);
    if enabled && accept_proxy && !trusting {
        let message = "waproxy 'main' needs a list trusted_proxy of those who may send a header";
        r.refuse("accept_proxy", &options.accept_proxy, message);
    }
    let port = port?;
    let tls = tls?.unwrap_or(false);
    let Service { upstream, media } = service?;
    if media.is_some() && !tls {
        r.refuse(
            "service",
            &options.service,
            "this service needs option tls '1'",
        );
    }
    let listener = Listener {
        name: name.clone(),
        port,
        bind_port: bind_port?.unwrap_or(unprivileged(port)),
        bind_address: bind_address?,
        upstream: upstream?,
        media: media.transpose()?,
        tls,
        accept_proxy,
        gate: gate?.unwrap_or(Gate::Off),
        decoy: decoy?,
    };
    if listener.gate != Gate::Off && ![CHAT, MEDIA].contains(&listener.upstream.name.as_str()) {
        r.refuse(
            "gate",
            &options.gate,
            "only chat, media and auto have a gate",
        );
    }
    if listener.decoy.is_some() && !(tls && listener.upstream.name == CHAT) {
        r.refuse(
            "decoy",
            &options.decoy,
            "only chat and auto over TLS have a decoy",
        );
    }
    Ok(enabled.then_some(listener))
}

fn service(text: &str, upstreams: &[(&str, Read)]) -> Result<Service, String> {
    let find = |text| {
        let found = upstreams.iter().find(|(name, _)| *name == text);
        found.map(|(_, upstream)| upstream.clone())
    };
    // Both are shipped, so there always are some.
    if text == AUTO
        && let (Some(upstream), media @ Some(_)) = (find(CHAT), find(MEDIA))
    {
        return Ok(Service { upstream, media });
    }
    if let Some(upstream) = find(text) {
        return Ok(Service {
            upstream,
            media: None,
        });
    }
    let names = upstreams.iter().map(|(name, _)| *name);
    let names: Vec<_> = names.filter(|name| !name.starts_with('@')).collect();
    let near = did_you_mean(text, names.iter().copied().chain([AUTO]));
    let names = names.join(", ");
    Err(format!(
        "auto or the name of an upstream is allowed: {names}{near}"
    ))
}

fn leads_to(listener: &Listener, upstream: &Arc<Upstream>) -> bool {
    let mut all = listener.media.iter().chain([&listener.upstream]);
    all.any(|one| Arc::ptr_eq(one, upstream))
}

/// The port that needs no privilege and stands in for a public one.
fn unprivileged(port: NonZeroU16) -> NonZeroU16 {
    const SHIFT: u16 = 10_000;
    if port.get() < 1024 {
        port.saturating_add(SHIFT)
    } else {
        port
    }
}

/// Finds listeners that want the same port.
fn clashes(listeners: &[Listener], report: &mut Report) {
    for (i, second) in listeners.iter().enumerate() {
        let mut r = Reader::new("listener", &second.name, report);
        let mut before = listeners.iter().take(i);
        if let Some(first) = before.clone().find(|first| first.port == second.port) {
            let first = label("listener", &first.name);
            let message = format!("{first} has this public port already");
            r.refuse("port", &[second.port.to_string()], &message);
        } else if let Some(first) = before.find(|first| same_socket(first, second)) {
            let first = label("listener", &first.name);
            let message = format!("{first} listens on this port already");
            r.refuse("bind_port", &[second.bind_port.to_string()], &message);
        }
    }
}

/// Whether both would bind the same port of an address.
fn same_socket(a: &Listener, b: &Listener) -> bool {
    let apart =
        a.bind_address.is_some() && b.bind_address.is_some() && a.bind_address != b.bind_address;
    a.bind_port == b.bind_port && !apart
}

#[cfg(test)]
mod tests;
