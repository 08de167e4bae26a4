#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| kith_gateway::fuzzing::connection(bytes));
