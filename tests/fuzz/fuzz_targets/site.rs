#![no_main]

#[path = "../bodies/site.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::body(data));
