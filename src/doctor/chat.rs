//! The chat port as a phone uses it: a connection, TLS, and WhatsApp's greeting, which somebody must
//! answer who speaks WhatsApp's protocol.

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::greeting::{Answer, HEADER, answer, greeting};
use super::noise::Initiator;
use super::tls::{Failure, Tls};
use super::{Done, Failed, NO_WAY};

/// A connection to the chat port, ready for the greeting.
pub(super) enum Chat {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// Shakes hands as phones do, which take any certificate.
pub(super) async fn shake_hands(socket: TcpStream, host: &str) -> Result<Done<Chat>, Failed> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Failed::because(error, "TLS knows no such name"))?;
    let shaken = Tls::shake_hands(socket, None, name).await;
    let tls = shaken.map_err(|failure| match failure {
        Failure::Closed => Failed::because(
            "closed during the handshake",
            "the port speaks no TLS or lets nobody in just now, or something on the way cuts it",
        ),
        Failure::Protocol(error) => Failed::because(error, "something else answers on this port"),
    })?;
    Ok(Done::new(tls.version(), Chat::Tls(Box::new(tls))))
}

/// Greets as WhatsApp's clients do, and looks at what answers.
pub(super) async fn greet(mut chat: Chat) -> Result<Done<()>, Failed> {
    let initiator = Initiator::new(&HEADER)
        .map_err(|_| Failed::because("no key for it", "this machine has no random numbers"))?;
    let mut came = Vec::new();
    let cause = match &chat {
        Chat::Plain(_) => NO_WAY,
        // It has let us in.
        Chat::Tls(_) => "the proxy cannot reach WhatsApp",
    };
    let gone = |came: &[u8]| {
        if came.is_empty() {
            Failed::because("closed without an answer", cause)
        } else {
            other()
        }
    };
    let greeting = greeting(initiator.public());
    chat.send(&greeting).await.map_err(|_| gone(&came))?;
    loop {
        match answer(&came) {
            Some(Answer::Hello { ephemeral, sealed }) => {
                return if initiator.accepts(ephemeral, sealed) {
                    Ok(Done::new("WhatsApp's protocol answers", ()))
                } else {
                    Err(other())
                };
            }
            Some(Answer::Other) => return Err(other()),
            None => {}
        }
        match chat.receive().await {
            Ok(more) if !more.is_empty() => came.extend(more),
            _ => return Err(gone(&came)),
        }
    }
}

fn other() -> Failed {
    Failed::because(
        "an answer that is not WhatsApp's",
        "something in between answers, or the port leads elsewhere",
    )
}

// === impl Chat ===

impl Chat {
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Plain(socket) => Ok(socket.write_all(bytes).await?),
            Self::Tls(tls) => tls.send(bytes).await,
        }
    }

    /// What came since the last time, at least a byte of it; nothing at the end.
    async fn receive(&mut self) -> Result<Vec<u8>, Failure> {
        match self {
            Self::Plain(socket) => {
                let mut bytes = Vec::new();
                socket.read_buf(&mut bytes).await?;
                Ok(bytes)
            }
            Self::Tls(tls) => tls.receive().await,
        }
    }
}
