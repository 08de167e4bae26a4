//! One file from three people.

use std::time::Instant;

use tempfile::TempDir;

use crate::support::{Figure, Kith, Liar};
use crate::{MIB, RUNS, file, get, pair, same, share};

/// Bytes of the file that three people give: 512 MiB.
const SHARED: usize = 512 * MIB;

/// One file from three people, one of whom sends wrong bytes.
pub(crate) async fn run() {
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
