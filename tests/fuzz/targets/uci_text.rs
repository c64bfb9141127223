//! Sections or a [`Config`] in, UCI text out that means the same.

use std::fmt::{Display, Write};
use std::num::NonZeroU32;
use std::time::Duration;

use waproxy::config::uci::Section;
use waproxy::config::{Certificate, Config};

/// Every option as a list, which takes one value as well as several.
pub fn of_sections(sections: &[Section]) -> String {
    let mut text = Text::default();
    for Section {
        kind,
        name,
        options,
    } in sections
    {
        text.section(kind, name);
        for (name, values) in options {
            text.list(name, values);
        }
    }
    text.0
}

/// Every option of it, also where it is as shipped.
pub fn of_config(config: &Config) -> String {
    let mut text = Text::default();
    text.section("waproxy", "main");
    text.flag("enabled", config.enabled);
    text.option("workers", config.workers);
    let limits = &config.limits;
    text.option("max_connections", limits.max_connections);
    text.count(
        "max_connections_per_client",
        limits.max_connections_per_client,
    );
    text.count("max_rate_per_client", limits.max_rate_per_client);
    text.count("max_handshakes", limits.max_handshakes);
    let timeouts = &config.timeouts;
    text.seconds("connect_timeout", timeouts.connect);
    text.seconds("handshake_timeout", timeouts.handshake);
    text.seconds("idle_timeout", timeouts.idle);
    text.seconds("half_close_timeout", timeouts.half_close);
    text.seconds("drain_timeout", timeouts.drain);
    text.flag("firewall", config.firewall);
    text.option("src_zone", &config.src_zone);
    text.option("log_level", config.log_level.as_str().to_ascii_lowercase());
    text.list("host", &config.host);
    if let Certificate::Operator { cert, key } = &config.certificate {
        text.option("cert", cert.display());
        text.option("key", key.display());
    }
    text.list("trusted_proxy", &config.trusted_proxies);
    for upstream in &config.upstreams {
        text.section("upstream", &upstream.name);
        text.list("address", &upstream.addresses);
        text.option("proxy_header", upstream.proxy_header);
        text.flag("allow_private", upstream.allow_private);
    }
    for listener in &config.listeners {
        text.section("listener", &listener.name);
        text.option("port", listener.port);
        text.option("bind_port", listener.bind_port);
        text.list("bind_address", listener.bind_address);
        text.option("service", &listener.upstream.name);
        text.flag("tls", listener.tls);
        text.flag("accept_proxy", listener.accept_proxy);
    }
    text.0
}

/// A text that grows.
#[derive(Default)]
struct Text(String);

impl Text {
    fn section(&mut self, kind: &str, name: &str) {
        if name.starts_with('@') {
            writeln!(self.0, "config {kind}").unwrap();
        } else {
            writeln!(self.0, "config {kind} '{name}'").unwrap();
        }
    }

    fn list<T: Display>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            writeln!(self.0, "\tlist {name} {}", quoted(value)).unwrap();
        }
    }

    fn option(&mut self, name: &str, value: impl Display) {
        writeln!(self.0, "\toption {name} {}", quoted(value)).unwrap();
    }

    fn flag(&mut self, name: &str, value: bool) {
        self.option(name, u8::from(value));
    }

    fn count(&mut self, name: &str, value: Option<NonZeroU32>) {
        self.option(name, value.map_or(0, NonZeroU32::get));
    }

    fn seconds(&mut self, name: &str, value: Duration) {
        self.option(name, value.as_secs());
    }
}

/// As `uci export` does it.
fn quoted(value: impl Display) -> String {
    format!("'{}'", value.to_string().replace('\'', r"'\''"))
}
