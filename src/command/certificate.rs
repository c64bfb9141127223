//! `waproxy certificate`: the certificate that TLS listeners show, and a new one on demand.

use super::table::field;
use super::{Error, Options, print_text};
use crate::control::{self, CertificateStatus, Request, Whose};

/// Prints the certificate in use; with `new`, after the daemon has replaced it.
pub fn run(options: &Options, new: bool) -> Result<(), Error> {
    if new {
        control::ask(&options.control()?, Request::NewCertificate)?;
    }
    print_text(options, Request::Certificate)
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
    if let Some(error) = &certificate.unkept {
        field(&mut out, "  not kept", error);
    }
    out
}
