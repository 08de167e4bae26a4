//! One large file.

use std::fs;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{Figure, anchors};
use crate::{GIB, MIB, RUNS, file, get, pair, same, share};

/// Bytes of the large file: 2 GiB.
const LARGE: usize = 2048 * MIB;

/// What was measured, a sample for each run.
#[derive(Default)]
struct Samples {
    got: Vec<f64>,
    both: Vec<f64>,
    raw: Vec<f64>,
    tcp: Vec<f64>,
    work: Vec<f64>,
    get_work: Vec<f64>,
    raw_work: Vec<f64>,
    raw_within: Vec<f64>,
    memory: Vec<f64>,
    memory_small: Vec<f64>,
}

/// Rate, work and memory.
pub(crate) async fn run() {
    let dir = TempDir::new().expect("a folder");
    let (tiny, large) = (dir.path().join("tiny.bin"), dir.path().join("large.bin"));
    file(&tiny, MIB);
    file(&large, LARGE);
    let mut samples = Samples::default();
    for _ in 0..RUNS {
        once(dir.path(), &tiny, &large, &mut samples).await;
    }
    print(samples);
}

async fn once(dir: &Path, tiny: &Path, large: &Path, samples: &mut Samples) {
    let rate = |seconds: f64| LARGE as f64 / MIB as f64 / seconds;
    let work = |seconds: f64| seconds / (LARGE as f64 / GIB);
    let raw = anchors::iroh_stream(LARGE).await;
    samples.raw.push(rate(raw.seconds));
    samples.raw_work.push(work(raw.cpu));
    samples.raw_within.push(rate(anchors::iroh_stream_within(LARGE).await.seconds));
    let copied = dir.join("tcp.bin");
    samples.tcp.push(rate(anchors::tcp(large, &copied)));
    fs::remove_file(copied).expect("it was made");
    let (a, b) = pair().await;
    let to = dir.join("got");
    fs::create_dir(&to).expect("a folder");
    let link = share(&a, tiny).await;
    get(&b, &link, &to).await;
    samples.memory_small.push(a.peak_mb().max(b.peak_mb()));
    let cpu = || a.cpu_seconds() + b.cpu_seconds();
    let (before, started) = (cpu(), Instant::now());
    let link = share(&a, large).await;
    let (cpu_shared, shared) = (cpu(), started.elapsed().as_secs_f64());
    get(&b, &link, &to).await;
    let took = started.elapsed().as_secs_f64();
    samples.work.push(work(cpu() - before));
    samples.get_work.push(work(cpu() - cpu_shared));
    samples.memory.push(a.peak_mb().max(b.peak_mb()));
    samples.got.push(rate(took - shared));
    samples.both.push(rate(took));
    same(large, &to.join("large.bin"));
    fs::remove_dir_all(to).expect("it was made");
}

fn print(samples: Samples) {
    let Samples { got, both, raw, tcp, work, get_work, raw_work, raw_within, .. } = samples;
    let Samples { memory, memory_small, .. } = samples;
    let stream = "one raw iroh stream between two processes, no files";
    Figure::new("get 2 GiB, file to file, private", "MiB/s", "ratio ≥ 0.9", got.clone())
        .against(stream, raw.clone())
        .print();
    Figure::new("share and get 2 GiB: hashed, then file to file", "MiB/s", "ratio ≥ 0.9", both)
        .against(stream, raw)
        .print();
    Figure::new("get 2 GiB, beside a stream that stays in one process", "MiB/s", "", got.clone())
        .against("one raw iroh stream, both ends in one process, no files", raw_within)
        .print();
    Figure::new("get 2 GiB, beside plain TCP", "MiB/s", "", got)
        .against("file to file over plain TCP", tcp)
        .print();
    Figure::new("get 2 GiB: processor time of both nodes", "s/GiB", "", get_work)
        .against("one raw iroh stream, both ends", raw_work.clone())
        .print();
    Figure::new("share and get 2 GiB: processor time of both nodes", "s/GiB", "", work)
        .against("one raw iroh stream, both ends", raw_work)
        .print();
    Figure::new("share and get 2 GiB: peak RSS of the larger node", "MB", "", memory)
        .against("1 MiB instead", memory_small)
        .print();
}
