#![no_main]

#[path = "../../crates/kith-overlay/tests/transport/checks.rs"]
#[allow(dead_code)]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::peer_addr(bytes));
