//! What the spine must reach: start, memory, message, cold sync. Each beside its anchor, measured in
//! the same run. Prints one JSON object per line; `cargo xtask bench` makes the page of them.

#![allow(clippy::print_stdout)] // Figures go to stdout: that is what a bench is for.

mod support;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Anchor, Figure, Kith, Page, Task, anchor_main, raw_stream};

/// Messages timed.
const MESSAGES: usize = 200;
/// Entries of the cold sync, and bytes of each.
const ENTRIES: usize = 10_000;
const ENTRY_BYTES: usize = 200;
/// Runs of what takes long.
const RUNS: usize = 5;

fn main() {
    if anchor_main() {
        return;
    }
    // `cargo test --benches` and `cargo bench -- --list` ask for something else.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        start_and_idle().await;
        message().await;
        cold_sync().await;
    });
}

/// Process start to the line that says ready, and memory and work of a node that has nothing to do.
async fn start_and_idle() {
    let mut kith = Kith::new("idle");
    kith.start().await;
    kith.call("open.begin", json!({ "target": "Chat", "yes": true })).await;
    let (mut ready, mut bare_ready) = (Vec::new(), Vec::new());
    let (mut memory, mut bare_memory, mut work) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..2 * RUNS {
        kith.stop().await;
        let mut bare = Anchor::start(Task::Rest).await;
        bare_ready.push(bare.ready.as_secs_f64() * 1e3);
        ready.push(kith.start().await.as_secs_f64() * 1e3);
        if run % 2 == 0 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let before = kith.cpu_seconds();
            tokio::time::sleep(Duration::from_secs(5)).await;
            work.push((kith.cpu_seconds() - before) / 5.0 * 100.0);
            memory.push(kith.rss_mb());
            bare_memory.push(bare.rss_mb());
        }
        bare.stop().await;
    }
    let bare = "a bare iroh endpoint, process start to bound";
    Figure::new("start to ready, warm", "ms", "≤ 150 ms", ready).against(bare, bare_ready).print();
    Figure::new("idle node, one space: RSS", "MB", "≤ 64 MB (with 50 apps)", memory)
        .against("a bare iroh endpoint", bare_memory)
        .print();
    Figure::new("idle node: share of one core", "%", "≤ 0.2 %", work).print();
}

/// From an append on one node's socket to its arrival on another's, both durable.
async fn message() {
    let (mut a, mut b) = (Kith::new("a"), Kith::new("b"));
    a.start().await;
    b.start().await;
    let (mut on_a, mut on_b) = both_in_one_space(&a, &b).await;
    on_b.subscribe(json!({ "to": "entries", "after": 0 })).await;
    on_b.subscribe(json!({ "to": "messages" })).await;
    let (mut kept, mut unkept) = (Vec::new(), Vec::new());
    for n in 0..MESSAGES {
        let text = format!("message {n}");
        let started = Instant::now();
        on_a.send("space.append", json!({ "body": { "json": text } })).await;
        on_b.event(|event| event["entry"]["body"]["json"] == text).await;
        kept.push(started.elapsed().as_secs_f64() * 1e3);
        on_a.drain().await;
        let started = Instant::now();
        on_a.send("space.send", json!({ "body": { "json": text } })).await;
        on_b.event(|event| event["type"] == "message" && event["body"]["json"] == text).await;
        unkept.push(started.elapsed().as_secs_f64() * 1e3);
        on_a.drain().await;
    }
    let trips = raw_stream::round_trips(MESSAGES).await;
    let one_way: Vec<_> = trips.iter().map(|trip| trip / 2.0).collect();
    let anchor = "one way over a raw iroh stream, nothing kept";
    Figure::new("message, socket to socket, durable at both", "ms", "≤ 2 ms", kept)
        .against(anchor, one_way.clone())
        .print();
    Figure::new("message that is not kept, socket to socket", "ms", "", unkept)
        .against(anchor, one_way)
        .print();
}

/// A new member gets ten thousand entries of a private space.
async fn cold_sync() {
    let mut a = Kith::new("full");
    a.start().await;
    let opened = a.call("open.begin", json!({ "target": "Chat", "yes": true })).await;
    let mut page = Page::open(&opened["opened"]).await;
    page.fill(ENTRIES, ENTRY_BYTES).await;
    let space = opened["opened"]["space"].clone();
    let link = a.call("spaces.invite", json!({ "target": space })).await["link"].clone();
    let payload = (ENTRIES * ENTRY_BYTES) as f64;
    let (mut took, mut wire) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut b = Kith::new("new");
        b.start().await;
        let started = Instant::now();
        let opened = b.call("open.begin", json!({ "target": link, "yes": true })).await;
        let mut page = Page::open(&opened["opened"]).await;
        page.subscribe(json!({ "to": "entries", "after": 0 })).await;
        page.events(ENTRIES).await;
        took.push(started.elapsed().as_secs_f64());
        let status = b.call("node.status", json!({})).await;
        wire.push(received(&status) / payload);
    }
    let raw = raw_stream::transfers(RUNS, ENTRIES * ENTRY_BYTES).await;
    Figure::new(
        "10,000 entries of 200 random bytes, private, from link to page",
        "s",
        "≤ 1 s",
        took,
    )
    .against("the same bytes over a raw iroh stream, connecting included", raw)
    .print();
    let what = "the same: bytes on the streams over payload";
    Figure::new(what, "x", "≤ 1.3 x", wire).print();
}

fn received(status: &Value) -> f64 {
    status["traffic"]["received"].as_f64().expect("a count")
}

async fn both_in_one_space(a: &Kith, b: &Kith) -> (Page, Page) {
    let on_a = a.call("open.begin", json!({ "target": "Chat", "yes": true })).await;
    let space = on_a["opened"]["space"].clone();
    let link = a.call("spaces.invite", json!({ "target": space })).await["link"].clone();
    let on_b = b.call("open.begin", json!({ "target": link, "yes": true })).await;
    let (page_a, mut page_b) =
        (Page::open(&on_a["opened"]).await, Page::open(&on_b["opened"]).await);
    page_b.subscribe(json!({ "to": "presence" })).await;
    page_b.event(|event| event["online"].as_array().is_some_and(|online| !online.is_empty())).await;
    (page_a, page_b)
}
