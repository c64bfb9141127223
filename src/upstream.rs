//! Stub.
#![allow(missing_docs)]
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
#[derive(Debug)]
pub struct Upstream(Arc<crate::config::Upstream>);
#[derive(Debug)]
pub struct DialError;
impl DialError {
    pub fn reason(&self) -> &'static str {
        "x"
    }
}
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Unknown,
    Up,
    Failing,
    Down,
}
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct AddressStatus {
    pub name: String,
    pub address: SocketAddr,
    pub health: Health,
    pub connect_ms: Option<u32>,
    pub last_error: Option<String>,
}
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Status {
    pub name: String,
    pub health: Health,
    pub addresses: Vec<AddressStatus>,
    pub last_error: Option<String>,
}
impl Upstream {
    pub fn new(c: Arc<crate::config::Upstream>) -> Arc<Self> {
        Arc::new(Self(c))
    }
    pub async fn dial(&self, _t: Duration) -> Result<tokio::net::TcpStream, DialError> {
        let crate::config::Host::Address(a) = self.0.addresses[0].host else {
            return Err(DialError);
        };
        tokio::net::TcpStream::connect((a, self.0.addresses[0].port.get()))
            .await
            .map_err(|_| DialError)
    }
    pub async fn keep_fresh(self: Arc<Self>, _t: Duration) {
        std::future::pending().await
    }
    pub fn status(&self) -> Status {
        Status {
            name: self.0.name.clone(),
            health: Health::Up,
            addresses: vec![],
            last_error: None,
        }
    }
}
