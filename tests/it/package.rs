//! What stands twice for OpenWrt's SDK is the same in both places, and its test passes.

use std::fs;

use crate::support::router::Router;

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

#[test]
fn fw4_includes_what_the_init_script_writes_where_root_alone_may() {
    let after = |path: &str, start: &str| {
        let text = read(path);
        let line = text.lines().find_map(|line| line.strip_prefix(start));
        line.unwrap().to_owned()
    };
    let limit = after("openwrt/waproxy/files/waproxy.init", "SYN_LIMIT=");
    let link = after("openwrt/waproxy/Makefile", "\t$(LN) ");
    assert_eq!(link.split(' ').next(), Some(&*limit));
    // procd makes this folder before anything else runs; every other in /var is made later.
    let name = limit.strip_prefix("/var/run/").unwrap();
    assert!(!name.contains('/'), "{name}");
}

#[test]
fn the_feeds_test_passes() {
    let router = Router::new();
    let test = concat!(env!("CARGO_MANIFEST_DIR"), "/openwrt/waproxy/test.sh");
    let version = env!("CARGO_PKG_VERSION");
    let ended = router.run(&["sh", test, "waproxy", version]);
    assert!(ended.status.success(), "{}{}", ended.stdout, ended.stderr);
    assert!(
        !router
            .run(&["sh", test, "waproxy", "0.0.0"])
            .status
            .success()
    );
}
