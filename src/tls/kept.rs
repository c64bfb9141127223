//! Our own pair on disk: its text in, a file out that is there whole or not at all, and that nobody
//! else can read. Where the disk is full or read-only, the text stays in memory until that is over.

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Our own pair in the state folder: one file, so that key and certificate always match.
pub(super) const FILE: &str = "self-signed.pem";

/// Between two tries to keep it: each may cost a write to flash.
const RETRY: Duration = Duration::from_mins(1);

/// Whether a pair is kept.
#[derive(Clone, Default)]
pub(super) struct Kept(Option<Unkept>);

#[derive(Clone)]
struct Unkept {
    state_dir: PathBuf,
    pem: String,
    /// Why it is not on disk.
    error: String,
    tried: Instant,
}

// === impl Kept ===

impl Kept {
    /// Writes `pem` into `state_dir`, or says in the log why that cannot be done yet.
    pub(super) fn new(state_dir: &Path, pem: String) -> Self {
        let Err(error) = write(state_dir, pem.as_bytes()) else {
            return Self(None);
        };
        let error = describe(state_dir, &error);
        log::warn!("cannot keep the new certificate: {error}; trying on");
        Self(Some(Unkept {
            state_dir: state_dir.to_owned(),
            pem,
            error,
            tried: Instant::now(),
        }))
    }

    /// Writes it, where that was not possible, if it has not been tried for a while.
    pub(super) fn try_again(&mut self) {
        let Some(unkept) = &mut self.0 else { return };
        if unkept.tried.elapsed() < RETRY {
            return;
        }
        unkept.tried = Instant::now();
        match write(&unkept.state_dir, unkept.pem.as_bytes()) {
            Ok(()) => {
                log::warn!("the new certificate is kept now");
                self.0 = None;
            }
            Err(error) => unkept.error = describe(&unkept.state_dir, &error),
        }
    }

    /// Why it is not kept.
    pub(super) fn error(&self) -> Option<&str> {
        self.0.as_ref().map(|unkept| &*unkept.error)
    }
}

impl fmt::Debug for Kept {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.error()).finish()
    }
}

fn describe(state_dir: &Path, error: &io::Error) -> String {
    format!("{}: {error}", state_dir.display())
}

fn write(state_dir: &Path, pem: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)?;
    let temporary = state_dir.join(format!("{FILE}.new"));
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let written =
        write_new(&temporary, pem).and_then(|()| fs::rename(&temporary, state_dir.join(FILE)));
    if written.is_err() {
        // Half a key is of no use, and takes room.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    fs::File::open(state_dir)?.sync_all()
}

fn write_new(path: &Path, pem: &[u8]) -> io::Result<()> {
    // `create_new` follows no link that somebody may have planted.
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(pem)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_the_disk_is_not_shown() {
        let kept = Kept::new(Path::new("/proc/nowhere"), "secret".to_owned());
        assert!(kept.error().is_some());
        let shown = format!("{kept:?} {kept:#?}");
        assert!(
            shown.contains("/proc/nowhere") && !shown.contains("secret"),
            "{shown}"
        );
    }
}
