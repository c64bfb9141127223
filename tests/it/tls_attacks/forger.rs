//! The records that no TLS library would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, Iv, MessageDecrypter, MessageEncrypter, OutboundChunks,
    OutboundPlainMessage, Tls13AeadAlgorithm,
};
use rustls::kernel::KernelConnection;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ConnectionTrafficSecrets, ContentType, ProtocolVersion};

use crate::support::client::read_exactly;
use crate::support::relayed::Stage;
use crate::support::tls::{any_certificate, server_name};

/// A client of TLS 1.3 that seals whatever it is told to.
pub struct Forger {
    pub socket: TcpStream,
    keys: KernelConnection<ClientConnectionData>,
    sealer: Box<dyn MessageEncrypter>,
    sealed: u64,
    opener: Box<dyn MessageDecrypter>,
    opened: u64,
}

impl Forger {
    /// Shakes hands, and waits for the upstream's end.
    pub fn connect(stage: &Stage) -> (Self, TcpStream) {
        let mut socket = stage.daemon.connect("tls");
        let session = shake_hands(&mut socket);
        let (secrets, keys) = session.dangerous_into_kernel_connection().unwrap();
        let aead = aead(&keys);
        let (sealed, up) = secrets.tx;
        let (opened, down) = secrets.rx;
        let ((up_key, up_iv), (down_key, down_iv)) = (key_and_iv(up), key_and_iv(down));
        let forger = Self {
            socket,
            sealer: aead.encrypter(up_key, up_iv),
            sealed,
            opener: aead.decrypter(down_key, down_iv),
            opened,
            keys,
        };
        (forger, stage.accepted().stream)
    }

    pub fn seal(&mut self, content_type: ContentType, plain: &[u8]) -> Vec<u8> {
        let message = OutboundPlainMessage {
            typ: content_type,
            version: ProtocolVersion::TLSv1_3,
            payload: OutboundChunks::Single(plain),
        };
        let sealed = self.sealer.encrypt(message, self.sealed).unwrap();
        self.sealed += 1;
        sealed.encode()
    }

    pub fn send(&mut self, content_type: ContentType, plain: &[u8]) {
        let record = self.seal(content_type, plain);
        self.socket.write_all(&record).unwrap();
    }

    /// Seals from now on with the next key, as follows a key update.
    pub fn change_key(&mut self) {
        let (sealed, secrets) = self.keys.update_tx_secret().unwrap();
        let (key, iv) = key_and_iv(secrets);
        self.sealer = aead(&self.keys).encrypter(key, iv);
        self.sealed = sealed;
    }

    /// The next record that is no session ticket.
    pub fn receive(&mut self) -> (ContentType, Vec<u8>) {
        loop {
            let header = read_exactly(&mut self.socket, 5);
            let length = u16::from_be_bytes([header[3], header[4]]);
            let mut body = read_exactly(&mut self.socket, length.into());
            let (outer, version) = (ContentType::ApplicationData, ProtocolVersion::TLSv1_2);
            let sealed = InboundOpaqueMessage::new(outer, version, &mut body);
            let plain = self.opener.decrypt(sealed, self.opened).unwrap();
            self.opened += 1;
            if plain.typ != ContentType::Handshake {
                return (plain.typ, plain.payload.to_vec());
            }
        }
    }
}

fn shake_hands(socket: &mut TcpStream) -> UnbufferedClientConnection {
    let mut config = (*any_certificate()).clone();
    config.enable_secret_extraction = true;
    let mut session = UnbufferedClientConnection::new(Arc::new(config), server_name()).unwrap();
    let (mut heard, mut said) = (Vec::new(), Vec::new());
    let mut buffer = [0; 16 * 1024];
    loop {
        let UnbufferedStatus { discard, state } = session.process_tls_records(&mut heard);
        match state.unwrap() {
            ConnectionState::EncodeTlsData(mut data) => {
                let length = data.encode(&mut buffer).unwrap();
                said.extend_from_slice(&buffer[..length]);
            }
            ConnectionState::TransmitTlsData(data) => {
                socket.write_all(&std::mem::take(&mut said)).unwrap();
                data.done();
            }
            ConnectionState::WriteTraffic(_) => return session,
            _ => {
                let length = socket.read(&mut buffer).unwrap();
                heard.extend_from_slice(&buffer[..length]);
            }
        }
        heard.drain(..discard);
    }
}

fn aead(keys: &KernelConnection<ClientConnectionData>) -> &'static dyn Tls13AeadAlgorithm {
    keys.negotiated_cipher_suite().tls13().unwrap().aead_alg
}

fn key_and_iv(secrets: ConnectionTrafficSecrets) -> (AeadKey, Iv) {
    match secrets {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv }
        | ConnectionTrafficSecrets::Aes256Gcm { key, iv }
        | ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (key, iv),
        _ => panic!("a cipher of tomorrow"),
    }
}
