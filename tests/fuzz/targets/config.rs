//! The text of a configuration in. What can be read of it can be written and read again, as
//! sections and as a [`Config`]; what is wrong is said on lines that can be shown; and a `Config`
//! is what it promises to be.

use std::sync::Arc;

use waproxy::config::uci::{Section, read};
use waproxy::config::{Config, parse};

use super::uci_text::{sections_of, text_of};

pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let content = read(text);
    for (line, fault) in &content.faults {
        assert!(
            (1..=text.split('\n').count()).contains(line),
            "{line}: {fault}"
        );
    }
    for Section { kind, options, .. } in &content.sections {
        assert!(!kind.is_empty());
        for (name, values) in options {
            assert!(!name.is_empty() && !values.is_empty());
            assert!(values.iter().all(|value| !value.is_empty()));
        }
    }
    let written = text_of(&content.sections);
    // Of what could not be read at all, some may be too much to be read twice.
    if content.faults.is_empty() {
        let again = read(&written);
        assert_eq!(again.faults, [], "{written}");
        assert_eq!(again.sections, content.sections, "{written}");
    }

    match parse("file", text) {
        Ok(loaded) => {
            assert_eq!(content.faults, []);
            check(&loaded.config);
            assert_eq!(parse("file", &written), Ok(loaded.clone()), "{written}");
            let written = text_of(&sections_of(&loaded.config));
            let again = parse("file", &written).unwrap();
            assert_eq!(again.config, loaded.config, "{written}");
            assert_eq!(again.warnings, [], "{written}");
        }
        Err(problems) => {
            assert!(problems.iter().next().is_some());
            for problem in &problems {
                let shown = problem.to_string();
                assert!(!shown.chars().any(char::is_control), "{shown:?}");
                assert!(shown.len() < 4096, "{shown}");
            }
        }
    }
}

/// What its documentation says of every one.
fn check(config: &Config) {
    assert!(!config.listeners.is_empty());
    for (i, one) in config.listeners.iter().enumerate() {
        for other in &config.listeners[..i] {
            assert_ne!(one.port, other.port);
            let apart = one.bind_address.is_some()
                && other.bind_address.is_some()
                && one.bind_address != other.bind_address;
            assert!(apart || one.bind_port != other.bind_port);
        }
        let leads_to = config
            .upstreams
            .iter()
            .filter(|u| Arc::ptr_eq(u, &one.upstream));
        assert_eq!(leads_to.count(), 1);
        assert!(!one.accept_proxy || !config.trusted_proxies.is_empty());
    }
    assert!(
        config
            .upstreams
            .iter()
            .all(|upstream| !upstream.addresses.is_empty())
    );
}
