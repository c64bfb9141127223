#![no_main]

#[path = "../targets/greeting.rs"]
mod greeting;

libfuzzer_sys::fuzz_target!(|data: &[u8]| greeting::run(data));
