//! The corpus of the fuzz target `api_message`, replayed.

mod checks;

use std::fs;

#[test]
fn the_corpus_of_messages_holds() {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/api_message");
    let mut count = 0;
    for file in fs::read_dir(corpus).unwrap() {
        checks::message(&fs::read(file.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}
