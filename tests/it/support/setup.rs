//! The configuration of a test, as the text of a UCI file.

use std::fmt::{Display, Write};

use super::port;
use super::stand_in::StandIn;

/// A configuration in which nothing but what a test sets can get into its way: two workers, no
/// caps for a client, and a log that says all that it may say to an operator.
#[derive(Clone)]
pub struct Setup {
    sections: Vec<Section>,
}

impl Setup {
    pub fn new() -> Self {
        let main = Section::new("waproxy", "main")
            .option("enabled", 1)
            .option("workers", 2)
            .option("max_connections_per_client", 0)
            .option("max_rate_per_client", 0)
            .option("max_handshakes", 0)
            .option("log_level", "info");
        Self {
            sections: vec![main],
        }
    }

    /// Sets an option of the main section.
    pub fn main(mut self, name: &str, value: impl Display) -> Self {
        self.sections[0].set("option", name, &value);
        self
    }

    /// Adds a value to a list of the main section.
    pub fn main_list(mut self, name: &str, value: impl Display) -> Self {
        self.sections[0].add("list", name, &value);
        self
    }

    /// Adds a section, or takes the place of the one with the same name.
    pub fn with(mut self, section: Section) -> Self {
        match self
            .sections
            .iter_mut()
            .find(|old| old.name == section.name && old.kind == section.kind)
        {
            Some(old) => *old = section,
            None => self.sections.push(section),
        }
        self
    }

    pub fn without(mut self, listener: &str) -> Self {
        self.sections
            .retain(|section| section.kind != "listener" || section.name != listener);
        self
    }

    /// The public port of a listener.
    pub fn port(&self, listener: &str) -> u16 {
        let section = self
            .sections
            .iter()
            .find(|section| section.kind == "listener" && section.name == listener);
        section.expect("a listener of the configuration").port
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        for Section {
            kind, name, lines, ..
        } in &self.sections
        {
            writeln!(text, "config {kind} '{name}'").unwrap();
            for (kind, name, value) in lines {
                writeln!(text, "\t{kind} {name} '{value}'").unwrap();
            }
        }
        text
    }
}

/// One section of the file.
#[derive(Clone)]
pub struct Section {
    kind: &'static str,
    name: String,
    port: u16,
    lines: Vec<(&'static str, String, String)>,
}

impl Section {
    pub fn new(kind: &'static str, name: &str) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            port: 0,
            lines: Vec::new(),
        }
    }

    pub fn option(mut self, name: &str, value: impl Display) -> Self {
        self.set("option", name, &value);
        self
    }

    pub fn list(mut self, name: &str, value: impl Display) -> Self {
        self.add("list", name, &value);
        self
    }

    fn set(&mut self, kind: &'static str, name: &str, value: &dyn Display) {
        self.lines.retain(|(_, old, _)| old != name);
        self.add(kind, name, value);
    }

    fn add(&mut self, kind: &'static str, name: &str, value: &dyn Display) {
        self.lines.push((kind, name.to_owned(), value.to_string()));
    }
}

/// A listener without TLS and PROXY header, on a free port of all addresses.
pub fn listener(name: &str, service: &str) -> Section {
    listener_on(port::fresh(), name, service)
}

/// A listener on a port of the test's choice.
pub fn listener_on(port: u16, name: &str, service: &str) -> Section {
    let mut section = Section::new("listener", name)
        .option("enabled", 1)
        .option("port", port)
        .option("service", service);
    section.port = port;
    section
}

/// An upstream with one address, which may be on this machine.
pub fn upstream(name: &str, address: impl Display, proxy_header: &str) -> Section {
    Section::new("upstream", name)
        .list("address", address)
        .option("proxy_header", proxy_header)
        .option("allow_private", 1)
}

/// One listener with TLS, `chat_in`, that leads to `host`.
pub fn tls_chat(host: &StandIn) -> Setup {
    Setup::new()
        .with(listener("chat_in", "chat").option("tls", 1))
        .with(upstream("chat", host.address(), "none"))
}
