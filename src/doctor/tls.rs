//! TLS from the client's side: a TCP connection in, plain bytes both ways out. For a handshake and a
//! message or two, so it keeps what it reads in memory of its own.

use std::io;
use std::sync::Arc;

use rustls::client::{Resumption, UnbufferedClientConnection};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};
use rustls::{ClientConfig, Error, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::algorithms::ALGORITHMS;
use super::verifier::AnyCertificate;
use crate::tls::provider::provider;

/// The most that is sent at once, in bytes: a flight of a handshake, or a greeting.
const FLIGHT: usize = 4 * 1024;

/// Why there is no connection, or none any more.
#[derive(Debug)]
pub(super) enum Failure {
    /// The other side closed or reset it.
    Closed,
    /// What the other side says is no TLS, or none that we accept.
    Protocol(Error),
}

/// A connection with its handshake done.
pub(super) struct Tls {
    socket: TcpStream,
    session: UnbufferedClientConnection,
    /// What came and could not be read yet.
    incoming: Vec<u8>,
    /// What came and was not asked for yet.
    plain: Vec<u8>,
}

/// How far it has got.
#[derive(Eq, PartialEq)]
enum State {
    /// The handshake waits for the other side.
    Handshake,
    /// Either side may speak.
    Open,
    /// The other side has ended it.
    Ended,
}

/// What a client does. One per connection: nothing resumes.
fn client(roots: Option<RootCertStore>) -> Result<Arc<ClientConfig>, Error> {
    let provider = CryptoProvider {
        signature_verification_algorithms: ALGORITHMS,
        ..provider()
    };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?;
    let mut config = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate)),
    }
    .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

// === impl Tls ===

impl Tls {
    /// Shakes hands with `name`, verified with `roots` or, without, not at all. Takes as long as the other
    /// side likes.
    pub(super) async fn shake_hands(
        socket: TcpStream,
        roots: Option<RootCertStore>,
        name: ServerName<'static>,
    ) -> Result<Self, Failure> {
        let mut tls = Self {
            socket,
            session: UnbufferedClientConnection::new(client(roots)?, name)?,
            incoming: Vec::new(),
            plain: Vec::new(),
        };
        while tls.go_on(&[]).await? == State::Handshake {
            tls.read().await?;
        }
        Ok(tls)
    }

    /// What the handshake agreed on.
    pub(super) fn version(&self) -> &'static str {
        match self.session.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
            _ => "TLS 1.3",
        }
    }

    pub(super) async fn send(&mut self, plain: &[u8]) -> Result<(), Failure> {
        self.go_on(plain).await.map(drop)
    }

    /// What came since the last time, at least a byte of it; nothing at the end.
    pub(super) async fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let state = self.go_on(&[]).await?;
            if !self.plain.is_empty() || state == State::Ended {
                return Ok(std::mem::take(&mut self.plain));
            }
            self.read().await?;
        }
    }

    /// Does all that can be done with what has come, and says `plain` as soon as it may.
    async fn go_on(&mut self, plain: &[u8]) -> Result<State, Failure> {
        let mut outgoing = [0; FLIGHT];
        let mut written: usize = 0;
        let state = loop {
            let UnbufferedStatus { mut discard, state } =
                self.session.process_tls_records(&mut self.incoming);
            let rest = outgoing.get_mut(written..).unwrap_or_default();
            let mut reached = None;
            match state? {
                ConnectionState::EncodeTlsData(mut data) => {
                    written = written.saturating_add(data.encode(rest).map_err(too_long)?);
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::ReadTraffic(mut records) => {
                    while let Some(record) = records.next_record() {
                        let record = record?;
                        discard = discard.saturating_add(record.discard);
                        self.plain.extend_from_slice(record.payload);
                    }
                }
                ConnectionState::WriteTraffic(mut traffic) => {
                    if !plain.is_empty() {
                        let sent = traffic.encrypt(plain, rest).map_err(too_long)?;
                        written = written.saturating_add(sent);
                    }
                    reached = Some(State::Open);
                }
                ConnectionState::BlockedHandshake => reached = Some(State::Handshake),
                _ => reached = Some(State::Ended),
            }
            self.incoming.drain(..discard.min(self.incoming.len()));
            if let Some(state) = reached {
                break state;
            }
        };
        let outgoing = outgoing.get(..written).unwrap_or_default();
        self.socket.write_all(outgoing).await?;
        Ok(state)
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.socket.read_buf(&mut self.incoming).await? {
            0 => Err(Failure::Closed),
            _ => Ok(()),
        }
    }
}

// === impl Failure ===

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

fn too_long<E>(_: E) -> Error {
    Error::General("longer than any flight of ours".into())
}
