//! What an init script must know of a configuration, in words that a shell can read.

use std::fmt::{Display, Write as _};

use crate::config::{Certificate, Config, Decoy};
use crate::daemon;

/// The facts, a line each: a word, a space, the value. Nothing for a proxy that
/// is switched off. A listener's value is its name, its public port, the port that it listens on,
/// and its one address or `*`; a page's is the name of its listener, and the file.
pub(super) fn facts(config: &Config) -> String {
    let mut out = String::new();
    if !config.enabled {
        return out;
    }
    let mut fact = |word: &str, value: &dyn Display| {
        let _ = writeln!(out, "{word} {value}");
    };
    fact("drain_timeout", &config.timeouts.drain.as_secs());
    fact("files", &daemon::files(config));
    fact("firewall", &u8::from(config.firewall));
    fact("src_zone", &config.src_zone);
    fact("port_mapping", &u8::from(config.port_mapping));
    if let Some(interface) = &config.upstream_interface {
        fact("upstream_interface", interface);
    }
    if let Certificate::Operator { cert, key } = &config.certificate {
        fact("cert", &cert.display());
        fact("key", &key.display());
    }
    for listener in &config.listeners {
        let (name, port, bind_port) = (&listener.name, listener.port, listener.bind_port);
        let address = listener
            .bind_address
            .map_or("*".to_owned(), |address| address.to_string());
        fact(
            "listener",
            &format_args!("{name} {port} {bind_port} {address}"),
        );
        if let Some(Decoy::Page(page)) = &listener.decoy {
            fact("page", &format_args!("{name} {}", page.display()));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn an_init_script_is_told_what_it_must_know() {
        let facts = |text: &str| super::facts(&config::parse("f", text).unwrap().config);
        assert_eq!(facts(config::DEFAULT), "");
        let text = "
            config waproxy 'main'
                option enabled '1'
                option workers '1'
                option max_connections '100'
                option drain_timeout '7'
                option firewall '0'
                option src_zone 'uplink'
                option upstream_interface 'wanb'
                option cert '/a cert.pem'
                option key '/key.pem'
            config listener
                option port '443'
                option service 'chat'
            config listener 'one'
                option port '8443'
                option bind_address '::1'
                option service 'chat'
                option tls '1'
                option decoy '/www/a page.html'
            config listener 'off'
                option enabled '0'
                option port '80'
                option service 'chat'";
        let files = 2 * 100 + 128 + 2 * crate::side::MOST_PIPES;
        assert_eq!(
            facts(text),
            format!(
                "\
drain_timeout 7
files {files}
firewall 0
src_zone uplink
port_mapping 0
upstream_interface wanb
cert /a cert.pem
key /key.pem
listener @listener[0] 443 10443 *
listener one 8443 8443 ::1
page one /www/a page.html
"
            )
        );
    }
}
