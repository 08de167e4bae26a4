#![no_main]

#[path = "../../crates/kith-overlay/tests/space/checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::space_message(bytes));
