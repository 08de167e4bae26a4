#![no_main]

#[path = "../../crates/kith-log/tests/replay/checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::folder(bytes));
