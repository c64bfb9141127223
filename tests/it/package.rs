//! What stands twice for OpenWrt's SDK is the same in both places.

use std::fs;

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The lines of a section of Cargo.toml.
fn section(name: &str) -> Vec<String> {
    let manifest = read("Cargo.toml");
    let lines = manifest
        .lines()
        .skip_while(|line| *line != format!("[{name}]"));
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| line.contains('='))
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_packages_version_is_that_of_the_program() {
    let line = format!("PKG_VERSION:={}", env!("CARGO_PKG_VERSION"));
    assert!(
        read("openwrt/waproxy/Makefile")
            .lines()
            .any(|other| other == line),
        "{line}"
    );
}

#[test]
fn the_sdks_profile_has_every_key_of_ours() {
    for part in ["", ".package.ring"] {
        let theirs = section(&format!("profile.openwrt{part}"));
        let ours = section(&format!("profile.release{part}"));
        assert!(!ours.is_empty());
        for key in ours {
            assert!(theirs.contains(&key), "{part}: {key}");
        }
    }
}
