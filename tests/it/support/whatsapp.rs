//! Stand-ins for WhatsApp's hosts that speak as those do: chat with a real Noise responder, media
//! with TLS.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, HandshakeState};

use super::authority::Pair;
use super::stand_in::StandIn;

/// Answers WhatsApp's greeting.
pub fn chat() -> StandIn {
    StandIn::new(|mut stream| {
        let (prologue, ephemeral) = read_greeting(&mut stream)?;
        let mut noise = responder(&prologue);
        let mut payload = [0; 1024];
        let length = noise.read_message(&ephemeral, &mut payload).unwrap();
        assert_eq!(length, 0, "the greeting has a payload");
        let mut message = [0; 1024];
        let length = noise.write_message(&[5; 300], &mut message).unwrap();
        stream.write_all(&answer(&message[..length]))?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    })
}

/// Answers with a hello of the right form, made without the greeting's key.
pub fn imitation() -> StandIn {
    StandIn::new(|mut stream| {
        read_greeting(&mut stream)?;
        stream.write_all(&answer(&[9; 32 + 48 + 316]))?;
        stream.read_to_end(&mut Vec::new()).map(drop)
    })
}

/// Shakes hands with a certificate.
pub fn media(pair: &Pair) -> StandIn {
    let chain = CertificateDer::pem_file_iter(&pair.cert).unwrap();
    let chain = chain.map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let config = Arc::new(config.unwrap());
    StandIn::new(move |stream| {
        let session = ServerConnection::new(config.clone()).unwrap();
        StreamOwned::new(session, stream)
            .read_to_end(&mut Vec::new())
            .map(drop)
    })
}

/// The header and the client's ephemeral key of a greeting, of which nothing else is known.
fn read_greeting(stream: &mut TcpStream) -> io::Result<([u8; 4], [u8; 32])> {
    let mut header = [0; 4];
    stream.read_exact(&mut header)?;
    assert_eq!(header[..2], *b"WA");
    let mut length = [0; 4];
    stream.read_exact(&mut length[1..])?;
    let mut message = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut message)?;
    // HandshakeMessage { clientHello (2): { ephemeral (1) } }
    let ephemeral = message.strip_prefix(&[0x12, 34, 0x0a, 32]).unwrap();
    Ok((header, ephemeral.try_into().unwrap()))
}

/// `HandshakeMessage { serverHello (3): { ephemeral (1), static (2), payload (3) } }` in a frame.
fn answer(noise: &[u8]) -> Vec<u8> {
    let (ephemeral, rest) = noise.split_at(32);
    let (sealed, payload) = rest.split_at(48);
    let hello =
        [(1, ephemeral), (2, sealed), (3, payload)].map(|(field, bytes)| written(field, bytes));
    let message = written(3, &hello.concat());
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&length[1..], &message].concat()
}

/// A field of bytes in Protocol Buffers.
fn written(field: u8, bytes: &[u8]) -> Vec<u8> {
    let (low, high) = (bytes.len() % 128, bytes.len() / 128);
    let length = [
        u8::try_from(low).unwrap() | 0x80,
        u8::try_from(high).unwrap(),
    ];
    [&[field << 3 | 2], &length[..], bytes].concat()
}

fn responder(prologue: &[u8]) -> HandshakeState {
    let params = "Noise_XX_25519_AESGCM_SHA256".parse().unwrap();
    Builder::with_resolver(params, Box::new(WhatsApp))
        .prologue(prologue)
        .unwrap()
        .local_private_key(&[7; 32])
        .unwrap()
        .build_responder()
        .unwrap()
}

/// Noise but for one thing that WhatsApp leaves out: the empty payload of the first message is not
/// hashed, so that a hash onto which nothing is hashed stays as it is.
struct WhatsApp;

impl CryptoResolver for WhatsApp {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        DefaultResolver.resolve_rng()
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        let inner = DefaultResolver.resolve_hash(choice)?;
        let input = Vec::new();
        Some(Box::new(WhatsAppHash { inner, input }))
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

struct WhatsAppHash {
    inner: Box<dyn Hash>,
    input: Vec<u8>,
}

impl Hash for WhatsAppHash {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn block_len(&self) -> usize {
        self.inner.block_len()
    }

    fn hash_len(&self) -> usize {
        self.inner.hash_len()
    }

    fn reset(&mut self) {
        self.input.clear();
    }

    fn input(&mut self, data: &[u8]) {
        self.input.extend(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let length = self.hash_len();
        if self.input.len() == length {
            out[..length].copy_from_slice(&self.input);
            return;
        }
        self.inner.reset();
        self.inner.input(&self.input);
        self.inner.result(out);
    }
}
