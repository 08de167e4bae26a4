#![no_main]

#[path = "../../crates/kith-api/tests/replay/checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::message(bytes));
