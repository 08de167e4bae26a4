//! A large file whose getter and sharer are killed in the middle.

use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::{Figure, Kith, Liar};
use crate::{FEW_RUNS, MIB, file, get, pair, same, share, text};

/// Mebibytes of the file, for a quick look; 2 GiB if it is not set.
const SIZE: &str = "KITH_BENCH_KILLED_MIB";
const DEFAULT_MIB: usize = 2048;
/// Bytes of the hash tree that come with each 16 KiB of a blob.
const TREE: f64 = 64.0 / 16_384.0;
/// How often it is looked how much came. A kill is this late at most.
const LOOK: Duration = Duration::from_millis(2);
/// What may come before what is waited for, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// Requests that who sends wrong bytes gets from a getter in one life: those that are under way before
/// the first wrong byte is seen.
const MAX_LIES: usize = 2;

/// What a run showed.
struct Outcome {
    /// Bytes that came on the streams, in all lives of the getter.
    received: f64,
    /// Requests that the liar got.
    lies: usize,
    seconds: f64,
}

pub(crate) async fn run() {
    let mib = std::env::var(SIZE).map_or(DEFAULT_MIB, |mib| mib.parse().expect("a number"));
    let size = mib * MIB;
    let dir = TempDir::new().expect("a folder");
    let source = dir.path().join("large.bin");
    file(&source, size);
    let (mut a, mut c) = pair().await;
    let link = share(&a, &source).await;
    let mut alone = Vec::new();
    for _ in 0..FEW_RUNS {
        alone.push(once(&mut a, None, &link, &source, dir.path()).await);
    }
    print(&format!("{mib} MiB from one person"), size, &alone);
    let theirs = dir.path().join("theirs");
    std::fs::create_dir(&theirs).expect("a folder");
    get(&c, &link, &theirs).await;
    let mut together = Vec::new();
    for _ in 0..FEW_RUNS {
        together.push(once(&mut a, Some(&mut c), &link, &source, dir.path()).await);
    }
    let what = format!("{mib} MiB from three people, one of whom sends wrong bytes");
    print(&what, size, &together);
    let lies = together.iter().map(|outcome| outcome.lies as f64).collect();
    let what = "the same: how often who sends wrong bytes was asked, in the getter's two lives";
    Figure::new(what, "", "≤ 4", lies).of_few().print();
}

/// The getter is killed when a third is here, the sharer when two thirds are, each once.
async fn once(
    a: &mut Kith,
    also: Option<&mut Kith>,
    link: &str,
    source: &Path,
    dir: &Path,
) -> Outcome {
    let size = std::fs::metadata(source).expect("it is there").len();
    let to = TempDir::new_in(dir).expect("a folder");
    let mut b = Kith::new("b");
    if let Some(also) = &also {
        // By a link of the first one it is reached at once; this one is named by it.
        b = b.reaching(&also.addr().await);
    }
    b.start().await;
    let liar = match &also {
        Some(_) => {
            let liar = Liar::join(link, size).await;
            liar.meet(&b.addr().await);
            Some(liar)
        }
        None => None,
    };
    let started = Instant::now();
    let mut getting = b.begin(&["get", link, "-o", &text(to.path())]);
    let first = came(&b, size as f64 / 3.0).await;
    b.kill().await;
    assert!(!getting.wait().await.expect("it ends").success(), "its node was killed");
    b.start().await;
    // The same command goes on where it was.
    let mut getting = b.begin(&["get", link, "-o", &text(to.path())]);
    came(&b, size as f64 / 3.0).await;
    a.kill().await;
    a.start().await;
    assert!(getting.wait().await.expect("it ends").success(), "it arrives");
    let seconds = started.elapsed().as_secs_f64();
    let received = first + b.received().await;
    same(source, &to.path().join("large.bin"));
    let lies = liar.as_ref().map_or(0, Liar::was_asked);
    if let Some(liar) = liar {
        assert!((1..=2 * MAX_LIES).contains(&lies), "asked {lies} times");
        liar.close().await;
    }
    Outcome { received, lies, seconds }
}

/// Waits until so many bytes came on the streams of a node; says how many did.
async fn came(kith: &Kith, bytes: f64) -> f64 {
    let started = Instant::now();
    loop {
        let received = kith.received().await;
        if received >= bytes {
            return received;
        }
        assert!(started.elapsed() < PATIENCE, "{received} of {bytes} bytes came");
        tokio::time::sleep(LOOK).await;
    }
}

fn print(what: &str, size: usize, outcomes: &[Outcome]) {
    let size = size as f64;
    let figure = |what: String, unit, goal, of: &dyn Fn(&Outcome) -> f64| {
        Figure::new(what, unit, goal, outcomes.iter().map(of).collect()).of_few().print();
    };
    figure(
        format!("{what}, getter and sharer killed in the middle: fetched twice"),
        "MiB",
        "",
        &|outcome| (outcome.received - size * (1.0 + TREE)) / MIB as f64,
    );
    figure("the same: bytes on the streams over the file's".into(), "x", "", &|outcome| {
        outcome.received / size
    });
    figure("the same: from the command to the whole file".into(), "s", "", &|outcome| {
        outcome.seconds
    });
}
