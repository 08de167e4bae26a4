//! What files must reach, by the real program: one large file, from one and from three people, memory,
//! many small files, many blobs, and what a kill costs. Each beside its anchor, measured in the same
//! run. Prints one JSON object per line; `cargo xtask bench` makes the page of them.

#![allow(clippy::print_stdout)] // Figures go to stdout: that is what a bench is for.

mod apps;
mod blobs;
mod killed;
mod large;
mod names;
mod small;
mod sparse;
#[path = "../support/mod.rs"]
mod support;
mod three;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::{Kith, WarmMemory, anchor_main, begin, random_bytes};

/// Runs of each. What takes long is measured no oftener.
const RUNS: usize = 5;
/// Runs of what takes minutes.
const FEW_RUNS: usize = 3;
const MIB: usize = 1024 * 1024;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;

fn main() {
    if anchor_main() {
        return;
    }
    // `cargo test --benches` and `cargo bench -- --list` ask for something else.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let _warm = WarmMemory::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if begin("large") {
            large::run().await;
        }
        if begin("killed") {
            killed::run().await;
        }
        if begin("three") {
            three::run().await;
        }
        if begin("small") {
            small::run().await;
        }
        if begin("names") {
            names::run().await;
        }
        if begin("blobs") {
            blobs::run().await;
        }
        if begin("apps") {
            apps::run().await;
        }
        if begin("sparse") {
            sparse::run().await;
        }
    });
}

/// A file of random bytes.
fn file(path: &Path, bytes: usize) {
    let part = random_bytes(bytes as u64, 8 * MIB + 13);
    let mut file = File::create(path).expect("a file");
    let mut left = bytes;
    // No two parts of it are the same: each begins elsewhere in the random bytes.
    while left > 0 {
        let at = (left / MIB * 4099) % (4 * MIB);
        let now = left.min(4 * MIB);
        file.write_all(&part[at..at + now]).expect("a disk");
        left -= now;
    }
    file.sync_all().expect("a disk");
}

async fn pair() -> (Kith, Kith) {
    let (mut a, mut b) = (Kith::new("a"), Kith::new("b"));
    a.start().await;
    b.start().await;
    (a, b)
}

async fn share(kith: &Kith, path: &Path) -> String {
    let shared = kith.command(&["share", &text(path)]).await;
    shared["link"].as_str().expect("a link").to_owned()
}

async fn get(kith: &Kith, link: &str, to: &Path) -> Value {
    kith.command(&["get", link, "-o", &text(to)]).await
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

fn same(a: &Path, b: &Path) {
    let (a, b) = (File::open(a).expect("a file"), File::open(b).expect("a file"));
    let hash = |file: File| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file).expect("it can be read");
        hasher.finalize()
    };
    assert_eq!(hash(a), hash(b), "what came is what was shared");
}
