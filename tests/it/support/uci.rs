//! The real `uci`, built from the C sources that the crate `libuci-sys` carries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// Its path.
pub fn program() -> &'static Path {
    &UCI
}

static UCI: LazyLock<PathBuf> = LazyLock::new(|| {
    let sources = sources();
    let uci = scratch().join("uci");
    let building = scratch().join(format!("uci-{}", std::process::id()));
    fs::write(
        scratch().join("uci_config.h"),
        "#define UCI_PREFIX \"/usr\"\n",
    )
    .unwrap();
    let files = ["cli.c", "delta.c", "file.c", "libuci.c", "util.c"];
    let done = Command::new("cc")
        .args(["-O1", "-w", "-D_GNU_SOURCE", "-I"])
        .arg(scratch())
        .arg("-I")
        .arg(&sources)
        .arg("-o")
        .arg(&building)
        .args(files.map(|file| sources.join("uci").join(file)))
        .status()
        .expect("a C compiler, cc, is needed");
    assert!(done.success(), "uci does not build");
    // Whole or not at all: another run of the tests may be about to start it.
    fs::rename(building, &uci).unwrap();
    uci
});

/// Where `cargo` keeps the crate with the C sources.
fn sources() -> PathBuf {
    let manifest = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/uci_agreement/Cargo.toml"
    );
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version",
            "1",
            "--locked",
            "--manifest-path",
            manifest,
        ])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo cannot fetch the sources of uci"
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let carrier = packages
        .iter()
        .find(|package| package["name"] == "libuci-sys")
        .unwrap();
    let manifest = carrier["manifest_path"].as_str().unwrap();
    Path::new(manifest).parent().unwrap().to_path_buf()
}

fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}
