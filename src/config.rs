//! UCI text in, a [`Config`] out in which wrong states cannot be written down, or every
//! [`Problem`] of the text at once. Never opens a socket and never looks a name up.
//!
//! What a file leaves out is as shipped: the options of `main` and `budget`, and the upstreams `chat`, `web` and
//! `media` as a whole or option by option. So a file of listeners is enough. A listener is switched
//! on unless it says otherwise, without TLS and without `accept_proxy`; an upstream of one's own
//! gets a PROXY header `v1`. Absent and empty mean the same. Where a list belongs, an option is
//! split at blanks; where an option belongs, a list of one will do.
//!
//! [`uci`] reads the text, `shipped` completes it, `raw` names its parts and `typed` makes sense of
//! them, with a function of `value` for each type.

mod budget;
mod display;
mod problem;
mod raw;
mod reader;
mod report;
mod shipped;
mod typed;
pub mod uci;
mod value;

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU16, NonZeroU32};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use log::LevelFilter;

pub use self::budget::{Budget, Bytes, Hours, Period, Weekdays};
pub use self::problem::{Problem, Problems};
use self::raw::RawConfig;
use self::report::Report;
pub use self::value::public_host;

/// The configuration that the packages ship, embedded for machines without one.
pub const DEFAULT: &str = include_str!("../openwrt/waproxy/files/waproxy.config");

/// The service that finds out itself where a connection belongs.
const AUTO: &str = "auto";
/// The services between which it chooses.
const CHAT: &str = "chat";
const MEDIA: &str = "media";

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 256 * 1024;

/// Reads a regular file: a pipe could keep a reload waiting for ever.
pub fn load(path: &Path) -> Result<Loaded, Problems> {
    let file = path.display().to_string();
    match text(path) {
        Ok(text) => parse(&file, &text),
        Err(error) => {
            let message = format!("this file cannot be read: {error}");
            Err(Problems::new(vec![Problem::new(&file, &message)]))
        }
    }
}

/// Reads the text of a file, whose name is for messages only. The problems are all that there
/// are, and beside them what else is odd.
pub fn parse(file: &str, text: &str) -> Result<Loaded, Problems> {
    let mut report = Report::new(file);
    let mut content = uci::read(text);
    for (line, fault) in &content.faults {
        report.line(*line, &fault.to_string());
    }
    shipped::complete(&mut content.sections);
    let raw = RawConfig::new(&content.sections, &mut report);
    let config = typed::config(&raw, &mut report);
    report.close(config)
}

fn text(path: &Path) -> io::Result<String> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    File::open(path)?
        .take(MAX_FILE + 1)
        .read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!(
            "it is larger than {MAX_FILE} bytes"
        )));
    }
    Ok(text)
}

/// A configuration with what is odd about its file.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What the file says.
    pub config: Config,
    /// Options and types of sections that nobody knows, perhaps left behind by a newer version.
    pub warnings: Vec<Problem>,
}

/// A whole, valid configuration.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own"
)]
pub struct Config {
    /// Whether the service may run at all.
    pub enabled: bool,
    /// Threads that carry connections.
    pub workers: Auto<NonZeroU32>,
    /// How much of everything at once.
    pub limits: Limits,
    /// How long anything may take.
    pub timeouts: Timeouts,
    /// Whether the init script opens the public ports. The daemon does nothing with it.
    pub firewall: bool,
    /// The firewall zone that clients come from. The daemon does nothing with it.
    pub src_zone: String,
    /// Whether another router in front of this machine is asked to let people in.
    pub port_mapping: bool,
    /// What is logged.
    pub log_level: LevelFilter,
    /// Whether what was carried each day is kept on disk.
    pub keep_history: bool,
    /// The network device by which alone upstreams are reached; `None`: as the routes say.
    pub upstream_interface: Option<String>,
    /// The name or IPv4 address that people enter.
    pub host: Option<String>,
    /// Which certificate TLS listeners show.
    pub certificate: Certificate,
    /// The server names by which media is known, in small letters. One that begins with a dot stands
    /// for all that is under it too.
    pub media_names: Vec<String>,
    /// Who may send a PROXY header.
    pub trusted_proxies: Vec<IpNet>,
    /// How much of the line it may take, and when.
    pub budget: Budget,
    /// The enabled listeners, at least one, in the order of the file. No two clash.
    pub listeners: Vec<Listener>,
    /// The upstreams that they lead to, each once.
    pub upstreams: Vec<Arc<Upstream>>,
}

/// A value that may be left to the daemon.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Auto<T> {
    /// The daemon finds the value.
    Auto,
    /// The operator's value.
    Fixed(T),
}

/// Caps on connections. `None` is off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once.
    pub max_connections: Auto<NonZeroU32>,
    /// Connections at once from one client.
    pub max_connections_per_client: Option<NonZeroU32>,
    /// New connections a second from one client.
    pub max_rate_per_client: Option<NonZeroU32>,
    /// Handshakes in progress at once.
    pub max_handshakes: Option<NonZeroU32>,
}

/// How long each stage may take; whole seconds, none of them zero but `drain`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// Finding a working address of an upstream.
    pub connect: Duration,
    /// PROXY header, TLS handshake, and first bytes where they are waited for, together.
    pub handshake: Duration,
    /// Silence of both sides.
    pub idle: Duration,
    /// Silence after one side has closed.
    pub half_close: Duration,
    /// What open connections get on stop.
    pub drain: Duration,
}

/// Where the certificate of TLS listeners comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Certificate {
    /// The self-signed pair that the daemon makes and keeps.
    Own,
    /// The operator's PEM files.
    Operator {
        /// The chain, leaf first.
        cert: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// One port of ours.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Listener {
    /// The section: `chat_tls`, or `@listener[2]` for an anonymous one.
    pub name: String,
    /// What people use.
    pub port: NonZeroU16,
    /// What the daemon binds.
    pub bind_port: NonZeroU16,
    /// The one local address to listen on; `None` is all of them, IPv6 and IPv4.
    pub bind_address: Option<IpAddr>,
    /// Where its connections go.
    pub upstream: Arc<Upstream>,
    /// Where those go that turn out to be media; only where the service is `auto`.
    pub media: Option<Arc<Upstream>>,
    /// Whether TLS ends here.
    pub tls: bool,
    /// Whether each connection must begin with a PROXY header.
    pub accept_proxy: bool,
    /// What becomes of a connection that does not begin as its service does.
    pub gate: Gate,
    /// What browsers find at a port of chat over TLS.
    pub decoy: Option<Decoy>,
}

/// What browsers find at a port of chat.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoy {
    /// A page of HTML, in this file.
    Page(PathBuf),
    /// What the web server at this address says.
    Server(SocketAddr),
}

/// What becomes of a connection that does not begin as its service does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gate {
    /// Nothing: nobody looks.
    Off,
    /// The log tells of it.
    Log,
    /// It is closed, and reaches no upstream.
    Enforce,
}

/// A WhatsApp host that a service leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// The section, which is the name of the service.
    pub name: String,
    /// Where it is, best first; at least one.
    pub addresses: Vec<HostPort>,
    /// What is sent before the client's bytes.
    pub proxy_header: ProxyHeader,
    /// Lets names lead into private addresses. For tests.
    pub allow_private: bool,
    /// The network device by which alone it is reached: that of the whole configuration.
    pub interface: Option<String>,
}

/// A host with its port, as `name:443`, `192.0.2.1:443` or `[2001:db8::1]:443`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// Its TCP port.
    pub port: NonZeroU16,
}

/// A host by name or address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// A literal address.
    Address(IpAddr),
}

/// The PROXY protocol header that an upstream gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyHeader {
    /// None at all.
    None,
    /// The text form.
    V1,
    /// The binary form, without TLVs.
    V2,
}

// === impl Listener ===

impl Listener {
    /// How its section is called.
    pub fn label(&self) -> String {
        report::label("listener", &self.name)
    }

    /// What it carries: the name of an upstream, or `auto`.
    pub fn service(&self) -> &str {
        match self.media {
            Some(_) => AUTO,
            None => &self.upstream.name,
        }
    }

    /// Whether all its connections are media.
    pub fn is_media(&self) -> bool {
        self.upstream.name == MEDIA
    }
}
