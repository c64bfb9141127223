//! The first half of a Noise handshake as WhatsApp does it, from the side that begins: the other
//! side's two keys in, whether they are a responder's out. Never reads a socket.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, X25519, agree_ephemeral};
use ring::digest::{Context, SHA256};
use ring::error::Unspecified;
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::SystemRandom;

/// Bytes of a key, a secret and a hash alike.
pub(super) const KEY: usize = 32;

/// What the encrypted key has more than a plain one.
pub(super) const TAG: usize = 16;

/// `Noise_XX_25519_AESGCM_SHA256`, filled up with zeros (Noise 34, 5.2).
const PROTOCOL: &[u8; KEY] = b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0";

/// A handshake whose first message is sent.
pub(super) struct Initiator {
    private: EphemeralPrivateKey,
    public: [u8; KEY],
    hash: [u8; KEY],
}

/// The two keys that come out of mixing a secret in.
struct Two;

// === impl Initiator ===

impl Initiator {
    /// A fresh key, for a handshake that begins with `prologue`.
    pub(super) fn new(prologue: &[u8]) -> Result<Self, Unspecified> {
        let private = EphemeralPrivateKey::generate(&X25519, &SystemRandom::new())?;
        let public = private.compute_public_key()?;
        let public: [u8; KEY] = public.as_ref().try_into().map_err(|_| Unspecified)?;
        // Noise has the empty payload of the first message hashed too. WhatsApp has not.
        let hash = mix_hash(&mix_hash(PROTOCOL, prologue), &public);
        Ok(Self {
            private,
            public,
            hash,
        })
    }

    /// The public key, which is all that the first message carries.
    pub(super) fn public(&self) -> &[u8; KEY] {
        &self.public
    }

    /// Whether `sealed`, a static key, was encrypted by whoever has the private key of `ephemeral`
    /// and got our message with its prologue.
    ///
    /// So it is a Noise responder of WhatsApp's kind, and neither an echo nor a server of something
    /// else. Who has that static key is not known yet: for that our ephemeral key would be needed once
    /// more, and ring's is for one use. One who imitates WhatsApp passes; no phone will believe him.
    pub(super) fn accepts(self, ephemeral: &[u8], sealed: &[u8]) -> bool {
        let hash = mix_hash(&self.hash, ephemeral);
        let peer = UnparsedPublicKey::new(&X25519, ephemeral);
        agree_ephemeral(self.private, &peer, |secret| opens(secret, &hash, sealed))
            .is_ok_and(|opened| opened.is_ok())
    }
}

// === impl Two ===

impl KeyType for Two {
    fn len(&self) -> usize {
        2 * KEY
    }
}

/// Opens the static key with what the secret of both ephemeral keys gives.
fn opens(secret: &[u8], hash: &[u8; KEY], sealed: &[u8]) -> Result<(), Unspecified> {
    // The first of the two goes on to secrets that never come here.
    let mut keys = [0; 2 * KEY];
    let mixed = Salt::new(HKDF_SHA256, PROTOCOL).extract(secret);
    mixed.expand(&[], Two)?.fill(&mut keys)?;
    let (_, key) = keys.split_at(KEY);
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key)?);
    let nonce = Nonce::assume_unique_for_key([0; 12]);
    let mut opened = sealed.to_vec();
    key.open_in_place(nonce, Aad::from(hash), &mut opened)?;
    Ok(())
}

fn mix_hash(hash: &[u8; KEY], data: &[u8]) -> [u8; KEY] {
    let mut context = Context::new(&SHA256);
    context.update(hash);
    context.update(data);
    let mut mixed = [0; KEY];
    mixed.copy_from_slice(context.finish().as_ref());
    mixed
}

#[cfg(test)]
mod tests;
