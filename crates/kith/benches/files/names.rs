//! Folders of very many names: their memory does not grow with them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::support::Figure;
use crate::{FEW_RUNS, get, pair, share};

/// Files of the larger folder, and of the smaller one.
const MANY: usize = 300_000;
const FEW: usize = 3_000;
/// Files in one folder.
const PER_FOLDER: usize = 1_000;
/// Names of one file on the disk: ext4 allows 65,000. Names alone are made in a tenth of the time.
const LINKS: usize = 50_000;

pub(crate) async fn run() {
    let dir = TempDir::new().expect("a folder");
    let (many, few) = (dir.path().join("many"), dir.path().join("few"));
    folder(&many, MANY);
    folder(&few, FEW);
    // Sharing is read only, and so is repeated; writing so many files takes minutes.
    let (mut shared, mut shared_few, mut got, mut got_few) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 0..FEW_RUNS {
        for (folder, shared, got) in
            [(&few, &mut shared_few, &mut got_few), (&many, &mut shared, &mut got)]
        {
            let (a, b) = pair().await;
            let link = share(&a, folder).await;
            shared.push(a.peak_mb());
            if run == 0 {
                let to = TempDir::new_in(dir.path()).expect("a folder");
                get(&b, &link, to.path()).await;
                got.push(b.peak_mb());
            }
        }
    }
    Figure::new("share a folder of 300,000 files: peak RSS", "MB", "ratio ≤ 1.5", shared)
        .of_few()
        .against("3,000 instead", shared_few)
        .print();
    Figure::new("get it: peak RSS", "MB", "ratio ≤ 1.5", got)
        .of_few()
        .against("3,000 instead", got_few)
        .print();
}

fn folder(path: &Path, count: usize) {
    let mut held = path.to_owned();
    for n in 0..count {
        let folder = path.join(format!("{:03}", n / PER_FOLDER));
        if n % PER_FOLDER == 0 {
            fs::create_dir_all(&folder).expect("a folder");
        }
        let name = folder.join(format!("a small file {n:06}.txt"));
        if n % LINKS == 0 {
            fs::write(&name, format!("{n}")).expect("a disk");
            held = name;
        } else {
            fs::hard_link(&held, name).expect("a file system with links");
        }
    }
}
