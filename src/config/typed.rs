//! A [`RawConfig`] in, a [`Config`] out. Reads on after a problem, so that all are found.

use std::num::NonZeroU16;
use std::sync::Arc;

use super::problem::{Report, did_you_mean, label};
use super::raw::{Named, RawConfig, RawListener, RawMain, RawUpstream};
use super::reader::Reader;
use super::{Certificate, Config, Limits, Listener, ProxyHeader, Timeouts, Upstream, value};

/// What the reference proxy takes. No router comes near.
const MOST_CONNECTIONS: u32 = 27_500;
const MOST_WORKERS: u32 = 256;

/// A service's name, and what it leads to unless that has a problem.
type Service<'a> = (&'a str, Option<Arc<Upstream>>);

/// `None` only after a problem.
pub(super) fn config(raw: &RawConfig, report: &mut Report) -> Option<Config> {
    let mut main = None;
    for section in &raw.main {
        if section.name == "main" {
            main = self::main(&section.options, report);
        } else {
            let label = label("waproxy", &section.name);
            let message = "the one section of this type is called 'main'".to_owned();
            report.problem(&label, None, &[], message);
        }
    }
    let services: Vec<Service<'_>> = raw
        .upstreams
        .iter()
        .map(|raw| (raw.name.as_str(), upstream(raw, report)))
        .collect();
    let trusting = raw
        .main
        .iter()
        .any(|main| !main.options.trusted_proxy.is_empty());
    let listeners: Vec<_> = raw
        .listeners
        .iter()
        .map(|raw| listener(raw, &services, trusting, report))
        .collect();

    let listeners: Vec<_> = listeners.into_iter().collect::<Option<Vec<_>>>()?;
    let listeners: Vec<_> = listeners.into_iter().flatten().collect();
    if listeners.is_empty() {
        report.whole("no listener is enabled, and at least one is needed");
    }
    clashes(&listeners, report);
    let upstreams = services
        .into_iter()
        .filter_map(|(_, upstream)| upstream)
        .filter(|upstream| listeners.iter().any(|l| Arc::ptr_eq(&l.upstream, upstream)))
        .collect();
    Some(Config {
        listeners,
        upstreams,
        ..main?
    })
}

/// Everything but listeners and upstreams.
fn main(raw: &RawMain, report: &mut Report) -> Option<Config> {
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
    let log_level = r.required("log_level", &raw.log_level, value::log_level);
    let host = r.optional("host", &raw.host, value::public_host);
    let certificate = certificate(raw, &mut r);
    let trusted_proxies = r.list("trusted_proxy", &raw.trusted_proxy, value::network);

    Some(Config {
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
        log_level: log_level?,
        host: host?,
        certificate: certificate?,
        trusted_proxies: trusted_proxies?,
        listeners: Vec::new(),
        upstreams: Vec::new(),
    })
}

fn certificate(raw: &RawMain, r: &mut Reader<'_>) -> Option<Certificate> {
    let cert = r.optional("cert", &raw.cert, value::path);
    let key = r.optional("key", &raw.key, value::path);
    let (lacking, other) = match (cert?, key?) {
        (None, None) => return Some(Certificate::Own),
        (Some(cert), Some(key)) => return Some(Certificate::Operator { cert, key }),
        (Some(_), None) => ("key", "cert"),
        (None, Some(_)) => ("cert", "key"),
    };
    r.refuse(
        lacking,
        &[],
        format!("this option is missing, and {other} is of no use without it"),
    );
    None
}

fn upstream(raw: &Named<RawUpstream>, report: &mut Report) -> Option<Arc<Upstream>> {
    let Named { name, options } = raw;
    let section = label("upstream", name);
    if name.starts_with('@') {
        let message = "an upstream needs a name, by which listeners find it".to_owned();
        report.problem(&section, None, &[], message);
    } else if name == "auto" {
        let message = "no upstream may have this name, which stands for a service".to_owned();
        report.problem(&section, None, &[], message);
    }
    let mut r = Reader::new("upstream", name, report);
    let addresses = r.list("address", &options.address, value::host_port);
    let proxy_header = r.optional("proxy_header", &options.proxy_header, value::proxy_header);
    let allow_private = r.optional("allow_private", &options.allow_private, value::flag);
    if addresses.as_ref().is_some_and(Vec::is_empty) {
        r.refuse("address", &[], "at least one address is needed".to_owned());
        return None;
    }
    Some(Arc::new(Upstream {
        name: name.clone(),
        addresses: addresses?,
        proxy_header: proxy_header?.unwrap_or(ProxyHeader::V1),
        allow_private: allow_private?.unwrap_or(false),
    }))
}

/// `Some(None)` is a listener that is switched off.
fn listener(
    raw: &Named<RawListener>,
    services: &[Service<'_>],
    trusting: bool,
    report: &mut Report,
) -> Option<Option<Listener>> {
    let Named { name, options } = raw;
    let mut r = Reader::new("listener", name, report);
    let enabled = r.optional("enabled", &options.enabled, value::flag);
    let port = r.required("port", &options.port, value::port);
    let upstream = r.required("service", &options.service, |text| service(text, services));
    let tls = r.optional("tls", &options.tls, value::flag);
    let accept_proxy = r.optional("accept_proxy", &options.accept_proxy, value::flag);
    let bind_port = r.optional("bind_port", &options.bind_port, value::port);
    let bind_address = r.optional("bind_address", &options.bind_address, value::bind_address);

    let enabled = enabled?.unwrap_or(true);
    let accept_proxy = accept_proxy?.unwrap_or(false);
    if enabled && accept_proxy && !trusting {
        let message = "waproxy 'main' needs a list trusted_proxy of those who may send a header";
        r.refuse("accept_proxy", &options.accept_proxy, message.to_owned());
    }
    let listener = Listener {
        name: name.clone(),
        port: port?,
        bind_port: bind_port?.unwrap_or(unprivileged(port?)),
        bind_address: bind_address?,
        upstream: upstream??,
        tls: tls?.unwrap_or(false),
        accept_proxy,
    };
    Some(enabled.then_some(listener))
}

/// What a service leads to; `None` if that has a problem.
fn service(text: &str, services: &[Service<'_>]) -> Result<Option<Arc<Upstream>>, String> {
    if let Some((_, upstream)) = services.iter().find(|(name, _)| *name == text) {
        return Ok(upstream.clone());
    }
    let names = services
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.starts_with('@'));
    let known = names.clone().collect::<Vec<_>>().join(", ");
    let (first, near) = match text {
        "auto" => ("auto is not available yet; ", String::new()),
        _ => ("", did_you_mean(text, names)),
    };
    Err(format!(
        "{first}the name of an upstream is allowed: {known}{near}"
    ))
}

/// The port that needs no privilege and stands for a public one.
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
        for first in &listeners[..i] {
            let name = label("listener", &first.name);
            let mut r = Reader::new("listener", &second.name, report);
            if first.port == second.port {
                let message = format!("{name} has this public port already");
                r.refuse("port", &[second.port.to_string()], message);
            } else if first.bind_port == second.bind_port && share_address(first, second) {
                let message = format!("{name} listens on this port already");
                r.refuse("bind_port", &[second.bind_port.to_string()], message);
            }
        }
    }
}

fn share_address(a: &Listener, b: &Listener) -> bool {
    a.bind_address.is_none() || b.bind_address.is_none() || a.bind_address == b.bind_address
}
