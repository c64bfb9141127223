//! Our own pair on disk: its text in, a file out. Where the disk is full or read-only, the text stays in
//! memory until that is over.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::state_file;

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
        let Err(error) = state_file::write(state_dir, FILE, pem.as_bytes()) else {
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
        match state_file::write(&unkept.state_dir, FILE, unkept.pem.as_bytes()) {
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
