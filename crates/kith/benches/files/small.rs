//! Many small files.

use std::fs;
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{Figure, anchors, random_bytes};
use crate::{FEW_RUNS, get, pair, share};

/// Small files, how many of them are in one folder, and bytes of each.
const SMALL_COUNT: usize = 100_000;
const SMALL_PER_FOLDER: usize = 1_000;
const SMALL: usize = 1_000;

/// Many small files in a folder.
pub(crate) async fn run() {
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
    for _ in 0..FEW_RUNS {
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
        .of_few()
        .against("tar over TCP", of_tar)
        .print();
    Figure::new("the same: bytes on the streams over payload", "x", "", wire)
        .of_few()
        .against("tar over TCP", tar_wire)
        .print();
}
