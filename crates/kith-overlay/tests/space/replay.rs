//! Replays the corpora of the fuzz targets through the same checks, with no fuzzer.
//! `KITH_WRITE_CORPUS=1` writes the seeds, which are the vectors; and anything else is checked, too.

#![allow(clippy::print_stdout, reason = "which file fails is said on the way")]

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use crate::checks;

type Check = fn(&[u8]);

/// The targets, their checks, and where the seeds are: the file of vectors, its lists, the field.
const TARGETS: [(&str, Check, &str, &[&str], &str); 3] = [
    (
        "space_message",
        checks::space_message,
        "space.json",
        &["messages", "unverified", "refused"],
        "message",
    ),
    ("blob_request", checks::blob_request, "blob.json", &["requests"], "bytes"),
    ("blob_reply", checks::blob_reply, "blob.json", &["replies"], "bytes"),
];

fn seeds(file: &str, lists: &[&str], field: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let text = std::fs::read_to_string(folder.join(file)).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    let cases = lists.iter().flat_map(|list| vectors[list].as_array().expect("a list of cases"));
    let hex = |case: &Value| case[field].as_str().expect("hex").as_bytes().to_vec();
    cases.map(|case| data_encoding::HEXLOWER.decode(&hex(case)).expect("hex")).collect()
}

#[test]
fn corpora() {
    for (target, check, file, lists, field) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
        let seeds = seeds(file, lists, field);
        assert!(seeds.len() >= 4, "{target} has no seeds");
        if std::env::var_os("KITH_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(&folder).expect("the folder can be made");
            for (n, seed) in seeds.iter().enumerate() {
                std::fs::write(folder.join(format!("seed_{n:02}")), seed).expect("written");
            }
        }
        let files = std::fs::read_dir(&folder).expect("the corpus is there");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        assert!(files.len() >= seeds.len(), "the corpus of {target} lacks seeds");
        for file in files {
            // A panic shows the path in the test's output.
            println!("{}", file.display());
            check(&std::fs::read(&file).expect("the corpus can be read"));
        }
    }
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, check, ..) in TARGETS {
            check(&bytes);
        }
    }

    #[test]
    fn a_byte_of_a_message_changed(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        mask in 1u8..,
    ) {
        for (_, check, file, lists, field) in TARGETS {
            let mut seed = which.get(&seeds(file, lists, field)).clone();
            if !seed.is_empty() {
                let at = at.index(seed.len());
                seed[at] ^= mask;
            }
            check(&seed);
        }
    }
}
