//! A store that has very many blobs.

use std::path::Path;
use std::sync::Arc;

use kith_log::SpaceId;
use kith_node::store::{Options, Store};
use kith_overlay::storage::BlobScope;
use serde_json::json;

use crate::RUNS;
use crate::support::{Figure, Kith, Unsynced};

/// Blobs in the store.
const BLOBS: u64 = 100_000;
/// Blobs that are added at once: they share a transaction.
const AT_ONCE: u64 = 50;

pub(crate) async fn run() {
    let (mut full, mut empty) = (Kith::new("full"), Kith::new("empty"));
    for kith in [&mut full, &mut empty] {
        kith.start().await;
    }
    let mut spaces = Vec::new();
    for kith in [&full, &empty] {
        let opened = kith.call("open.begin", json!({ "target": "Chat", "yes": true })).await;
        spaces.push(opened["opened"]["space"].as_str().expect("a space").to_owned());
    }
    full.stop().await;
    empty.stop().await;
    fill(full.dir(), SpaceId::from_hex(&spaces[0]).expect("a space")).await;
    let (mut ready, mut ready_empty) = (Vec::new(), Vec::new());
    let (mut memory, mut memory_empty) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        ready.push(full.start().await.as_secs_f64() * 1e3);
        ready_empty.push(empty.start().await.as_secs_f64() * 1e3);
        // What it does at its start, it has done by then.
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        memory.push(full.peak_mb());
        memory_empty.push(empty.peak_mb());
        full.stop().await;
        empty.stop().await;
    }
    Figure::new("start to ready, 100,000 blobs", "ms", "≤ 150 ms", ready)
        .against("no blobs", ready_empty)
        .print();
    Figure::new("the same: peak RSS, 3 s after the start", "MB", "≤ 64 MB", memory)
        .against("no blobs", memory_empty)
        .print();
}

/// Puts blobs of a few bytes into the store of a node that does not run. They belong to a space, and
/// nothing attaches them yet, as uploads of pages.
async fn fill(dir: &Path, space: SpaceId) {
    let options = Options { disk: Arc::new(Unsynced), ..Options::default() };
    let store = Store::open(dir, options).expect("it opens");
    for first in (0..BLOBS).step_by(AT_ONCE as usize) {
        let adding = (first..first + AT_ONCE).map(|number| {
            let store = store.clone();
            let data = format!("blob {number}").into_bytes().into();
            async move { store.add_blob(BlobScope::Space(space), data).await }
        });
        for added in futures_util::future::join_all(adding).await {
            added.expect("a disk");
        }
    }
    store.close().await;
}
