//! The commands' end of the control socket: a [`Request`] in, its answer out. Blocks, but never
//! for much longer than [`REQUEST_TIMEOUT`].

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Error, Examination, REQUEST_TIMEOUT, Request};
use crate::one_line::OneLine;

/// Asks the daemon that listens at `path` for text. Control characters but ends of lines are
/// escaped: what root's terminal obeys is not the daemon's to say.
pub fn text(path: &Path, request: Request) -> Result<String, Error> {
    let Text { text } = parse(path, &ask(path, request)?)?;
    Ok(text.split_inclusive('\n').map(escaped).collect())
}

/// Asks the daemon that listens at `path` for the link that sets WhatsApp up, with hints to its
/// operator.
pub fn link(path: &Path) -> Result<(String, Vec<String>), Error> {
    let line = ask(path, Request::Share { host: None })?;
    let Shared { share } = parse(path, &line)?;
    Ok((OneLine(&share.link).to_string(), share.hints))
}

/// Asks the daemon that listens at `path` how it looks at itself, and has it begin that where there is
/// something to `begin` with.
pub fn examination(path: &Path, begin: Option<String>) -> Result<Examination, Error> {
    let line = ask(path, Request::Doctor { begin })?;
    let Examined { doctor } = parse(path, &line)?;
    Ok(doctor)
}

/// Asks the daemon that listens at `path` for the JSON of its answer, as it comes but for the
/// newline.
pub fn ask(path: &Path, request: Request) -> Result<String, Error> {
    let no_answer = |error: io::Error| Error::NoAnswer {
        path: path.to_path_buf(),
        source: match error.kind() {
            // How a socket says that its timeout is over.
            io::ErrorKind::WouldBlock => io::ErrorKind::TimedOut.into(),
            _ => error,
        },
    };
    let stream = connect(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            Error::NotRunning(path.to_path_buf())
        }
        io::ErrorKind::PermissionDenied => Error::Denied(path.to_path_buf()),
        _ => no_answer(source),
    })?;
    let line = exchange(stream, request).map_err(no_answer)?;
    if let Ok(Refusal { error }) = serde_json::from_str(&line) {
        return Err(Error::Refused(error));
    }
    parse(path, &line).map(|IgnoredAny| line)
}

/// How long the daemon may stay silent: its own limit on a request and a second.
const TIMEOUT: Duration = Duration::from_secs(REQUEST_TIMEOUT.as_secs() + 1);

/// The longest answer that is read, in bytes.
const ANSWER_MAX: u64 = 1 << 20;

/// Connects with the timeouts set first: where the daemon's queue is full, connecting waits too.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// One line there, one back.
fn exchange(mut stream: UnixStream, request: Request) -> io::Result<String> {
    let mut line = request.into_line()?;
    stream.write_all(line.as_bytes())?;
    line.clear();
    BufReader::new(stream.take(ANSWER_MAX)).read_line(&mut line)?;
    match line.pop() {
        Some('\n') => Ok(line),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// A line with its end.
fn escaped(line: &str) -> String {
    match line.strip_suffix('\n') {
        Some(line) => format!("{}\n", OneLine(line)),
        None => OneLine(line).to_string(),
    }
}

fn parse<T: DeserializeOwned>(path: &Path, line: &str) -> Result<T, Error> {
    serde_json::from_str(line).map_err(|error| Error::Garbled {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

#[derive(Deserialize)]
struct Examined {
    doctor: Examination,
}

#[derive(Deserialize)]
struct Shared {
    share: Link,
}

#[derive(Deserialize)]
struct Link {
    link: String,
    #[serde(default)]
    hints: Vec<String>,
}
