//! Looks at a proxy as a phone would: what people enter in WhatsApp's form in, one [`Step`] after the
//! other out, each with its likely cause where it failed. Never looks at this machine's own proxy
//! from within, which [`home`] does, and tries no other host or port than those.

mod algorithms;
mod authorities;
mod chat;
pub mod greeting;
pub mod home;
mod media;
mod name;
mod noise;
mod router;
mod tls;
mod verifier;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::time::timeout;

use self::chat::Chat;
use crate::share::Form;

/// What a step may take. So all of them end within a minute.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was looked at, and how it is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Step {
    /// What it is called, the same in every version.
    pub name: Cow<'static, str>,
    /// How it ended.
    pub result: Verdict,
    /// What it took.
    pub milliseconds: u64,
    /// What was found.
    pub what: String,
    /// Why it is probably so, in plain words, where it is not as it should be.
    pub cause: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is not as it must be.
    Failed,
    /// All is well.
    Ok,
    /// Not tried, since what it needs failed.
    Skipped,
    /// It works, but not for everybody, or it is not sure.
    Warning,
}

/// A kind of step: what it is called, and what it means if it never ends.
struct Kind(&'static str, &'static str);

const NAME: Kind = Kind("name", "this machine's DNS does not answer");
const CHAT_PORT: Kind = Kind("chat_port", BLOCKED);
const CHAT_TLS: Kind = Kind(
    "chat_tls",
    "what answers speaks no TLS, or something on the way blocks it",
);
const CHAT_NOISE: Kind = Kind("chat_noise", "the proxy cannot reach WhatsApp");
const MEDIA_PORT: Kind = Kind("media_port", BLOCKED);
const MEDIA_TLS: Kind = Kind(
    "media_tls",
    "the proxy cannot reach WhatsApp's media servers",
);

const BLOCKED: &str = "the port is not forwarded, or something on the way blocks it";
const NO_WAY: &str = "the proxy cannot reach WhatsApp, or lets nobody in just now";

/// A step that ended as it should, and what the next one begins with.
struct Done<T> {
    what: String,
    warning: Option<String>,
    value: T,
}

/// A step that did not.
struct Failed {
    what: String,
    cause: &'static str,
}

/// Looks at a proxy, and reports each step as it ends.
pub async fn examine(proxy: &Form, report: impl FnMut(Step)) {
    let mut steps = Steps(report);
    let address = steps.first(NAME, name::find(&proxy.host)).await;
    steps.at(address, proxy).await;
}

/// Whether people can use a proxy that is so.
pub fn works(steps: &[Step]) -> bool {
    steps.iter().all(Step::is_well)
}

/// Connects as a phone would: to that port and no other.
async fn dial(address: Ipv4Addr, port: NonZeroU16) -> Result<Done<TcpStream>, Failed> {
    let to = (address, port.get());
    let socket = TcpStream::connect(to).await.map_err(|error| {
        let cause = match error.kind() {
            ErrorKind::ConnectionRefused => {
                "nothing listens there: the proxy is off, or the port is not forwarded to it"
            }
            // It was there already, and gone before it could be used.
            ErrorKind::ConnectionReset => NO_WAY,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                "this machine is offline, or the address leads nowhere"
            }
            ErrorKind::TimedOut => BLOCKED,
            _ => "this machine lets nobody out to there",
        };
        Failed::because(error, cause)
    })?;
    // Or the greeting waits until the other side has acknowledged the handshake. If it fails, it waits.
    let _ = socket.set_nodelay(true);
    Ok(Done::new(format!("{address}:{port}"), socket))
}

/// The steps, in turn.
struct Steps<R>(R);

// === impl Steps ===

impl<R: FnMut(Step)> Steps<R> {
    /// Does the steps at the ports of `proxy`, which is at `address`, if that was found.
    async fn at(&mut self, address: Option<Ipv4Addr>, proxy: &Form) {
        let port = proxy.chat_port;
        let chat = self.next(CHAT_PORT, address, |to| dial(to, port)).await;
        let chat = if proxy.chat_tls {
            let shake_hands = |socket| chat::shake_hands(socket, &proxy.host);
            self.next(CHAT_TLS, chat, shake_hands).await
        } else {
            chat.map(Chat::Plain)
        };
        self.next(CHAT_NOISE, chat, chat::greet).await;

        let port = proxy.media_port;
        let media = self.next(MEDIA_PORT, address, |to| dial(to, port)).await;
        self.next(MEDIA_TLS, media, media::shake_hands).await;
    }

    /// Does a step that needs no other. What the next ones begin with, where it ended well.
    async fn first<T>(
        &mut self,
        Kind(name, silence): Kind,
        act: impl Future<Output = Result<Done<T>, Failed>>,
    ) -> Option<T> {
        let start = Instant::now();
        let ended = timeout(PATIENCE, act).await;
        let ended = ended.unwrap_or_else(|_| Err(Failed::because("no answer", silence)));
        self.ended(name, start.elapsed(), ended)
    }

    /// A step that took so long. What the next ones begin with, where it ended well.
    fn ended<T>(
        &mut self,
        name: &'static str,
        took: Duration,
        ended: Result<Done<T>, Failed>,
    ) -> Option<T> {
        let (ended, value) = match ended {
            Ok(done) => (Ok((done.what, done.warning)), Some(done.value)),
            Err(failed) => (Err(failed), None),
        };
        self.report(name, took, ended);
        value
    }

    /// Of no type that differs from step to step, so that it is in the program once.
    fn report(
        &mut self,
        name: &'static str,
        took: Duration,
        ended: Result<(String, Option<String>), Failed>,
    ) {
        let (result, what, cause) = match ended {
            Ok((what, None)) => (Verdict::Ok, what, None),
            Ok((what, warning)) => (Verdict::Warning, what, warning),
            Err(Failed { what, cause }) => (Verdict::Failed, what, Some(cause.into())),
        };
        (self.0)(Step {
            name: name.into(),
            result,
            milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            what,
            cause,
        });
    }

    /// Does a step that begins with what another gave, and is skipped where that failed.
    async fn next<A, T, F>(
        &mut self,
        kind: Kind,
        before: Option<A>,
        act: impl FnOnce(A) -> F,
    ) -> Option<T>
    where
        F: Future<Output = Result<Done<T>, Failed>>,
    {
        if let Some(before) = before {
            return self.first(kind, act(before)).await;
        }
        (self.0)(Step {
            name: kind.0.into(),
            result: Verdict::Skipped,
            milliseconds: 0,
            what: String::new(),
            cause: None,
        });
        None
    }
}

// === impl Step ===

impl Step {
    /// Whether it keeps nobody from using the proxy.
    pub fn is_well(&self) -> bool {
        matches!(self.result, Verdict::Ok | Verdict::Warning)
    }
}

// === impl Done ===

impl<T> Done<T> {
    fn new(what: impl Into<String>, value: T) -> Self {
        Self {
            what: what.into(),
            warning: None,
            value,
        }
    }
}

// === impl Failed ===

impl Failed {
    fn because(what: impl Display, cause: &'static str) -> Self {
        Self {
            what: what.to_string(),
            cause,
        }
    }
}
