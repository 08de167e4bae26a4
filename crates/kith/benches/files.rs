//! What files must reach, by the real program: one large file, from one and from three people,
//! memory, many small files. Each beside its anchor, measured in the same run. Prints one JSON object
//! per line; `cargo xtask bench` makes the page of them.

#![allow(clippy::print_stdout)] // Figures go to stdout: that is what a bench is for.

mod support;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};
use support::{Figure, Kith, Liar, anchors, random_bytes};
use tempfile::TempDir;

/// Runs of each. What takes long is measured no oftener.
const RUNS: usize = 5;
const MIB: usize = 1024 * 1024;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Bytes of the large file: 2 GiB.
const LARGE: usize = 2048 * MIB;
/// Bytes of the file that three people give: 512 MiB.
const SHARED: usize = 512 * MIB;
/// Bytes of the file that is nothing but a hole: 100 GB.
const SPARSE: u64 = 100_000_000_000;
/// Small files, how many of them are in one folder, and bytes of each.
const SMALL_COUNT: usize = 100_000;
const SMALL_PER_FOLDER: usize = 1_000;
const SMALL: usize = 1_000;
/// Apps, each with a space.
const APPS: usize = 50;

fn main() {
    // `cargo test --benches` and `cargo bench -- --list` ask for something else.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    // Which part, where one alone is wanted.
    let part = std::env::var("KITH_BENCH_PART").unwrap_or_default();
    let wanted = |name: &str| part.is_empty() || part == name;
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        if wanted("large") {
            large().await;
        }
        if wanted("three") {
            three().await;
        }
        if wanted("small") {
            small().await;
        }
        if wanted("apps") {
            apps().await;
        }
        if wanted("sparse") {
            sparse().await;
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

/// One large file: rate, work and memory.
async fn large() {
    let dir = TempDir::new().expect("a folder");
    let source = dir.path().join("large.bin");
    let (mut got, mut both, mut raw, mut tcp) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut work, mut memory, mut memory_small) = (Vec::new(), Vec::new(), Vec::new());
    let rate = |seconds: f64| LARGE as f64 / MIB as f64 / seconds;
    let tiny = dir.path().join("tiny.bin");
    file(&tiny, MIB);
    file(&source, LARGE);
    for _ in 0..RUNS {
        raw.push(rate(anchors::iroh_stream(LARGE).await));
        let copied = dir.path().join("tcp.bin");
        tcp.push(rate(anchors::tcp(&source, &copied)));
        fs::remove_file(copied).expect("it was made");
        let (a, b) = pair().await;
        let to = dir.path().join("got");
        fs::create_dir(&to).expect("a folder");
        let link = share(&a, &tiny).await;
        get(&b, &link, &to).await;
        memory_small.push(a.peak_mb().max(b.peak_mb()));
        let before = a.cpu_seconds() + b.cpu_seconds();
        let started = Instant::now();
        let link = share(&a, &source).await;
        let shared = started.elapsed().as_secs_f64();
        get(&b, &link, &to).await;
        let took = started.elapsed().as_secs_f64();
        work.push((a.cpu_seconds() + b.cpu_seconds() - before) / (LARGE as f64 / GIB));
        memory.push(a.peak_mb().max(b.peak_mb()));
        got.push(rate(took - shared));
        both.push(rate(took));
        same(&source, &to.join("large.bin"));
        fs::remove_dir_all(to).expect("it was made");
    }
    let stream = "one raw iroh stream, no files";
    Figure::new("get 2 GiB, file to file, private", "MiB/s", "≥ 0.7, then 0.9", got.clone())
        .against(stream, raw.clone())
        .print();
    Figure::new("share and get 2 GiB: hashed, then file to file", "MiB/s", "", both)
        .against(stream, raw)
        .print();
    Figure::new("get 2 GiB, beside plain TCP", "MiB/s", "", got)
        .against("file to file over plain TCP", tcp)
        .print();
    Figure::new("share and get 2 GiB: processor time of both nodes", "s/GiB", "", work).print();
    Figure::new("share and get 2 GiB: peak RSS of the larger node", "MB", "", memory)
        .against("1 MiB instead", memory_small)
        .print();
}

/// One file from three people, one of whom sends wrong bytes.
async fn three() {
    let dir = TempDir::new().expect("a folder");
    let source = dir.path().join("shared.bin");
    file(&source, SHARED);
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    let rate = |seconds: f64| SHARED as f64 / MIB as f64 / seconds;
    for _ in 0..RUNS {
        let (a, b) = pair().await;
        let link = share(&a, &source).await;
        let got = async |kith: &Kith| {
            let to = TempDir::new_in(dir.path()).expect("a folder");
            let started = Instant::now();
            get(kith, &link, to.path()).await;
            let took = started.elapsed().as_secs_f64();
            same(&source, &to.path().join("shared.bin"));
            (rate(took), to)
        };
        let (from_one, of_b) = got(&b).await;
        alone.push(from_one);
        // By a link of the second one it is reached at once; the first one is named by it.
        let mut c = Kith::new("c").reaching(&b.addr().await);
        c.start().await;
        let liar = Liar::join(&link, SHARED as u64).await;
        liar.meet(&c.addr().await);
        together.push(got(&c).await.0);
        assert!(liar.was_asked() <= 2, "who sends wrong bytes is not asked again");
        liar.close().await;
        drop(of_b);
    }
    let what = "get 512 MiB from two people, while a third one sends wrong bytes";
    Figure::new(what, "MiB/s", "", together).against("from one", alone).print();
}

/// Many small files in a folder.
async fn small() {
    let dir = TempDir::new().expect("a folder");
    let source = dir.path().join("small");
    let bytes = random_bytes(7, SMALL_COUNT + SMALL);
    for n in 0..SMALL_COUNT {
        let folder = source.join(format!("folder-{:03}", n / SMALL_PER_FOLDER));
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(format!("file-{n:06}.dat"));
        fs::write(path, &bytes[n..n + SMALL]).expect("a disk");
    }
    let payload = (SMALL_COUNT * SMALL) as f64;
    let (mut took, mut wire, mut of_tar, mut tar_wire) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let to = TempDir::new_in(dir.path()).expect("a folder");
        let (seconds, carried) = anchors::tar(&source, to.path());
        of_tar.push(seconds);
        tar_wire.push(carried as f64 / payload);
        drop(to);
        let to = TempDir::new_in(dir.path()).expect("a folder");
        let (a, b) = pair().await;
        let started = Instant::now();
        let link = share(&a, &source).await;
        get(&b, &link, to.path()).await;
        took.push(started.elapsed().as_secs_f64());
        wire.push(b.received().await / payload);
        let last = SMALL_COUNT - 1;
        let name = format!("small/folder-{:03}/file-{last:06}.dat", last / SMALL_PER_FOLDER);
        let got = fs::read(to.path().join(name)).expect("it came");
        assert_eq!(got, &bytes[last..last + SMALL]);
    }
    Figure::new("100,000 files of 1 kB in a folder: share and get", "s", "", took)
        .against("tar over TCP", of_tar)
        .print();
    Figure::new("the same: bytes on the streams over payload", "x", "", wire)
        .against("tar over TCP", tar_wire)
        .print();
}

/// Many apps, each with a space.
async fn apps() {
    let dir = TempDir::new().expect("a folder");
    let (mut with, mut bare) = (Kith::new("many"), Kith::new("none"));
    with.start().await;
    bare.start().await;
    for n in 0..APPS {
        let app: PathBuf = dir.path().join(format!("app-{n}"));
        fs::create_dir(&app).expect("a folder");
        fs::write(app.join("index.html"), format!("<!doctype html><title>{n}</title>"))
            .expect("a disk");
        fs::write(app.join("manifest.toml"), format!("name = \"App {n}\"\n")).expect("a disk");
        let path = text(&app);
        let published = with.call("apps.publish", json!({ "path": path, "key": null })).await;
        let target = published["link"].clone();
        with.call("open.begin", json!({ "target": target, "yes": true })).await;
    }
    let (mut ready, mut bare_ready) = (Vec::new(), Vec::new());
    let (mut memory, mut bare_memory) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        with.stop().await;
        bare.stop().await;
        ready.push(with.start().await.as_secs_f64() * 1e3);
        bare_ready.push(bare.start().await.as_secs_f64() * 1e3);
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        memory.push(with.rss_mb());
        bare_memory.push(bare.rss_mb());
    }
    Figure::new("start to ready, 50 apps and 50 spaces", "ms", "≤ 150 ms", ready)
        .against("no apps", bare_ready)
        .print();
    Figure::new("idle node, 50 apps and 50 spaces: RSS", "MB", "≤ 64 MB", memory)
        .against("no apps", bare_memory)
        .print();
}

/// Memory while a file of 100 GB is hashed, and then while its first part comes. The whole of it is
/// not transferred.
async fn sparse() {
    let dir = TempDir::new().expect("a folder");
    let source = dir.path().join("sparse.bin");
    File::create(&source).and_then(|file| file.set_len(SPARSE)).expect("a file with a hole");
    let (a, b) = pair().await;
    let link = share(&a, &source).await;
    let hashing = a.peak_mb();
    let mut getting = b.begin(&["get", &link, "-o", &text(dir.path())]);
    let mut memory = vec![hashing];
    for _ in 0..RUNS {
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        memory.push(a.peak_mb().max(b.peak_mb()));
    }
    getting.kill().await.expect("it ends");
    Figure::new(
        "100 GB, sparse: peak RSS of the larger node, hashed whole, 15 s of it fetched",
        "MB",
        "",
        memory,
    )
    .print();
}
