//! The media port as a phone uses it: TLS through the proxy with WhatsApp's own server, whose
//! certificate must be right.

use rustls::pki_types::ServerName;
use rustls::{CertificateError, Error};
use tokio::net::TcpStream;

use super::authorities::authorities;
use super::tls::{Failure, Tls};
use super::{Done, Failed};
use crate::aside::aside;

/// The name that phones ask for most.
const NAME: &str = "mmg.whatsapp.net";

/// Shakes hands with WhatsApp's server.
pub(super) async fn shake_hands(socket: TcpStream) -> Result<Done<()>, Failed> {
    let roots = aside(authorities).await.ok().flatten();
    let can_verify = roots.is_some();
    let name = ServerName::try_from(NAME).map_err(|error| Failed::because(error, NAME))?;
    let shaken = Tls::shake_hands(socket, roots, name).await;
    let tls = shaken.map_err(|failure| match failure {
        Failure::Closed => Failed::because(
            "closed during the handshake",
            "the proxy cannot reach WhatsApp's media servers, lets nobody in just now, or takes other names only",
        ),
        Failure::Protocol(Error::InvalidCertificate(error)) => {
            let cause = cause(&error);
            Failed::because(Error::InvalidCertificate(error), cause)
        }
        Failure::Protocol(error) => Failed::because(error, "something else answers on this port"),
    })?;
    let mut done = Done::new(format!("{}, {NAME}", tls.version()), ());
    if !can_verify {
        done.warning = Some("no certificate authorities on this machine: cannot verify".into());
    }
    Ok(done)
}

/// Why a certificate may be wrong.
fn cause(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "the clock of this machine is wrong, or something in between answers"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "another server than WhatsApp's answers: the port leads elsewhere"
        }
        _ => "something in between answers, and not WhatsApp",
    }
}
