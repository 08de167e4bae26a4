//! The vectors of `docs/protocol/vectors/blob.json`.

use std::ops::Range;
use std::path::Path;

use data_encoding::HEXLOWER;
use kith_overlay::blob::{BlobReply, BlobRequest, Groups, Item, Walk, tree_of, tree_size};
use serde_json::Value;

fn vectors() -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let text = std::fs::read_to_string(folder.join("blob.json")).expect("the vectors are there");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

fn cases<'a>(vectors: &'a Value, name: &str) -> &'a [Value] {
    let cases = vectors[name].as_array().expect("a list of cases");
    assert!(!cases.is_empty());
    cases
}

fn bytes(case: &Value, name: &str) -> Vec<u8> {
    HEXLOWER.decode(case[name].as_str().expect("a string").as_bytes()).expect("hex")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn set(value: &Value) -> Groups {
    let mut groups = Groups::none();
    for range in value.as_array().expect("a list of ranges") {
        groups.insert(range_of(range));
    }
    groups
}

fn range_of(value: &Value) -> Range<u64> {
    number(&value[0])..number(&value[1])
}

/// Byte i is i mod 251.
fn content(size: u64) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8).collect()
}

#[test]
fn hashes_and_stored_trees() {
    for case in cases(&vectors(), "blobs") {
        let size = number(&case["size"]);
        let (root, tree) = tree_of(&content(size));
        assert_eq!(root.as_bytes().as_slice(), bytes(case, "blake3"), "{size}");
        assert_eq!(tree, bytes(case, "tree"), "{size}");
        assert_eq!(tree.len() as u64, tree_size(size));
    }
}

#[test]
fn encodings() {
    for case in cases(&vectors(), "encodings") {
        let size = number(&case["size"]);
        let data = content(size);
        let (root, tree) = tree_of(&data);
        let mut walk = Walk::new(root, size, &set(&case["groups"]));
        let mut encoding = blake3::Hasher::new();
        for expected in case["items"].as_array().expect("a list of items") {
            let item = walk.next().expect("as many items");
            let bytes = match &item {
                Item::Pair(at) => {
                    assert_eq!(*at, number(&expected["pair"]));
                    &tree[*at as usize..][..64]
                }
                Item::Data(range) => {
                    assert_eq!(*range, range_of(&expected["bytes"]));
                    &data[range.start as usize..range.end as usize]
                }
            };
            encoding.update(bytes);
            walk.accept(bytes).expect("the blob's own bytes");
        }
        assert_eq!(walk.next(), None);
        assert_eq!(encoding.finalize().as_bytes().as_slice(), bytes(case, "encoding_blake3"));
    }
}

#[test]
fn requests() {
    for case in cases(&vectors(), "requests") {
        let encoded = bytes(case, "bytes");
        if case["valid"].as_bool().expect("a bool") {
            let groups = set(&case["groups"]);
            let hash = bytes(case, "hash").try_into().expect("32 bytes");
            let request = BlobRequest::new(hash, &groups);
            assert_eq!(request.encode(), encoded);
            assert_eq!(BlobRequest::decode(&encoded), Ok((request, groups)));
        } else {
            assert!(BlobRequest::decode(&encoded).is_err(), "{case}");
        }
    }
}

#[test]
fn replies() {
    for case in cases(&vectors(), "replies") {
        let encoded = bytes(case, "bytes");
        let reply = match case["reply"].as_str() {
            Some("Absent") => BlobReply::Absent,
            Some("Busy") => BlobReply::Busy,
            Some("Here") => BlobReply::Here { size: number(&case["size"]) },
            Some("Partly") => BlobReply::Partly {
                size: number(&case["size"]),
                held: set(&case["held"]).to_wire(),
            },
            Some(other) => panic!("{other}"),
            None => {
                assert!(BlobReply::decode(&encoded).is_err(), "{case}");
                continue;
            }
        };
        assert_eq!(reply.encode(), encoded);
        assert_eq!(BlobReply::decode(&encoded), Ok(reply));
    }
}
