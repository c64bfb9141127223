//! Reads a header from a socket, and not one byte of what follows it.

use std::io::{self, ErrorKind};

use tokio::net::TcpStream;

use super::{Error, Header, MAX_LEN, Parsed, parse};

/// Why no header was received.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// What came is no header.
    #[error(transparent)]
    Invalid(#[from] Error),
    /// The connection ended first.
    #[error("the connection ended before its PROXY header: {0}")]
    Left(#[from] io::Error),
}

/// Receives the header that `stream` begins with. Takes as long as the sender likes.
pub async fn receive(stream: &TcpStream) -> Result<Header, ReceiveError> {
    let mut bytes = vec![0; MAX_LEN];
    let mut received = 0;
    loop {
        let room = bytes.get_mut(received..).unwrap_or_default();
        let peeked = match stream.peek(room).await? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            peeked => peeked,
        };
        let known = received.saturating_add(peeked);
        let parsed = parse(bytes.get(..known).unwrap_or_default())?;
        // What was peeked at stays readable: what belongs to the header must be taken out of the
        // socket, or the next peek would not wait.
        let end = match parsed {
            Parsed::Complete { len, .. } => len,
            Parsed::Incomplete => known,
        };
        let ours = bytes.get_mut(received..end).unwrap_or_default();
        let taken = stream.try_read(ours)?;
        received = received.saturating_add(taken);
        if let Parsed::Complete { header, .. } = parsed
            && received == end
        {
            return Ok(header);
        }
    }
}
