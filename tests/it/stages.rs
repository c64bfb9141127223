//! The stages of a connection do not know one another: only `session` knows their order.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each module on the way of a connection may name, besides itself.
const MAY_NAME: [(&str, &[&str]); 24] = [
    ("address", &[]),
    (
        "admission",
        &["address", "config", "deadline", "memory", "shortage"],
    ),
    ("allowance", &[]),
    ("aside", &[]),
    ("deadline", &[]),
    ("decoy", &["config"]),
    (
        "doctor",
        &[
            "address", "aside", "config", "control", "routes", "share", "tls", "upstream",
        ],
    ),
    ("gate", &[]),
    ("listener", &["config", "socket"]),
    ("memory", &[]),
    ("port_mapping", &["address", "routes"]),
    ("proxy_header", &[]),
    ("relay", &["allowance", "deadline", "side", "stats"]),
    ("routes", &[]),
    ("sandbox", &[]),
    (
        "session",
        &[
            "address",
            "admission",
            "allowance",
            "config",
            "deadline",
            "decoy",
            "gate",
            "listener",
            "proxy_header",
            "relay",
            "side",
            "socket",
            "stats",
            "tls",
            "upstream",
        ],
    ),
    ("seldom", &[]),
    ("shortage", &["seldom"]),
    ("side", &["deadline", "memory", "shortage", "socket"]),
    ("socket", &[]),
    ("stats", &["seldom"]),
    ("tls", &["side", "state_file"]),
    (
        "upstream",
        &["address", "aside", "config", "shortage", "socket"],
    ),
    (
        "worker",
        &[
            "admission",
            "allowance",
            "config",
            "deadline",
            "decoy",
            "listener",
            "session",
            "shortage",
            "socket",
            "stats",
            "upstream",
        ],
    ),
];

#[test]
fn no_stage_knows_another() {
    for (module, may_name) in MAY_NAME {
        let mut named = BTreeSet::new();
        for file in files(module) {
            named.extend(names(&fs::read_to_string(&file).unwrap()));
        }
        let allowed: BTreeSet<_> = may_name.iter().map(ToString::to_string).collect();
        named.remove(module);
        let surplus: Vec<_> = named.difference(&allowed).collect();
        assert!(surplus.is_empty(), "{module} names {surplus:?}");
        let unused: Vec<_> = allowed.difference(&named).collect();
        assert!(
            unused.is_empty(),
            "{module} may name {unused:?} and does not"
        );
    }
}

/// The files of a module of the crate.
fn files(module: &str) -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join(format!("{module}.rs"))];
    let mut folders = vec![source.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            // Unit tests may name more.
            if path.file_stem().is_some_and(|name| name == "tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// The modules of the crate that a text names, its unit tests aside.
fn names(text: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1))
        .map(|rest| rest.chars().take_while(|c| is_part(*c)).collect())
        .collect()
}
