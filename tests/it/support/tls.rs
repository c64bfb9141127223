//! The phone's side of a connection in TLS. As phones do, it verifies no certificate.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme, StreamOwned,
};

use super::client;

/// A connection with its handshake done.
pub struct TlsClient(StreamOwned<ClientConnection, TcpStream>);

impl TlsClient {
    /// Shakes hands on a stream that may have carried a PROXY header before.
    pub fn over(stream: TcpStream) -> io::Result<Self> {
        Self::over_for(stream, server_name())
    }

    /// The same, asking for a server by its name.
    pub fn over_for(stream: TcpStream, server: ServerName<'static>) -> io::Result<Self> {
        Self::over_as(stream, server, any_certificate())
    }

    /// The same as a client of the test's making.
    pub fn over_as(
        stream: TcpStream,
        server: ServerName<'static>,
        config: Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let connection = ClientConnection::new(config, server).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self(stream))
    }

    pub fn connect(port: u16) -> Self {
        Self::over(client::connect(port)).unwrap()
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.0.conn.peer_certificates().unwrap()[0]
            .clone()
            .into_owned()
    }

    /// Sends `close_notify` and nothing else: the socket stays open.
    pub fn close_notify(&mut self) -> io::Result<()> {
        self.0.conn.send_close_notify();
        while self.0.conn.wants_write() {
            self.0.conn.write_tls(&mut self.0.sock)?;
        }
        Ok(())
    }

    pub fn socket(&self) -> &TcpStream {
        &self.0.sock
    }

    pub fn into_socket(self) -> TcpStream {
        self.0.sock
    }

    /// Sends `close_notify` and a FIN.
    pub fn finish(&mut self) -> io::Result<()> {
        self.close_notify()?;
        self.0.sock.shutdown(Shutdown::Write)
    }
}

impl Read for TlsClient {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }
}

impl Write for TlsClient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// What a phone says first to a server of this name.
pub fn hello_for(name: &'static str) -> Vec<u8> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(any_certificate(), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// A client that takes any certificate.
pub fn any_certificate() -> Arc<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let verifier = AnyCertificate(provider.clone());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Arc::new(config)
}

/// A server name that says nothing.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from("proxy.example").unwrap()
}

/// Looks at signatures, so that a wrong key is found, and not at who signed the certificate.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
