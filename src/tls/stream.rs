//! One TLS connection, over rustls' unbuffered interface: the buffered one keeps buffers of its
//! own for every connection, this one works in those of the thread. An idle connection owns
//! only rustls' state.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncryptError, UnbufferedStatus, WriteTraffic};
use rustls::{ProtocolVersion, ServerConfig};

use super::outbox::{Haste, Outbox};
use crate::side::{BUFFER, Plain, READ, READ_LITTLE, Side, with_buffer};

/// Bytes of a record's header: type, version and length (RFC 8446, 5.1).
const HEADER: usize = 5;

/// The most that a record of ours takes (RFC 8446, 5.2).
const RECORD: usize = HEADER + 16_384 + 256;

/// Why a handshake failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client closed or reset the connection.
    #[error("the client left: {0}")]
    Left(#[source] io::Error),
    /// The client does not speak TLS, or none that we accept. It has been told by an alert, where
    /// TLS has one for that.
    #[error("TLS: {0}")]
    Protocol(#[from] rustls::Error),
}

/// A connection whose handshake is done, or will be.
pub struct Tls {
    socket: Plain,
    session: UnbufferedServerConnection,
    /// The beginning of a record whose end has not come.
    partial: Vec<u8>,
    /// Plain bytes that came with the last flight of the handshake, or that were looked at since.
    early: Vec<u8>,
    /// The peer will send no more.
    ended: bool,
    /// The peer has broken the protocol, or is gone. rustls must not be asked anything any more: it
    /// would find the same fault again, or miss the beginning of a message that it remembers.
    broken: bool,
    /// We have said that we will send no more.
    finished: bool,
}

/// What one read from the socket brought.
#[derive(Default)]
struct Received {
    /// Plain bytes.
    plain: usize,
    /// Whether they are the last.
    end: bool,
    /// What was wrong with what came after them.
    error: Option<rustls::Error>,
}

// === impl Tls ===

impl Tls {
    /// The server's side of a connection that has not shaken hands.
    pub fn new(socket: Plain, config: Arc<ServerConfig>) -> Result<Box<Self>, Error> {
        Ok(Box::new(Self {
            socket,
            session: UnbufferedServerConnection::new(config)?,
            partial: Vec::new(),
            early: Vec::new(),
            ended: false,
            broken: false,
            finished: false,
        }))
    }

    /// Shakes hands, before anything else. Takes as long as the client likes.
    pub async fn shake_hands(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_handshake(cx)).await
    }

    /// Ready when the client is gone and has said nothing after the handshake.
    pub fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.early.is_empty() {
            self.socket.poll_left(cx)
        } else {
            Poll::Pending
        }
    }

    /// Shows `judge` the first plain bytes, all that have come each time, until it has judged. They
    /// can still be read.
    pub fn poll_first<T>(
        &mut self,
        cx: &mut Context<'_>,
        judge: impl Fn(&[u8]) -> Option<T>,
    ) -> Poll<Result<T, Error>> {
        let mut fault = None;
        loop {
            if let Some(judged) = judge(&self.early) {
                return Poll::Ready(Ok(judged));
            }
            if let Some(error) = fault {
                return Poll::Ready(Err(Error::Protocol(error)));
            }
            if self.ended || self.broken {
                let left = io::Error::from(ErrorKind::UnexpectedEof);
                return Poll::Ready(Err(Error::Left(left)));
            }
            let received = ready!(self.poll_receive_early(cx))?;
            self.ended = received.end;
            fault = received.error;
        }
    }

    /// Receives a little, and keeps what came. What we have said must get out meanwhile.
    fn poll_receive_early(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        if let Poll::Ready(drained) = self.socket.poll_drained(cx) {
            drained.map_err(Error::Left)?;
        }
        with_buffer(|plain| {
            let received = ready!(self.poll_receive(cx, READ_LITTLE, plain))?;
            let early = plain.get(..received.plain).unwrap_or_default();
            self.early.extend_from_slice(early);
            Poll::Ready(Ok(received))
        })
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.session.is_handshaking() {
            let received = ready!(self.poll_receive_early(cx))?;
            if let Some(error) = received.error {
                return Poll::Ready(Err(Error::Protocol(error)));
            }
            self.ended = received.end;
            if self.ended && self.session.is_handshaking() {
                let left = io::Error::from(ErrorKind::UnexpectedEof);
                return Poll::Ready(Err(Error::Left(left)));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once from the socket, at most `most` bytes, and decrypts into `plain`.
    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        plain: &mut [u8],
    ) -> Poll<Result<Received, Error>> {
        with_buffer(|cipher| {
            let kept = self.partial.len();
            let end = cipher.len().saturating_sub(self.spare(cipher.len()));
            let end = end.min(kept.saturating_add(most));
            let Some(room) = cipher.get_mut(kept..end).filter(|room| !room.is_empty()) else {
                self.broken = true;
                let error = rustls::Error::General("a message is too long".into());
                return Poll::Ready(Err(Error::Protocol(error)));
            };
            let read = ready!(self.socket.poll_recv(cx, room)).map_err(Error::Left)?;
            if read == 0 && kept > 0 {
                // An end in the middle of a record is no end: somebody has cut the connection. One
                // between records may be, since not every client says close_notify.
                return Poll::Ready(Err(Error::Left(ErrorKind::UnexpectedEof.into())));
            }
            if let Some(begun) = cipher.get_mut(..kept) {
                begun.copy_from_slice(&self.partial);
            }
            let filled = kept.saturating_add(read);
            let cipher = cipher.get_mut(..filled).unwrap_or_default();
            let mut received = Received {
                end: read == 0,
                ..Received::default()
            };
            let processed = self.process(cipher, plain, &mut received);
            self.broken = received.error.is_some() || processed.is_err();
            match processed {
                Ok(used) => self.partial = cipher.get(used..).unwrap_or_default().to_vec(),
                Err(error) if received.plain == 0 => return Poll::Ready(Err(error)),
                // What was read before comes first; the next read tells.
                Err(_) => {}
            }
            Poll::Ready(Ok(received))
        })
    }

    /// How much of a buffer of `size` bytes not to read into. Where the length of the record that
    /// has begun is known, what is left beside as many like it as fit: then the last that comes is
    /// whole, as a rule, and nothing of it has to be kept.
    fn spare(&self, size: usize) -> usize {
        if let [_, _, _, high, low, ..] = self.partial[..] {
            let record = usize::from(u16::from_be_bytes([high, low])).saturating_add(HEADER);
            if self.partial.len() < record && record <= size {
                return size.checked_rem(record).unwrap_or(0);
            }
        }
        0
    }

    /// Lets rustls have `cipher`, sends what it answers, and returns how many bytes are used up.
    fn process(
        &mut self,
        cipher: &mut [u8],
        plain: &mut [u8],
        received: &mut Received,
    ) -> Result<usize, Error> {
        with_buffer(|buffer| {
            let mut out = Outbox::new(&mut self.socket, buffer);
            let mut used = 0;
            loop {
                // Always all that is left: rustls remembers where in it a message begins.
                let rest = cipher.get_mut(used..).unwrap_or_default();
                let UnbufferedStatus { mut discard, state } =
                    self.session.process_tls_records(rest);
                let mut idle = false;
                match state {
                    Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                        while let Some(record) = traffic.next_record() {
                            let record = record?;
                            discard = discard.saturating_add(record.discard);
                            // Plain bytes are fewer than those of the records they came in.
                            let end = received.plain.saturating_add(record.payload.len());
                            let room = plain.get_mut(received.plain..end);
                            room.ok_or(rustls::Error::PeerSentOversizedRecord)?
                                .copy_from_slice(record.payload);
                            received.plain = end;
                        }
                    }
                    Ok(ConnectionState::EncodeTlsData(mut data)) => {
                        out.fill(RECORD, |room| data.encode(room))
                            .map_err(Error::Left)?;
                    }
                    Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                    Ok(ConnectionState::PeerClosed) => received.end = true,
                    Ok(_) => idle = true,
                    Err(error) => received.error = Some(error),
                }
                used = used.saturating_add(discard);
                // After an error only the alert is left to be sent.
                let failed = received.error.is_some() && !self.session.wants_write();
                if idle || failed {
                    let haste = haste(&self.session, received);
                    out.send(haste).map_err(Error::Left)?;
                    return Ok(used);
                }
            }
        })
    }

    /// Encrypts and sends what `write` makes of the session.
    fn write(
        &mut self,
        haste: Haste,
        write: impl FnOnce(
            WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) -> io::Result<()> {
        if self.broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        with_buffer(|buffer| {
            let mut out = Outbox::new(&mut self.socket, buffer);
            loop {
                // What is not used up yet: rustls remembers where in it a message begins.
                let UnbufferedStatus { discard, state } =
                    self.session.process_tls_records(&mut self.partial);
                debug_assert_eq!(discard, 0, "all that can be used up was, when it came");
                match state {
                    Ok(ConnectionState::WriteTraffic(traffic)) => {
                        out.fill(BUFFER, |room| write(traffic, room))?;
                        return out.send(haste);
                    }
                    Ok(ConnectionState::EncodeTlsData(mut data)) => {
                        out.fill(RECORD, |room| data.encode(room))?;
                    }
                    Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                    Ok(_) => return Err(ErrorKind::BrokenPipe.into()),
                    Err(error) => {
                        self.broken = true;
                        return Err(io::Error::other(error));
                    }
                }
            }
        })
    }
}

// Boxed, because a relay keeps its sides in place and most have no TLS.
impl Side for Box<Tls> {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if !self.early.is_empty() {
            let length = self.early.len().min(buffer.len());
            let rest = self.early.split_off(length);
            let early = std::mem::replace(&mut self.early, rest);
            let room = buffer.get_mut(..length);
            room.ok_or(ErrorKind::InvalidInput)?.copy_from_slice(&early);
            return Poll::Ready(Ok(length));
        }
        loop {
            if self.broken {
                return Poll::Ready(Err(ErrorKind::InvalidData.into()));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            let most = most.saturating_add(BUFFER - READ);
            let received = ready!(self.poll_receive(cx, most, buffer)).map_err(io::Error::other)?;
            self.ended = received.end;
            if received.plain > 0 {
                return Poll::Ready(Ok(received.plain));
            }
        }
    }

    fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_reset(cx)
    }

    fn waiting(&self) -> usize {
        self.socket.waiting()
    }

    fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_drained(cx)
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for bytes in bytes.chunks(READ) {
            self.write(Haste::Now, |mut traffic, room| traffic.encrypt(bytes, room))?;
        }
        Ok(())
    }

    fn poll_finish(&mut self, dropped: bool, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.finished {
            self.finished = true;
            // The end of the stream, which follows at once, takes it along.
            self.write(Haste::WithNext, |mut traffic, room| {
                traffic.queue_close_notify(room)
            })?;
        }
        self.socket.poll_finish(dropped, cx)
    }

    fn reset(&self) {
        self.socket.reset();
    }

    fn as_plain(&mut self) -> Option<&mut Plain> {
        None
    }
}

/// How urgent is what the session has to say to what it has received. After a handshake of TLS 1.3
/// those are tickets and new keys (RFC 8446, 4.6), and where the client has spoken, they can wait
/// for the answer. Where it has not, its next words may wait for the acknowledgement (RFC 896).
fn haste(session: &UnbufferedServerConnection, received: &Received) -> Haste {
    let is_done = !session.is_handshaking() && received.error.is_none();
    let has_spoken = received.plain > 0 && !received.end;
    if is_done && has_spoken && session.protocol_version() == Some(ProtocolVersion::TLSv1_3) {
        Haste::WithNext
    } else {
        Haste::Now
    }
}
