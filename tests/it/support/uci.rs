//! The real `uci`, see `tests/uci`.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

/// More than enough for a file, even on a busy machine. What takes longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Its path.
pub fn program() -> &'static Path {
    &UCI
}

/// How the file of a text is called.
pub fn package(i: usize) -> String {
    format!("waproxy_test_{i}")
}

/// What `uci export` prints of the files that it can load; `None` where it falls.
pub fn export(texts: &[Vec<u8>]) -> Option<Vec<u8>> {
    let name = format!("uci-{}-{:?}", std::process::id(), thread::current().id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(folder.join("config")).unwrap();
    for (i, text) in texts.iter().enumerate() {
        fs::write(folder.join("config").join(package(i)), text).unwrap();
    }
    let mut uci = Command::new(program())
        .arg("-c")
        .arg(folder.join("config"))
        .arg("-t")
        .arg(folder.join("changes"))
        .arg("export")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pipe = uci.stdout.take().unwrap();
    let output = thread::spawn(move || {
        let mut output = Vec::new();
        pipe.read_to_end(&mut output).map(|_| output)
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = uci.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > PATIENCE {
            uci.kill().unwrap();
            uci.wait().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let output = output.join().unwrap().unwrap();
    fs::remove_dir_all(folder).unwrap();
    status.filter(ExitStatus::success).map(|_| output)
}

static UCI: LazyLock<PathBuf> = LazyLock::new(|| {
    let uci = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("uci");
    let done = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/uci"))
        .arg(&uci)
        .args(["cc", "-O1"])
        .status()
        .unwrap();
    assert!(done.success(), "uci does not build");
    uci
});
