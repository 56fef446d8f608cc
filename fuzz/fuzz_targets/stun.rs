//! The body is in `properties`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::run("stun", data));
