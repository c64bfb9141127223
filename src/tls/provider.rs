//! The cryptography that a server needs, of ring's: no signatures are verified, and keys are of the
//! kinds that authorities certify. What is named neither here nor in `doctor/algorithms.rs` is not in
//! the program.

use std::sync::Arc;

use ring::rand::SystemRandom;
use rustls::Error;
use rustls::crypto::ring::sign::{RsaSigningKey, any_ecdsa_type};
use rustls::crypto::ring::{DEFAULT_CIPHER_SUITES, kx_group};
use rustls::crypto::{
    CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::SigningKey;

/// The ciphers of TLS 1.2 and 1.3, in rustls' order.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: DEFAULT_CIPHER_SUITES.to_vec(),
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        signature_verification_algorithms: WebPkiSupportedAlgorithms {
            all: &[],
            mapping: &[],
        },
        secure_random: &Ring,
        key_provider: &Ring,
    }
}

/// Reads a private key: RSA with 2048 to 4096 bits, or ECDSA with P-256 or P-384. None for others.
pub(super) fn load_key(der: &PrivateKeyDer<'_>) -> Option<Arc<dyn SigningKey>> {
    if let Ok(rsa) = RsaSigningKey::new(der) {
        return Some(Arc::new(rsa));
    }
    any_ecdsa_type(der).ok()
}

#[derive(Debug)]
struct Ring;

impl SecureRandom for Ring {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        ring::rand::SecureRandom::fill(&SystemRandom::new(), buffer).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Ring {
    fn load_private_key(&self, der: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, Error> {
        load_key(&der).ok_or_else(|| Error::General("unknown kind of key".into()))
    }
}
