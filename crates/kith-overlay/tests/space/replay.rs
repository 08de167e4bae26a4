//! Replays the corpora of the fuzz targets through the same checks, with no fuzzer.
//! The seeds are the vectors; and anything else is checked, too.

use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;

use crate::checks;
use crate::corpus::replay;

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
        let seeds = seeds(file, lists, field).into_iter().enumerate();
        let seeds: Vec<_> = seeds.map(|(n, seed)| (format!("seed_{n:02}"), seed)).collect();
        assert!(seeds.len() >= 4, "{target} has no seeds");
        replay(target, &seeds, check);
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
