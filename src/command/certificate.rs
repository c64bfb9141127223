//! `waproxy certificate`: the certificate that TLS listeners show, and a new one on demand.

use super::table::field;
use super::{Error, Options, print, status_of_daemon};
use crate::control::{self, CertificateStatus, Whose};

/// Prints the certificate in use; with `new`, after the daemon has replaced it.
pub fn run(options: &Options, new: bool) -> Result<(), Error> {
    let certificate = if new {
        control::new_certificate(&options.control()?)?
    } else {
        let certificate = status_of_daemon(options)?.certificate;
        certificate.ok_or(Error::NoCertificate)?
    };
    print(&render(&certificate))
}

/// The certificate for a terminal of 80 columns.
pub fn render(certificate: &CertificateStatus) -> String {
    let mut out = String::new();
    field(&mut out, "certificate", &certificate.names.join(", "));
    field(&mut out, "  SHA-256", &certificate.sha256);
    field(&mut out, "  not after", &certificate.not_after);
    let whose = match certificate.whose {
        Whose::Operator => "the operator's (options cert and key)",
        Whose::Own => "self-signed by waproxy",
    };
    field(&mut out, "  whose", whose);
    if let Some(error) = &certificate.error {
        field(&mut out, "  not loaded", error);
    }
    out
}
