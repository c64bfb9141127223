//! Files that must survive: bytes in, a file out that is there whole or not at all, and that nobody
//! else can read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Between two writings of a record: flash wears out.
const INTERVAL: Duration = Duration::from_hours(1);

/// The most that is read of a record, in bytes.
const MOST: u64 = 16 * 1024;

/// A text that goes on over a restart, where it is kept.
#[derive(Debug)]
pub(crate) struct Record {
    /// Of the file, in the state folder, and in the log.
    name: &'static str,
    /// The folder, if it is kept, and since when nothing was written there.
    kept: Option<(PathBuf, Instant)>,
}

// === impl Record ===

impl Record {
    /// Not kept yet.
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, kept: None }
    }

    /// Keeps it in `folder` from now on, and gives what is there; or, where it is not `wanted` there,
    /// removes that.
    pub(crate) fn keep(&mut self, folder: &Path, wanted: bool) -> Option<String> {
        let file = folder.join(self.name);
        match (wanted, &self.kept) {
            (true, None) => {
                self.kept = Some((folder.to_owned(), Instant::now()));
                match read(&file) {
                    Ok(text) => Some(text),
                    Err(error) => {
                        if error.kind() != io::ErrorKind::NotFound {
                            log::warn!("cannot read {}: {error}", file.display());
                        }
                        None
                    }
                }
            }
            (true, Some(_)) => None,
            (false, _) => {
                self.kept = None;
                if let Err(error) = fs::remove_file(&file)
                    && error.kind() != io::ErrorKind::NotFound
                {
                    log::warn!("cannot remove {}: {error}", file.display());
                }
                None
            }
        }
    }

    /// Whether it is kept and was not written for an hour.
    pub(crate) fn is_due(&self) -> bool {
        let kept = self.kept.as_ref();
        kept.is_some_and(|(_, written)| written.elapsed() >= INTERVAL)
    }

    /// Writes `text`, where it is kept.
    pub(crate) fn write(&mut self, text: &str) {
        let Some((folder, written)) = &mut self.kept else {
            return;
        };
        *written = Instant::now();
        if let Err(error) = write(folder, self.name, text.as_bytes()) {
            log::warn!(
                "cannot keep the {}: {}: {error}",
                self.name,
                folder.display()
            );
        }
    }
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// Writes the file `name` in `folder`, which is made where there is none.
pub(crate) fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    let temporary = folder.join(format!("{name}.new"));
    match fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let written = write_new(&temporary, bytes);
    let written = written.and_then(|()| fs::rename(&temporary, folder.join(name)));
    if written.is_err() {
        // Half a file is of no use, and takes room.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    File::open(folder)?.sync_all()
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // `create_new` follows no link that somebody may have planted.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
