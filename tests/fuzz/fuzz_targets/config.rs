#![no_main]

#[path = "../targets/config.rs"]
mod config;
#[path = "../targets/uci_text.rs"]
mod uci_text;
libfuzzer_sys::fuzz_target!(|data: &[u8]| config::run(data));
