#![no_main]

#[path = "../bodies/feeds.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::body(data));
