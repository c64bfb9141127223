//! `waproxy check`: what a configuration would run, or everything that is wrong with it.

mod facts;

use std::num::NonZeroU32;
use std::process::ExitCode;

use self::facts::facts;
use super::table::{Align, Column, field, table};
use super::{BUILT_IN, Options, complain, finish, print};
use crate::config::{
    self, Budget, Certificate, Config, Limits, Listener, Loaded, Period, Problem, Timeouts,
    Upstream, Weekdays,
};
use crate::control::Check;
use crate::decoy::Decoy;
use crate::paths::CONFIGURATION;
use crate::tls::identity::Identity;

/// Judges a configuration: prints what it means, or to standard error what is wrong. What only a
/// newer version knows is wrong here, and merely logged where a proxy runs with it; with `service`
/// it is judged as there, and what an init script must know is printed.
pub fn run(options: &Options, service: bool) -> ExitCode {
    let mut errors: Vec<String> = Vec::new();
    match options.load() {
        Ok((Loaded { config, warnings }, file)) => {
            let name = file.map_or(BUILT_IN.into(), |file| file.display().to_string());
            for warning in warnings {
                if service {
                    complain("warning", &warning);
                } else {
                    errors.push(warning.to_string());
                }
            }
            // What is switched off needs no certificate, and must be seen to be off without one.
            if (config.enabled || !service)
                && config.listeners.iter().any(|listener| listener.tls)
                && let Certificate::Operator { cert, key } = &config.certificate
                && let Err(error) = Identity::load(cert, key)
            {
                errors.push(format!(
                    "{name}: waproxy 'main', options cert and key: {error}"
                ));
            }
            for listener in &config.listeners {
                if let Err(error) = Decoy::of(listener) {
                    errors.push(format!("{name}: {error}"));
                }
            }
            if errors.is_empty() {
                return finish(print(&if service {
                    facts(&config)
                } else {
                    render(&name, &config)
                }));
            }
        }
        Err(problems) => errors.extend(problems.iter().map(ToString::to_string)),
    }
    for error in &errors {
        complain("error", error);
    }
    ExitCode::FAILURE
}

/// Judges the text of a configuration as it would be judged in its file; files that it names are
/// not looked at.
pub fn judge(text: &str) -> Check {
    let lines = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect();
    let (errors, warnings) = match config::parse(CONFIGURATION, text) {
        Ok(loaded) => (Vec::new(), lines(&loaded.warnings)),
        Err(problems) => (lines(problems.iter().as_slice()), Vec::new()),
    };
    Check { errors, warnings }
}

const LISTENERS: &[Column] = &[
    Column("LISTENER", Align::Left, 80),
    Column("PORT", Align::Right, 5),
    Column("BOUND", Align::Right, 5),
    Column("ADDRESS", Align::Left, 15),
    Column("SERVICE", Align::Left, 15),
    Column("TLS", Align::Left, 3),
    Column("PROXY", Align::Left, 8),
];

const UPSTREAMS: &[Column] = &[
    Column("UPSTREAM", Align::Left, 80),
    Column("ADDRESS", Align::Left, 49),
    Column("PROXY", Align::Left, 5),
];

/// The configuration for a terminal of 80 columns.
fn render(name: &str, config: &Config) -> String {
    let mut out = String::new();
    field(&mut out, "configuration", &format!("{name} is right"));
    let enabled = if config.enabled {
        "yes"
    } else {
        "no: option enabled is 0"
    };
    field(&mut out, "enabled", enabled);
    if let Some(host) = &config.host {
        field(&mut out, "host", host);
    }
    field(&mut out, "workers", &config.workers.to_string());
    field(&mut out, "limits", &limits(&config.limits));
    field(&mut out, "timeouts", &timeouts(&config.timeouts));
    let firewall = match (config.firewall, &config.src_zone) {
        (true, zone) => format!("opened for zone {zone} by the service"),
        (false, _) => "left alone".to_owned(),
    };
    field(&mut out, "firewall", &firewall);
    if config.port_mapping {
        let text = "a router in front of this machine is asked to let people in";
        field(&mut out, "port mapping", text);
    }
    if let Some(device) = &config.upstream_interface {
        field(&mut out, "upstreams by", device);
    }
    let budget = budget(&config.budget);
    if !budget.is_empty() {
        field(&mut out, "budget", &budget);
    }
    field(
        &mut out,
        "log",
        &config.log_level.as_str().to_ascii_lowercase(),
    );
    if config.listeners.iter().any(|listener| listener.tls) {
        let certificate = match &config.certificate {
            Certificate::Own => "self-signed".to_owned(),
            Certificate::Operator { cert, key } => {
                format!("{} with {}", cert.display(), key.display())
            }
        };
        field(&mut out, "certificate", &certificate);
    }
    if config
        .listeners
        .iter()
        .any(|listener| listener.accept_proxy)
    {
        let trusted: Vec<_> = config
            .trusted_proxies
            .iter()
            .map(ToString::to_string)
            .collect();
        field(&mut out, "trusted proxy", &trusted.join(", "));
    }
    out.push('\n');
    let rows: Vec<_> = config.listeners.iter().map(listener).collect();
    table(&mut out, LISTENERS, &rows);
    out.push('\n');
    let rows: Vec<_> = config.upstreams.iter().flat_map(|u| upstream(u)).collect();
    table(&mut out, UPSTREAMS, &rows);
    out
}

fn limits(limits: &Limits) -> String {
    let count = |count: Option<NonZeroU32>| count.map_or("off".into(), |n| n.to_string());
    format!(
        "max_connections {}, max_connections_per_client {}, max_rate_per_client {}, \
         max_handshakes {}",
        limits.max_connections,
        count(limits.max_connections_per_client),
        count(limits.max_rate_per_client),
        count(limits.max_handshakes),
    )
}

fn budget(budget: &Budget) -> String {
    let mut parts = Vec::new();
    if let Some(bytes) = budget.bytes {
        let from = match budget.period {
            Period::Day => String::new(),
            Period::Month => format!(" from day {}", budget.reset_day),
        };
        parts.push(format!("{bytes} a {}{from}", budget.period));
    }
    if let Some(rate) = budget.rate {
        let less = if budget.family_first {
            " where the family leaves it"
        } else {
            ""
        };
        parts.push(format!("{rate} Mbit/s{less}"));
    }
    if let Some(hours) = budget.hours {
        parts.push(hours.to_string());
    }
    if budget.weekdays != Weekdays::ALL {
        parts.push(budget.weekdays.names().collect::<Vec<_>>().join(" "));
    }
    parts.join(", ")
}

fn timeouts(timeouts: &Timeouts) -> String {
    format!(
        "connect {}, handshake {}, idle {}, half-close {}, drain {} seconds",
        timeouts.connect.as_secs(),
        timeouts.handshake.as_secs(),
        timeouts.idle.as_secs(),
        timeouts.half_close.as_secs(),
        timeouts.drain.as_secs(),
    )
}

fn listener(listener: &Listener) -> Vec<String> {
    let address = listener
        .bind_address
        .map_or("all".to_owned(), |address| address.to_string());
    vec![
        listener.name.clone(),
        listener.port.to_string(),
        listener.bind_port.to_string(),
        address,
        listener.service().to_owned(),
        if listener.tls { "yes" } else { "no" }.to_owned(),
        if listener.accept_proxy {
            "required"
        } else {
            "no"
        }
        .to_owned(),
    ]
}

/// A row an address; the first one names the upstream.
fn upstream(upstream: &Upstream) -> Vec<Vec<String>> {
    let mut first = [upstream.name.clone(), upstream.proxy_header.to_string()];
    let row = |address: &config::HostPort| {
        let [name, header] = std::mem::take(&mut first);
        vec![name, address.to_string(), header]
    };
    upstream.addresses.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_configuration_reads_well() {
        let config = config::parse("", config::DEFAULT).unwrap().config;
        assert_eq!(
            render("/etc/config/waproxy", &config),
            "\
configuration  /etc/config/waproxy is right
enabled        no: option enabled is 0
workers        auto
limits         max_connections auto, max_connections_per_client 64,
               max_rate_per_client 20, max_handshakes 64
timeouts       connect 5, handshake 10, idle 200, half-close 10, drain 3 seconds
firewall       opened for zone wan by the service
log            warn
certificate    self-signed

LISTENER    PORT  BOUND  ADDRESS  SERVICE  TLS  PROXY
chat_tls     443  10443  all      chat     yes  no
media_main   587  10587  all      media    no   no

UPSTREAM  ADDRESS                       PROXY
chat      g.whatsapp.net:5222           v1
          g-fallback.whatsapp.net:5222
media     whatsapp.net:443              none
"
        );
    }

    #[test]
    fn a_text_is_judged_as_its_file_would_be() {
        let right = judge(config::DEFAULT);
        assert_eq!((right.errors.len(), right.warnings.len()), (0, 0));
        let odd = judge(&format!("{}\toption colour 'blue'\n", config::DEFAULT));
        assert!(odd.errors.is_empty(), "{odd:?}");
        assert!(odd.warnings[0].contains("option colour 'blue'"), "{odd:?}");
        let wrong = judge("config waproxy 'main'\n\toption workers 'many'\n");
        let expected = "/etc/config/waproxy: waproxy 'main', option workers 'many': ";
        assert!(wrong.errors[0].starts_with(expected), "{wrong:?}");
        // Nothing of it is opened.
        let pair = "
            config waproxy 'main'
                option cert '/nowhere/cert.pem'
                option key '/nowhere/key.pem'
            config listener 'chat_tls'
                option port '443'
                option service 'chat'
                option tls '1'";
        assert!(judge(pair).errors.is_empty());
    }

    #[test]
    fn what_the_operator_adds_is_shown_within_80_columns() {
        let text = "
            config waproxy 'main'
                option enabled '1'
                option host 'example.net'
                option firewall '0'
                option max_handshakes '0'
                option cert '/etc/ssl/a.pem'
                option key '/etc/ssl/a.key'
                list trusted_proxy '2001:db8::/32'
                list trusted_proxy '192.0.2.1'
            config listener 'a_name_that_goes_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on_x'
                option port '443'
                option service 'mine'
                option tls '1'
                option accept_proxy '1'
                option bind_address '2001:db8:1111:2222:3333:4444:5555:6666'
            config budget 'budget'
                option bytes '50GB'
                option rate '20'
                option family_first '1'
                option hours '22:00-06:00'
                list weekday 'sun'
            config upstream 'mine'
                list address '[2001:db8:1111:2222:3333:4444:5555:6666]:65535'";
        let text = render("f", &config::parse("f", text).unwrap().config);
        for part in [
            "example.net",
            "left alone",
            "max_handshakes off",
            "budget         50GB a month from day 1, 20 Mbit/s where the family leaves it,",
            "22:00-06:00, sun",
            "/etc/ssl/a.pem with",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(text.contains("2001:db8::/32, 192.0.2.1/32"), "{text}");
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
    }
}
