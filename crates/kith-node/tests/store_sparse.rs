//! A file of any size takes no more memory than a small one. It is a sparse one, so that it takes no
//! disk either; `KITH_SPARSE` says how many GB, in a release build 100 in minutes:
//!
//! ```sh
//! KITH_SPARSE=100 cargo test --release -p kith-node --test store_sparse -- --nocapture
//! ```
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "it is also run by hand")]

use std::time::Instant;

use kith_log::SpaceId;
use kith_node::store::{FilePlace, FileSource, Options, Store};
use kith_overlay::storage::{BlobScope, MAX_BLOB_READ};

/// Bytes that the process may grow by.
const GROWTH: u64 = 24 * 1024 * 1024;

/// The most that the process had in memory so far, in bytes.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib * 1024
}

#[tokio::test]
async fn a_great_sparse_file_takes_little_memory() {
    let gb = std::env::var("KITH_SPARSE").ok().and_then(|gb| gb.parse::<f64>().ok());
    let size = (gb.unwrap_or(0.3) * 1e9) as u64;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    std::fs::File::create(&path).unwrap().set_len(size).unwrap();
    let store = Store::open(&dir.path().join("kith"), Options::default()).unwrap();
    let scope = BlobScope::Space(SpaceId::from_bytes([1; 32]));
    let small = dir.path().join("small");
    std::fs::File::create(&small).unwrap().set_len(20_000_000).unwrap();
    for (path, place) in [
        (&small, FilePlace::Outside),
        (&small, FilePlace::Own),
        (&path, FilePlace::Outside),
        (&path, FilePlace::Own),
    ] {
        let (before, began) = (most_memory(), Instant::now());
        let source = FileSource::Path(path.clone());
        let adding = store.add_file(scope, source, Some([7; 32]), place);
        let added = adding.finish().await.unwrap();
        for offset in [0, added.size / 2, added.size - MAX_BLOB_READ as u64] {
            store.read_blob(&added.hash, offset, MAX_BLOB_READ).await.unwrap();
        }
        let (grown, took) = (most_memory() - before, began.elapsed());
        println!(
            "{} MB {place:?}: {took:.1?}, {grown} bytes more in memory",
            added.size / 1_000_000
        );
        assert!(path == &small || grown < GROWTH, "{grown}");
    }
    // A hole that is copied stays one.
    let copy = std::fs::read_dir(dir.path().join("kith/blobs")).unwrap();
    let taken: u64 = copy
        .map(|file| {
            std::os::unix::fs::MetadataExt::blocks(&file.unwrap().metadata().unwrap()) * 512
        })
        .sum();
    assert!(taken < size / 100, "{taken}");
}
