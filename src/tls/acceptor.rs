//! An [`Identity`] in, what handshakes need out: protocol versions, ciphers, session tickets.

use std::sync::Arc;

use rustls::crypto::ring::Ticketer;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::sign::SingleCertAndKey;
use rustls::{CipherSuite, SupportedCipherSuite};

use super::identity::Identity;
use super::provider::provider;

/// Makes what all TLS listeners share. TLS 1.2 and 1.3, any server name or none, any ALPN or
/// none. Sessions resume by tickets alone, whose keys live in what is returned: they never leave
/// memory, change by themselves every six hours, and end with it, so tickets issued under one
/// identity cannot resume under the next.
pub fn acceptor(identity: &Identity) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut provider = provider();
    prefer(&mut provider.cipher_suites, has_aes());
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(identity.key())));
    // Phones have AES instructions and ask for AES first; a router without must not agree.
    config.ignore_client_order = true;
    // Each resumption brings another, so one is enough, and two cost more than they are worth.
    config.send_tls13_tickets = 1;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = Ticketer::new()?;
    Ok(Arc::new(config))
}

/// Puts the ciphers in front that are fast on a CPU with or without instructions for AES.
fn prefer(suites: &mut [SupportedCipherSuite], aes: bool) {
    suites.sort_by_key(|suite| is_chacha(suite) == aes);
}

fn is_chacha(suite: &SupportedCipherSuite) -> bool {
    matches!(
        suite.suite(),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
    )
}

/// Whether the CPU has instructions for AES.
fn has_aes() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cipher_that_the_cpu_is_good_at_comes_first() {
        let mut suites = provider().cipher_suites;
        for aes in [true, false] {
            prefer(&mut suites, aes);
            let chacha: Vec<_> = suites.iter().map(is_chacha).collect();
            assert_eq!(chacha.first(), Some(&!aes));
            assert_eq!(chacha.last(), Some(&aes));
        }
    }
}
