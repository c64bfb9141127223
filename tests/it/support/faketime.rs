//! A clock that lies to a program about the time of day, by `faketime`. The clock that timeouts go by
//! is left alone, as by the kernel.

use std::fs;
use std::path::PathBuf;

use super::folder::Folder;

pub struct FakeClock {
    folder: Folder,
    words: Vec<String>,
}

impl FakeClock {
    /// One that is right, until it is set.
    pub fn new() -> Self {
        let folder = Folder::new();
        let offset = folder.write(OFFSET, "+0\n");
        let words = vec![
            "env".to_owned(),
            format!("LD_PRELOAD={}", library().display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", offset.display()),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "FAKETIME_NO_CACHE=1".to_owned(),
        ];
        Self { folder, words }
    }

    /// What to put before a command so that it goes by this clock.
    pub fn prefix(&self) -> Vec<&str> {
        self.words.iter().map(String::as_str).collect()
    }

    /// Sets it off by `+12y`, or by seconds.
    pub fn set(&self, offset: &str) {
        self.folder.write(OFFSET, format!("{offset}\n"));
    }
}

const OFFSET: &str = "offset";

/// What `faketime` preloads.
pub fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap();
    let mut places =
        folders.map(|folder| folder.unwrap().path().join("faketime/libfaketimeMT.so.1"));
    places
        .find(|path| path.exists())
        .expect("faketime is installed")
}
