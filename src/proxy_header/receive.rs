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
        let peeked = match stream.peek(&mut bytes[received..]).await? {
            0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            peeked => peeked,
        };
        let parsed = parse(&bytes[..received + peeked])?;
        // What was peeked at stays readable: what belongs to the header must be taken out of the
        // socket, or the next peek would not wait.
        let ours = match parsed {
            Parsed::Complete { len, .. } => len - received,
            Parsed::Incomplete => peeked,
        };
        let taken = stream.try_read(&mut bytes[received..received + ours])?;
        if let Parsed::Complete { header, .. } = parsed
            && taken == ours
        {
            return Ok(header);
        }
        received += taken;
    }
}
