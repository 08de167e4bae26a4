//! The files of `docs/protocol/vectors`. `KITH_WRITE_VECTORS=1` writes them anew.

use std::path::{Path, PathBuf};

use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors").join(name)
}

/// Compares what the code makes with the file; returns the file.
pub(crate) fn vectors(name: &str, made: &Value) -> Value {
    if std::env::var_os("KITH_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(made).expect("values are JSON") + "\n";
        std::fs::write(path(name), text).expect("the file can be written");
    }
    let text = std::fs::read_to_string(path(name)).expect("the vectors are there");
    let read: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let (Value::Object(read_map), Value::Object(made_map)) = (&read, made) else {
        panic!("vectors are objects")
    };
    assert!(read_map.keys().eq(made_map.keys()), "the file has other cases");
    for (key, value) in made_map {
        assert_eq!(&read_map[key], value, "{key} of {name}");
    }
    read
}

pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hex is a string").as_bytes();
    text.chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex is ASCII");
            u8::from_str_radix(pair, 16).expect("two hex digits")
        })
        .collect()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("the right length")
}
