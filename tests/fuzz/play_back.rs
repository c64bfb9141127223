//! What tests/fuzz found worth keeping, played back on any Rust.

// Shared with crates of their own.
#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "targets/client_hello.rs"]
mod client_hello;
#[path = "targets/config.rs"]
mod config;
#[path = "targets/control.rs"]
mod control;
#[path = "targets/greeting.rs"]
mod greeting;
#[path = "targets/proxy_header.rs"]
mod proxy_header;
#[path = "targets/share.rs"]
mod share;
#[path = "targets/uci_text.rs"]
mod uci_text;

use std::fs;
use std::path::Path;

#[test]
fn the_first_bytes_of_strangers_are_withstood() {
    play_back("client_hello", client_hello::run);
}

#[test]
fn texts_of_configurations_are_read_the_same_again() {
    play_back("config", config::run);
    play_back("uci", config::run);
}

#[test]
fn lines_of_the_control_socket_are_read_the_same_again() {
    play_back("control", control::run);
}

#[test]
fn answers_to_a_greeting_are_judged_once_for_all() {
    play_back("greeting", greeting::run);
}

#[test]
fn headers_are_known_by_their_last_byte() {
    play_back("proxy_header", proxy_header::run);
}

#[test]
fn links_say_what_went_in() {
    play_back("share", share::run);
}

fn play_back(target: &str, run: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(target);
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 3, "{} has {count} files", folder.display());
}
