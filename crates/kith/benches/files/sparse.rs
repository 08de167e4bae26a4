//! A file that is far larger than memory.

use std::fs::File;

use tempfile::TempDir;

use crate::support::Figure;
use crate::{RUNS, pair, share, text};

/// Bytes of the file that is nothing but a hole: 100 GB.
const SPARSE: u64 = 100_000_000_000;

/// Memory while a file of 100 GB is hashed, and then while its first part comes. The whole of it is
/// not transferred.
pub(crate) async fn run() {
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
