//! The certificate authorities that this machine trusts: its files in, roots for rustls out. Reads
//! files, so never on a thread that others wait for.

use std::env;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Where machines have them: OpenWrt and Debian, OpenWrt's older name, Fedora.
const FILES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/cert.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// The roots, if there are any: of the file that the environment names, as for other programs, else
/// of the first file that has some.
pub(super) fn authorities() -> Option<RootCertStore> {
    if let Some(file) = env::var_os("SSL_CERT_FILE") {
        return read(Path::new(&file));
    }
    FILES.iter().find_map(|file| read(Path::new(file)))
}

fn read(file: &Path) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).ok()?;
    // One that is broken or of a kind that nobody knows is no reason to do without the others.
    roots.add_parsable_certificates(certificates.map_while(Result::ok));
    (!roots.is_empty()).then_some(roots)
}
