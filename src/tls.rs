//! TLS is terminated here: a TCP stream in, a [`Side`](crate::side::Side) of plain bytes out. [`identity`] makes,
//! keeps and loads the certificate; [`acceptor`] builds what a handshake needs from it.

pub mod acceptor;
pub mod identity;
mod kept;
mod outbox;
pub(crate) mod provider;
mod stream;
mod x509;

pub use self::stream::{Error, Tls};
