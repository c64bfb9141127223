#![no_main]

#[path = "../targets/share.rs"]
mod share;

libfuzzer_sys::fuzz_target!(|data: &[u8]| share::run(data));
