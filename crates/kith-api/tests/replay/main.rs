//! Replays the corpus of the fuzz target `api_message` through the same checks, with no fuzzer.

mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod corpus;

#[test]
fn messages() {
    let seeds: [(&str, Vec<u8>); 0] = [];
    corpus::replay("api_message", &seeds, checks::message);
}
