//! A process that is killed while it fetches files to where a person wants them, again and again: what
//! had come is there, what was told to have arrived did, and no file comes twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the child tells its parent what arrived")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use kith_log::SpaceId;
use kith_node::store::{Expected, Options, Store};
use kith_overlay::blob::{Encoder, GROUP, Groups, tree_of};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState, BlobStorage};

/// Where the child works; it does nothing where this is not set.
const CHILD: &str = "KITH_TEST_CHILD";
/// How often the child is killed.
const ROUNDS: usize = 6;
/// Bytes of the first file: what is kept of it on the way is more than once.
const LARGE: usize = 160 * 1024 * 1024;
/// Bytes of those after it.
const SMALL: usize = 3 * GROUP as usize;
/// Bytes that are written at once.
const PART: usize = 1024 * 1024;

fn scope() -> BlobScope {
    BlobScope::Space(SpaceId::from_bytes([1; 32]))
}

fn open(dir: &Path) -> Store {
    Store::open(&dir.join("kith"), Options::default()).unwrap()
}

struct File {
    data: Bytes,
    hash: [u8; 32],
    tree: Vec<u8>,
    path: PathBuf,
}

impl File {
    fn new(dir: &Path, number: usize) -> Self {
        let mut data = vec![0; if number == 0 { LARGE } else { SMALL }];
        blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut data);
        let (hash, tree) = tree_of(&data);
        let path = dir.join("to").join(format!("{number}"));
        Self { data: data.into(), hash: hash.into(), tree, path }
    }

    /// Fetches what is missing; false where it arrived before.
    async fn fetch(&self, store: &Store) -> bool {
        let size = self.data.len() as u64;
        let to = Some(self.path.clone());
        match store.expect_file(scope(), &self.hash, size, None, to).await.unwrap() {
            Expected::Held(_) => return false,
            expected => assert_eq!(expected, Expected::Destination),
        }
        let missing = match store.blob_state(scope(), &self.hash).await.unwrap() {
            BlobState::Partial { held, .. } => Groups::all(size).without(&held),
            state => panic!("{state:?}"),
        };
        for range in missing.byte_ranges(size) {
            for start in (range.start as usize..range.end as usize).step_by(PART) {
                let data = self.data.slice(start..(start + PART).min(range.end as usize));
                let pairs = self.tree.chunks_exact(64).map(|pair| pair.try_into().unwrap());
                let pairs = (0..).step_by(64).zip(pairs);
                let pairs = if start as u64 == range.start { pairs.collect() } else { vec![] };
                let part = BlobPart { offset: start as u64, data, pairs };
                store.write_blob(scope(), &self.hash, size, part).await.unwrap();
                println!("\ncame {PART}");
            }
        }
        store.finish_blob(scope(), &self.hash).await.unwrap();
        true
    }
}

/// Not a test of its own: the process that is killed.
#[test]
fn child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let dir = Path::new(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = open(dir);
        for number in 0.. {
            if File::new(dir, number).fetch(&store).await {
                println!("\narrived {number}");
            }
        }
    });
}

fn spawn(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Kills the child after so many words of its; says what came of the first file, and which arrived last.
fn killed(mut child: Child, words: usize) -> (u64, Option<usize>) {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (mut came, mut arrived, mut said) = (0, None, 0);
    for line in lines {
        let line = line.unwrap();
        if let Some(number) = line.strip_prefix("arrived ") {
            arrived = Some(number.parse().unwrap());
            said += 1;
        } else if let Some(bytes) = line.strip_prefix("came ") {
            came += bytes.parse::<u64>().unwrap();
            said += 1;
        }
        if said == words {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(said >= words, "the child ended by itself");
    (came, arrived)
}

/// All that the store believes of the first file is what it says, by the blob's hash.
async fn verify(store: &Store, file: &File) -> u64 {
    let size = file.data.len() as u64;
    let held = match store.blob_state(scope(), &file.hash).await.unwrap() {
        BlobState::Absent => return 0,
        BlobState::Partial { held, .. } => held,
        BlobState::Complete { size } => Groups::all(size),
    };
    if !held.is_empty() {
        let mut encoder = Encoder::new(Arc::new(store.clone()), file.hash, size, &held);
        while encoder.batch().await.unwrap().is_some() {}
    }
    held.bytes(size)
}

fn assert_arrived(store: &Store, file: &File) {
    let size = file.data.len() as u64;
    let state = store.blob(scope(), &file.hash).unwrap();
    assert_eq!(state, BlobState::Complete { size }, "{}", file.path.display());
    assert!(std::fs::read(&file.path).unwrap() == file.data, "{}", file.path.display());
}

#[test]
fn a_killed_process_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("to")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let large = File::new(dir.path(), 0);
    let (mut came, mut last) = (0, None);
    for round in 0..ROUNDS {
        // At first in the middle of the large file; then after as many words as it has parts, whatever
        // was kept of it before, and so somewhere in the small ones.
        let words = if round < 2 { 100 } else { LARGE / PART + 40 + 7 * round };
        let (more, arrived) = killed(spawn(dir.path()), words);
        came += more;
        last = last.max(arrived);
        let store = open(dir.path());
        if last.is_none() {
            let held = runtime.block_on(verify(&store, &large));
            // What was told to be written is there; and what was written while the parent read that.
            let expected = came.min(LARGE as u64);
            assert!(held >= expected, "{round}: of {came} bytes, {held} are there");
            came = held;
        }
        for number in 1..=last.unwrap_or_default() {
            assert_arrived(&store, &File::new(dir.path(), number));
        }
        runtime.block_on(store.close());
    }
    let store = open(dir.path());
    assert_arrived(&store, &large);
    runtime.block_on(verify(&store, &large));
    let last = last.expect("files arrived");
    assert!(last > 10, "{last}");
    for entry in std::fs::read_dir(dir.path().join("to")).unwrap() {
        let (name, size) = entry.map(|e| (e.file_name(), e.metadata().unwrap().len())).unwrap();
        let name = name.to_str().unwrap();
        // The one that was coming; and what was killed before its row was written has no bytes.
        let is_hidden = name.ends_with(".kith-part");
        assert!(name.parse::<usize>().is_ok() || is_hidden, "{name} came twice");
        assert!(!is_hidden || size == 0 || name.starts_with(&format!(".{}.", last + 1)), "{name}");
    }
}
