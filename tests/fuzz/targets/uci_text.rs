//! A [`Config`] in, its sections out; sections in, UCI text out that means the same.

use std::fmt::{Display, Write};
use std::num::NonZeroU32;
use std::time::Duration;

use waproxy::config::uci::Section;
use waproxy::config::{Budget, Certificate, Config};

/// With every option of it, also where it is as shipped.
pub fn sections_of(config: &Config) -> Vec<Section> {
    let mut main = Options::default();
    main.flag("enabled", config.enabled);
    main.option("workers", config.workers);
    let limits = &config.limits;
    main.option("max_connections", limits.max_connections);
    main.count(
        "max_connections_per_client",
        limits.max_connections_per_client,
    );
    main.count("max_rate_per_client", limits.max_rate_per_client);
    main.count("max_handshakes", limits.max_handshakes);
    let timeouts = &config.timeouts;
    main.seconds("connect_timeout", timeouts.connect);
    main.seconds("handshake_timeout", timeouts.handshake);
    main.seconds("idle_timeout", timeouts.idle);
    main.seconds("half_close_timeout", timeouts.half_close);
    main.seconds("drain_timeout", timeouts.drain);
    main.flag("firewall", config.firewall);
    main.flag("keep_history", config.keep_history);
    main.option("src_zone", &config.src_zone);
    main.flag("port_mapping", config.port_mapping);
    main.list("upstream_interface", &config.upstream_interface);
    main.option("log_level", config.log_level.as_str().to_ascii_lowercase());
    main.list("host", &config.host);
    if let Certificate::Operator { cert, key } = &config.certificate {
        main.option("cert", cert.display());
        main.option("key", key.display());
    }
    main.list("media_name", &config.media_names);
    main.list("trusted_proxy", &config.trusted_proxies);
    let mut budget = Options::default();
    let Budget {
        bytes,
        period,
        reset_day,
        rate,
        family_first,
        hours,
        weekdays,
    } = &config.budget;
    budget.list("bytes", bytes);
    budget.option("period", period);
    budget.option("reset_day", reset_day);
    budget.count("rate", *rate);
    budget.flag("family_first", *family_first);
    budget.list("hours", hours);
    budget.list("weekday", weekdays.names());
    let mut sections = vec![main.of("waproxy", "main"), budget.of("budget", "budget")];
    for upstream in &config.upstreams {
        let mut options = Options::default();
        options.list("address", &upstream.addresses);
        options.option("proxy_header", upstream.proxy_header);
        options.flag("allow_private", upstream.allow_private);
        sections.push(options.of("upstream", &upstream.name));
    }
    for listener in &config.listeners {
        let mut options = Options::default();
        options.option("port", listener.port);
        options.option("bind_port", listener.bind_port);
        options.list("bind_address", listener.bind_address);
        options.option("service", listener.service());
        options.flag("tls", listener.tls);
        options.flag("accept_proxy", listener.accept_proxy);
        options.option("gate", listener.gate);
        if let Some(decoy) = &listener.decoy {
            options.option("decoy", decoy);
        }
        sections.push(options.of("listener", &listener.name));
    }
    sections
}

/// As `uci export` writes it, but for lists of one value, which are options.
pub fn text_of(sections: &[Section]) -> String {
    let mut text = String::new();
    for Section {
        kind,
        name,
        options,
    } in sections
    {
        if name.starts_with('@') {
            writeln!(text, "config {kind}").unwrap();
        } else {
            writeln!(text, "config {kind} '{name}'").unwrap();
        }
        for (name, values) in options {
            let keyword = if values.len() == 1 { "option" } else { "list" };
            for value in values {
                let value = value.replace('\'', r"'\''");
                writeln!(text, "\t{keyword} {name} '{value}'").unwrap();
            }
        }
    }
    text
}

/// The options of a section.
#[derive(Default)]
struct Options(Vec<(String, Vec<String>)>);

impl Options {
    fn of(self, kind: &str, name: &str) -> Section {
        Section {
            kind: kind.to_owned(),
            name: name.to_owned(),
            options: self.0,
        }
    }

    fn list<T: Display>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        let values: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
        if !values.is_empty() {
            self.0.push((name.to_owned(), values));
        }
    }

    fn option(&mut self, name: &str, value: impl Display) {
        self.list(name, [value]);
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
