//! The daemon's end of the control socket: a path in, requests out to a handler, its answers
//! back. Bounded in everything, since a client that stalls must not cost the daemon more than a
//! seat. Never knows what an answer means.

use std::convert::Infallible;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use rustix::fs::OFlags;
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::{Answer, Error, Request, TEXT_MAX};
use crate::shortage::Shortage;

/// What a request has from being accepted to being answered.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// The control socket and the lock beside it, which makes its holder the only instance. The socket
/// is removed on drop; the lock's file stays, since removing it would let two hold it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
    _lock: File,
}

impl Control {
    /// Takes the lock `<path>.lock` and listens on `path`, for this user and group only. Makes the
    /// folder where there is none and replaces the socket of an instance that died. Wants a tokio
    /// runtime around it. [`Error::Running`] where another instance lives.
    pub fn bind(path: &Path) -> Result<Self, Error> {
        let error = |path: &Path| {
            let path = path.to_path_buf();
            |source| Error::Bind { path, source }
        };
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            DirBuilder::new()
                .recursive(true)
                .mode(0o750)
                .create(folder)
                .map_err(error(folder))?;
        }
        let lock_path = with_suffix(path, ".lock");
        let lock = lock(&lock_path).map_err(error(&lock_path))?;
        let Some(lock) = lock else {
            return Err(Error::Running(lock_path));
        };
        Ok(Self {
            listener: listen(path).map_err(error(path))?,
            path: path.to_path_buf(),
            _lock: lock,
        })
    }

    /// Answers with what `handler` says, for ever. An answer that takes longer than
    /// [`REQUEST_TIMEOUT`] is given up: the handler is then dropped where it waits.
    pub async fn serve(
        &self,
        handler: impl AsyncFn(Request) -> Result<Answer, String>,
    ) -> Infallible {
        let mut seats: Vec<Pin<Box<dyn Future<Output = Infallible> + '_>>> = Vec::new();
        for _ in 0..CLIENTS_MAX {
            seats.push(Box::pin(self.seat(&handler)));
        }
        poll_fn(|context| {
            for seat in &mut seats {
                let Poll::Pending = seat.as_mut().poll(context);
            }
            Poll::Pending
        })
        .await
    }

    /// One client after the other.
    async fn seat(&self, handler: &impl AsyncFn(Request) -> Result<Answer, String>) -> Infallible {
        loop {
            match self.listener.accept().await {
                Ok((client, _)) => match timeout(REQUEST_TIMEOUT, answer(client, handler)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => log::debug!("control: {error}"),
                    Err(elapsed) => log::debug!("control: {elapsed}"),
                },
                Err(error) => {
                    SHORTAGE.log(error);
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The lock is still held, so this is our own socket. If it cannot be removed, the next
        // instance replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

/// The longest request, in bytes with its newline: a text in which every byte is escaped by another,
/// and what stands around it. Only what came of it takes memory, and no longer than
/// [`REQUEST_TIMEOUT`].
const LINE_MAX: usize = 2 * TEXT_MAX + 256;

/// Clients served at once; more wait in the kernel's queue.
const CLIENTS_MAX: usize = 16;

/// How long a seat rests after a failure to accept, which may well be lasting (EMFILE).
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

static SHORTAGE: Shortage = Shortage::new("cannot hear commands");

/// Opens and locks `path`; none where another holds it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Listens under a name that nobody asks at, and moves it in place of what is there once its mode
/// is right: nobody connects in between, and a stale socket is no special case.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let new = with_suffix(path, ".new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, Permissions::from_mode(0o660))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// `path` with `suffix` behind its last name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// Reads one request and writes one answer.
async fn answer(
    mut client: UnixStream,
    handler: &impl AsyncFn(Request) -> Result<Answer, String>,
) -> io::Result<()> {
    let mut line = Vec::new();
    let (reader, mut writer) = client.split();
    BufReader::with_capacity(256, reader.take(LINE_MAX as u64))
        .read_until(b'\n', &mut line)
        .await?;
    if line.is_empty() {
        return Ok(());
    }
    let result = if line.len() == LINE_MAX && !line.ends_with(b"\n") {
        Err(format!("the request is longer than {LINE_MAX} bytes"))
    } else {
        let request = Request::from_line(&line);
        // The answer may take a while, and a line may be long.
        drop(line);
        match request {
            Ok(request) => handler(request).await,
            Err(error) => Err(error),
        }
    };
    let mut text = match &result {
        Ok(answer) => serde_json::to_vec(answer)?,
        Err(error) => serde_json::to_vec(&Refusal { error })?,
    };
    text.push(b'\n');
    writer.write_all(&text).await
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}
