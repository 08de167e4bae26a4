//! One large file.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{Figure, anchors, cpu_seconds};
use crate::{GIB, MIB, RUNS, file, get, pair, same, share};

/// Bytes of the large file: 2 GiB.
const LARGE: usize = 2048 * MIB;

/// Memory that is touched before, if there is twice as much: 8 GiB.
const TOUCHED: u64 = 8 << 30;

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
    memory: Vec<f64>,
    memory_small: Vec<f64>,
}

/// Rate, work and memory.
pub(crate) async fn run() {
    let dir = TempDir::new().expect("a folder");
    let (tiny, large) = (dir.path().join("tiny.bin"), dir.path().join("large.bin"));
    file(&tiny, MIB);
    touch_memory();
    file(&large, LARGE);
    let mut samples = Samples::default();
    for _ in 0..RUNS {
        once(dir.path(), &tiny, &large, &mut samples).await;
    }
    print(samples);
}

/// Memory of a virtual machine that its system never used is slow at the first time. What writes files
/// takes new memory for them all the time, and the stream it is measured against none.
fn touch_memory() {
    let info = fs::read_to_string("/proc/meminfo").expect("Linux tells it");
    let available = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|kib| kib.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let bytes = (kib.expect("a number") * 1024 / 2).min(TOUCHED);
    black_box(vec![1_u8; usize::try_from(bytes).expect("it fits into memory")]);
}

async fn once(dir: &Path, tiny: &Path, large: &Path, samples: &mut Samples) {
    let rate = |seconds: f64| LARGE as f64 / MIB as f64 / seconds;
    let work = |seconds: f64| seconds / (LARGE as f64 / GIB);
    let before = cpu_seconds(std::process::id());
    samples.raw.push(rate(anchors::iroh_stream(LARGE).await));
    samples.raw_work.push(work(cpu_seconds(std::process::id()) - before));
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
    let Samples { got, both, raw, tcp, work, get_work, raw_work, memory, memory_small } = samples;
    let stream = "one raw iroh stream, no files";
    Figure::new("get 2 GiB, file to file, private", "MiB/s", "ratio ≥ 0.9", got.clone())
        .against(stream, raw.clone())
        .print();
    Figure::new("share and get 2 GiB: hashed, then file to file", "MiB/s", "ratio ≥ 0.9", both)
        .against(stream, raw)
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
