//! The real `uci`, see `tests/uci`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Its path.
pub fn program() -> &'static Path {
    &UCI
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
