//! Stub.
#![allow(missing_docs)]
use std::sync::Arc; use std::time::Duration; use std::net::SocketAddr; use serde::{Serialize, Deserialize};
#[derive(Debug)] pub struct Upstream;
#[derive(Debug)] pub struct DialError;
impl DialError { pub fn reason(&self) -> &'static str { "x" } }
#[derive(Clone, Copy, Debug, Serialize, Deserialize, PartialEq, Eq)] #[serde(rename_all="lowercase")] pub enum Health { Unknown, Up, Failing, Down }
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)] pub struct AddressStatus { pub name: String, pub address: SocketAddr, pub health: Health, pub connect_ms: Option<u32>, pub last_error: Option<String> }
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)] pub struct Status { pub name: String, pub health: Health, pub addresses: Vec<AddressStatus>, pub last_error: Option<String> }
impl Upstream { pub fn new(_c: Arc<crate::config::Upstream>) -> Arc<Self> { Arc::new(Self) }
 pub async fn dial(&self, _t: Duration) -> Result<tokio::net::TcpStream, DialError> { Err(DialError) }
 pub async fn keep_fresh(self: Arc<Self>, _t: Duration) { std::future::pending().await }
 pub fn status(&self) -> Status { todo!() } }
