//! The Unix socket through which a running daemon is asked: one JSON line asked, one answered, a
//! connection each. What goes over it is described here, once, for the commands, LuCI and anybody
//! else; [`Control`] is the daemon's end, [`ask`] the commands'.
//!
//! A request is an object whose `request` names it, with what belongs to it beside that:
//!
//! | request | answer |
//! |---|---|
//! | `{"request":"certificate"}` | `{"text":"…"}`, for people |
//! | `{"request":"check","text":"…"}` | `{"check":…}` with a [`Check`] |
//! | `{"request":"days"}` | `{"days":[…]}` with a [`Day`] for each of up to thirty, today last |
//! | `{"request":"doctor","begin":true}` | `{"doctor":…}` with an [`Examination`] |
//! | `{"request":"history"}` | `{"history":…}` with a [`History`] |
//! | `{"request":"metrics"}` | `{"text":"…"}`, OpenMetrics |
//! | `{"request":"new_certificate"}` | `{"certificate":…}` with a [`CertificateStatus`] |
//! | `{"request":"share","host":"…"}` | `{"share":…}` with a [`Share`] |
//! | `{"request":"status"}` | [`Status`] |
//! | `{"request":"status_text"}` | `{"text":"…"}`, for people |
//!
//! Commands print the daemon's text, so that a program holds no code to read a [`Status`] with.
//! Where there is no answer it is `{"error":"…"}`. No other answer has an `error` at its top.
//!
//! The schema is version [`SCHEMA`]. Fields, requests, states and reasons may be added under the
//! same number, so readers skip what they do not know; the number rises when a field goes away or
//! changes its meaning.

mod client;
mod request;
mod server;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::allowance::Pause;
use crate::doctor::Step;
use crate::stats::Carried;

pub use client::{ask, examination, link, text};
pub use request::{Request, TEXT_MAX};
pub use server::{Control, REQUEST_TIMEOUT};

/// The version of the schema, in [`Status::schema`].
pub const SCHEMA: u32 = 1;

/// The refusal of [`Request::Share`] for want of a host.
pub const NO_HOST: &str = "no host to share: set option host";

/// What is answered. The asker knows which by what it asked.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To [`Request::NewCertificate`].
    Certificate {
        /// The certificate in use from now on.
        certificate: CertificateStatus,
    },
    /// To [`Request::Check`].
    Check {
        /// The judgement.
        check: Check,
    },
    /// To [`Request::Days`].
    Days {
        /// Up to thirty, today last.
        days: Vec<Day>,
    },
    /// To [`Request::Doctor`].
    Doctor {
        /// What was found so far.
        doctor: Examination,
    },
    /// To [`Request::History`].
    History {
        /// The last ten minutes.
        history: History,
    },
    /// To [`Request::Share`].
    Share {
        /// The link.
        share: Share,
    },
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Certificate`], [`Request::Metrics`] and [`Request::StatusText`].
    Text {
        /// Lines, each with its end.
        text: String,
    },
}

/// How the daemon fares.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// The version of this schema, [`SCHEMA`].
    pub schema: u32,
    /// The daemon's version.
    pub version: String,
    /// Seconds since the daemon started.
    pub uptime_seconds: u64,
    /// What the daemon does.
    pub state: State,
    /// The configuration's file; none: the default that is built in.
    pub configuration_file: Option<String>,
    /// What was wrong with the file at the last reload, a line each. Not empty: the daemon still
    /// runs with the configuration from before.
    pub configuration_errors: Vec<String>,
    /// What the init script could not do as the configuration says, a line each: a file `problems`
    /// beside the configuration, read for each answer.
    pub service_problems: Vec<String>,
    /// The name or IPv4 address that people enter, where the configuration has one.
    pub host: Option<String>,
    /// What people are to enter, and whether it leads here.
    pub address: AddressStatus,
    /// What the router in front of this machine says; none: `option port_mapping` is off.
    pub port_mapping: Option<crate::port_mapping::Status>,
    /// What keeps people out and what can be done, a line each, for people. Empty where somebody came
    /// from outside within a day.
    pub hints: Vec<String>,
    /// Threads that carry connections.
    pub workers: u32,
    /// Bytes of memory that the daemon's process holds (resident).
    pub memory_bytes: u64,
    /// The connections of all listeners together.
    pub connections: Connections,
    /// Seconds since a client was last let in that called from outside: not from a private,
    /// loopback, link-local, unique-local or carrier NAT address, nor from the home of the address
    /// that it called. None: nobody since the start.
    pub last_outside_seconds: Option<u64>,
    /// What was carried since midnight in the router's time zone, or since the start if that was
    /// later. The day begins up to five seconds late.
    pub today: Carried,
    /// How many clients from outside were served today: an estimate, off by 5 % as a rule. After a
    /// restart no less than before.
    pub people_today: u32,
    /// The same of seven days, today being the last. Who came on several days counts on each.
    pub people_week: u32,
    /// What is left of the budget, and whether it is its time. Looked at every five seconds.
    pub budget: BudgetStatus,
    /// The listeners, in the order of the configuration.
    pub listeners: Vec<ListenerStatus>,
    /// The upstreams, in the order of the configuration.
    pub upstreams: Vec<crate::upstream::Status>,
    /// The certificate that TLS listeners show; none where none is needed.
    pub certificate: Option<CertificateStatus>,
}

/// What is left of the budget, and whether it is its time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BudgetStatus {
    /// Why nobody is let in; none: people are.
    pub pause: Option<Pause>,
    /// Until when: `2026-12-01 07:00` in the router's time zone.
    pub until: Option<String>,
    /// Until when: seconds since 1970, UTC.
    pub until_unix: Option<i64>,
    /// Bytes on the line that a period has; none: any number.
    pub bytes: Option<u64>,
    /// Bytes on the line of this period, or since the start if that was later: two for each that was
    /// carried, since it came in and went out.
    pub used_bytes: u64,
    /// When the next period begins: seconds since 1970, UTC.
    pub anew_unix: i64,
    /// Bit/s that all connections may take together just now, in each direction of the line; none: any
    /// number.
    pub rate: Option<u64>,
}

/// What the daemon does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Takes no new connections and ends when the open ones have, or after `drain_timeout`.
    Draining,
    /// Takes connections.
    Running,
}

/// What people are to enter, as the network is at the moment of asking.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct AddressStatus {
    /// A name or an IPv4 address; none where there is none.
    pub host: Option<String>,
    /// What says so.
    pub source: Option<HostSource>,
    /// The IPv4 address that this machine has toward the Internet.
    pub own: Option<Ipv4Addr>,
    /// The kind of that address, or of the one that the router in front says it has.
    pub kind: AddressKind,
}

/// What says what people are to enter, in the order of precedence.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HostSource {
    /// The configuration.
    Option,
    /// The router's dynamic DNS, as the init script handed it over.
    Ddns,
    /// The router in front of this machine.
    Gateway,
    /// This machine's address toward the Internet.
    Own,
}

/// Whether an address is reached from the Internet.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressKind {
    /// One of a provider's, which many customers share.
    CarrierNat,
    /// There is an IPv6 address, which phones do not take, and no other.
    Ipv6Only,
    /// There is none.
    None,
    /// Of a home network, or otherwise none of the Internet's.
    Private,
    /// Yes, as far as can be known.
    Public,
}

/// The connections of all listeners together.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Connections {
    /// Open now.
    pub now: u64,
    /// The most that were open at once since the start.
    pub peak: u64,
    /// The most that may be open at once.
    pub cap: u64,
    /// What set the cap: `option max_connections`, `memory`, `file descriptors`,
    /// `nf_conntrack_max` or `limit of 27500`.
    pub bound_by: String,
    /// Accepted since the start, those that were refused afterwards included.
    pub accepted: u64,
}

/// One listener. Counters begin with the daemon and live through reloads.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ListenerStatus {
    /// The section's name in the configuration.
    pub name: String,
    /// The public port, that people use.
    pub port: u16,
    /// The port that the daemon listens on.
    pub bind_port: u16,
    /// The one local address that it listens on; none: all.
    pub bind_address: Option<IpAddr>,
    /// What it carries: `chat`, `web`, `media`, `auto` or the name of an upstream section.
    pub service: String,
    /// Whether TLS ends here.
    pub tls: bool,
    /// Whether each connection must begin with a PROXY header.
    pub accept_proxy: bool,
    /// Connections open now.
    pub active: u64,
    /// Connections accepted.
    pub accepted: u64,
    /// Connections turned away by a rule, by reason.
    pub refused: BTreeMap<String, u64>,
    /// All others that are over, carried or failed before, by reason.
    pub ended: BTreeMap<String, u64>,
    /// Failures to accept, by error.
    pub accept_errors: BTreeMap<String, u64>,
    /// Bytes from clients to WhatsApp.
    pub bytes_up: u64,
    /// Bytes from WhatsApp to clients.
    pub bytes_down: u64,
}

/// The certificate that TLS listeners show.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CertificateStatus {
    /// The names and addresses it is for.
    pub names: Vec<String>,
    /// The fingerprint: SHA-256 over its DER, 64 hexadecimal digits, lowercase.
    pub sha256: String,
    /// When it ends: RFC 3339, UTC, seconds.
    pub not_after: String,
    /// When it ends: seconds since 1970, UTC.
    pub not_after_unix: i64,
    /// Who made it.
    pub whose: Whose,
    /// Why the pair that the configuration names is not the one in use.
    pub error: Option<String>,
    /// Why our own is not on disk yet: until it is, it ends with the daemon.
    pub unkept: Option<String>,
}

/// What `waproxy check` would say of a configuration, but for the operator's certificate, which the
/// daemon has no right to read before it is handed over.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
    /// What makes it unusable, a line each.
    pub errors: Vec<String>,
    /// What is odd about it: options that this version does not know.
    pub warnings: Vec<String>,
}

/// How the daemon looked at itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Examination {
    /// Whether it still does.
    pub running: bool,
    /// What was found, in turn.
    pub steps: Vec<Step>,
}

/// What was carried on a day, and for how many people.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Day {
    /// In the router's time zone, as `2026-11-25`.
    pub date: String,
    /// Bytes from clients to WhatsApp.
    pub bytes_up: u64,
    /// Bytes from WhatsApp to clients.
    pub bytes_down: u64,
    /// Connections accepted.
    pub connections: u64,
    /// Clients from outside that were served: an estimate.
    pub people: u32,
}

/// The last ten minutes, oldest first: as many numbers in each list, and at most 120. The last
/// interval ended just before.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct History {
    /// How long each interval was, in seconds.
    pub interval_seconds: u64,
    /// Bytes from clients to WhatsApp, in each interval; no more than 4 GiB are told.
    pub bytes_up: Vec<u32>,
    /// Bytes from WhatsApp to clients, likewise.
    pub bytes_down: Vec<u32>,
    /// Connections open at its end.
    pub connections: Vec<u32>,
}

/// What sets WhatsApp up for this proxy.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Share {
    /// The link that fills in WhatsApp's form.
    pub link: String,
    /// The rest is what to enter by hand: the name or IPv4 address,
    pub host: String,
    /// the public port for chat,
    pub chat_port: u16,
    /// the public port for media,
    pub media_port: u16,
    /// and whether to use TLS for chat.
    pub chat_tls: bool,
    /// Why the link may lead nowhere, a line each, for people. Empty where the host is the asker's or
    /// the configuration's.
    pub hints: Vec<String>,
}

/// Who made a certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The operator: options `cert` and `key`.
    Operator,
    /// The daemon.
    Own,
}

/// Why there is no control socket, or no answer from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket, its folder or its lock could not be made.
    #[error("cannot make the control socket {path}: {source}")]
    Bind {
        /// What could not be made.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The socket is not for this user.
    #[error("permission denied at {0}: ask as root or as the user that waproxy runs as")]
    Denied(PathBuf),
    /// Something answered that is none of ours: another program, or another version.
    #[error("the answer at {path} makes no sense to this version: {reason}")]
    Garbled {
        /// The socket.
        path: PathBuf,
        /// Where reading the answer failed.
        reason: String,
    },
    /// Connected, but no answer came.
    #[error("waproxy did not answer at {path}: {source}")]
    NoAnswer {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nothing listens.
    #[error(
        "waproxy is not running (no answer at {0}): start it with `service waproxy start` or `waproxy run`, or name its socket with --control"
    )]
    NotRunning(PathBuf),
    /// The daemon answered that it cannot do this.
    #[error("{0}")]
    Refused(String),
    /// Another instance holds the lock.
    #[error("waproxy is already running (it holds the lock {0})")]
    Running(PathBuf),
}

#[cfg(test)]
mod tests;
