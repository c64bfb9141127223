//! Stub of what the commands need.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How an upstream or one of its addresses fares.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not tried yet.
    Unknown,
    /// Connects.
    Up,
    /// Failed lately.
    Failing,
    /// Fails.
    Down,
}

/// One upstream, as the control socket shows it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Status {
    /// The section's name.
    pub name: String,
    /// The best of its addresses.
    pub health: Health,
    /// Every address that its names led to.
    pub addresses: Vec<AddressStatus>,
    /// The last failure of a lookup.
    pub last_error: Option<String>,
}

/// One address of an upstream.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct AddressStatus {
    /// The name and port of the configuration.
    pub name: String,
    /// Where that leads.
    pub address: SocketAddr,
    /// How it fares.
    pub health: Health,
    /// Milliseconds that the last connect took.
    pub connect_ms: Option<u32>,
    /// The last failure.
    pub last_error: Option<String>,
}
