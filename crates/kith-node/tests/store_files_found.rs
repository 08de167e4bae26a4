//! What was written of a transfer and not kept is found again when its files are opened; and what
//! does not verify is not believed, whatever was done to the files meanwhile.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counting;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use bytes::Bytes;
use counting::Counting;
use kith_api::ErrorCode;
use kith_log::SpaceId;
use kith_log::file::FileKey;
use kith_node::store::{Disk, Expected, Options, Store, StoreError, SystemDisk};
use kith_overlay::blob::{Encoder, GROUP, Groups, PAIR, tree_of, tree_size};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState, BlobStorage};
use tempfile::TempDir;

/// Bytes of the file: large enough to have a row before anything came, and its last group is short.
const SIZE: usize = 2 * 1024 * 1024 + 7;
/// Groups of it.
const ALL: u64 = 129;
const KEY: [u8; 32] = [7; 32];

fn scope() -> BlobScope {
    BlobScope::Space(SpaceId::from_bytes([1; 32]))
}

/// Opens a store, once what is left of the one before is gone: it was not closed, as if it were killed.
async fn open(dir: &Path, disk: &Arc<dyn Disk>) -> Store {
    loop {
        let options = Options { disk: disk.clone(), ..Options::default() };
        match Store::open(dir, options) {
            Err(StoreError::Locked { .. }) => tokio::task::yield_now().await,
            opened => return opened.unwrap(),
        }
    }
}

/// Where a blob comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Own,
    Destination,
}

/// A person's folders, and a file that comes.
struct Fixture {
    dir: TempDir,
    disk: Arc<dyn Disk>,
    to: To,
    plain: Vec<u8>,
    sealed: Bytes,
    tree: Vec<u8>,
    hash: [u8; 32],
}

impl Fixture {
    fn new(to: To) -> Self {
        Self::on(to, Arc::new(SystemDisk))
    }

    fn on(to: To, disk: Arc<dyn Disk>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("to")).unwrap();
        let mut plain = vec![0; SIZE];
        blake3::Hasher::new().finalize_xof().fill(&mut plain);
        let mut sealed = plain.clone();
        FileKey::from_bytes(KEY).apply(0, &mut sealed);
        let (hash, tree) = tree_of(&sealed);
        Self { dir, disk, to, plain, sealed: sealed.into(), tree, hash: hash.into() }
    }

    async fn open(&self) -> Store {
        open(&self.dir.path().join("kith"), &self.disk).await
    }

    async fn expect(&self, store: &Store) -> Result<Expected, StoreError> {
        let path = (self.to == To::Destination).then(|| self.path());
        let key = Some(FileKey::from_bytes(KEY));
        store.expect_file(scope(), &self.hash, SIZE as u64, key, path).await
    }

    async fn write(&self, store: &Store, groups: impl IntoIterator<Item = u64>) {
        for group in groups {
            let start = (group * GROUP) as usize;
            let data = self.sealed.slice(start..SIZE.min(start + GROUP as usize));
            let part = BlobPart { offset: start as u64, data, pairs: self.pairs(group) };
            store.write_blob(scope(), &self.hash, SIZE as u64, part).await.unwrap();
        }
    }

    /// The pairs from the root down to a group.
    fn pairs(&self, group: u64) -> Vec<(u64, [u8; PAIR])> {
        let (mut first, mut groups, mut at) = (0, ALL, 0);
        let mut pairs = Vec::new();
        while groups > 1 {
            let left = 1 << (groups - 1_u64).ilog2();
            pairs.push((at, self.tree[at as usize..][..PAIR].try_into().unwrap()));
            if group < first + left {
                (groups, at) = (left, at + PAIR as u64);
            } else {
                (first, groups, at) = (first + left, groups - left, at + left * PAIR as u64);
            }
        }
        pairs
    }

    async fn held(&self, store: &Store) -> Groups {
        match store.blob_state(scope(), &self.hash).await.unwrap() {
            BlobState::Absent => Groups::none(),
            BlobState::Partial { held, .. } => held,
            BlobState::Complete { size } => Groups::all(size),
        }
    }

    /// What is believed verifies, and is what it is to those who read it here.
    async fn verify(&self, store: &Store) -> Groups {
        let held = self.held(store).await;
        if !held.is_empty() {
            let storage = Arc::new(store.clone());
            let mut encoder = Encoder::new(storage, self.hash, SIZE as u64, &held);
            while encoder.batch().await.unwrap().is_some() {}
        }
        for range in held.byte_ranges(SIZE as u64) {
            let mut at = range.start;
            while at < range.end {
                let most = (range.end - at) as usize;
                let key = Some(FileKey::from_bytes(KEY));
                let read = store.read_opened(scope(), &self.hash, key, at, most).await.unwrap();
                assert!(read == self.plain[at as usize..at as usize + read.len()]);
                at += read.len() as u64;
            }
        }
        held
    }

    /// Fetches what is missing, to the end.
    async fn finish(&self, store: &Store) {
        let expected = self.expect(store).await.unwrap();
        let missing = Groups::all(SIZE as u64).without(&self.verify(store).await);
        self.write(store, missing.ranges().iter().cloned().flatten()).await;
        store.finish_blob(scope(), &self.hash).await.unwrap();
        assert_eq!(self.verify(store).await, Groups::range(0..ALL));
        if expected == Expected::Destination {
            assert!(fs::read(self.path()).unwrap() == self.plain);
        }
    }

    /// Where the file is to be.
    fn path(&self) -> PathBuf {
        self.dir.path().join("to/film")
    }

    /// The file of data while it comes.
    fn data(&self) -> PathBuf {
        match self.to {
            To::Own => self.blob(""),
            To::Destination => self.dir.path().join("to/.film.kith-part"),
        }
    }

    fn blob(&self, suffix: &str) -> PathBuf {
        let name = blake3::Hash::from(self.hash).to_hex();
        self.dir.path().join(format!("kith/blobs/{name}{suffix}"))
    }
}

/// A transfer of which this much came before its process was killed; nothing of it was kept.
async fn killed(fixture: &Fixture, came: impl IntoIterator<Item = u64>) {
    let store = fixture.open().await;
    fixture.expect(&store).await.unwrap();
    fixture.write(&store, came).await;
}

/// As [`killed`], but what came was kept.
async fn closed(fixture: &Fixture, came: impl IntoIterator<Item = u64>) {
    let store = fixture.open().await;
    fixture.expect(&store).await.unwrap();
    fixture.write(&store, came).await;
    store.close().await;
}

fn edit(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, len: u64) {
    fs::File::options().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[tokio::test]
async fn what_was_written_before_a_kill_is_found_again() {
    for to in [To::Own, To::Destination] {
        let fixture = Fixture::new(to);
        killed(&fixture, [0, 1, 2, 40, 64, 65, 128]).await;
        // And again, without having kept what was found.
        for more in [3, 127] {
            let store = fixture.open().await;
            let before = fixture.verify(&store).await;
            assert_eq!(before.count(), if more == 3 { 7 } else { 8 }, "{to:?}: {before:?}");
            fixture.write(&store, [more]).await;
        }
        let store = fixture.open().await;
        let held = fixture.verify(&store).await;
        assert_eq!(held.ranges(), [0..4, 40..41, 64..66, 127..129], "{to:?}");
        fixture.finish(&store).await;
    }
}

#[tokio::test]
async fn what_was_found_is_kept() {
    let fixture = Fixture::new(To::Destination);
    killed(&fixture, 0..100).await;
    let store = fixture.open().await;
    fixture.held(&store).await;
    store.close().await;
    let store = fixture.open().await;
    let state = store.blob(scope(), &fixture.hash).unwrap();
    assert_eq!(state, BlobState::Partial { size: SIZE as u64, held: Groups::range(0..100) });
}

#[tokio::test]
async fn bytes_that_are_not_the_blobs_are_not_believed() {
    for to in [To::Own, To::Destination] {
        let fixture = Fixture::new(to);
        killed(&fixture, 0..60).await;
        edit(&fixture.data(), |bytes| {
            bytes[5] ^= 1;
            bytes[(10 * GROUP) as usize..(12 * GROUP) as usize].fill(0);
            bytes[(60 * GROUP) as usize..].fill(9);
        });
        let store = fixture.open().await;
        let held = fixture.verify(&store).await;
        assert_eq!(held.ranges(), [1..10, 12..60], "{to:?}");
        fixture.finish(&store).await;
    }
}

#[tokio::test]
async fn nothing_is_believed_by_a_tree_that_is_missing_cut_or_wrong() {
    type Harm = fn(&Path);
    let harms: [(Harm, Groups); 5] = [
        (|tree| fs::remove_file(tree).unwrap(), Groups::none()),
        (|tree| edit(tree, |bytes| bytes.fill(7)), Groups::none()),
        (|tree| cut(tree, 0), Groups::none()),
        // Of the left half, which is where its pairs are.
        (|tree| edit(tree, |bytes| bytes[2 * PAIR] ^= 1), Groups::range(64..100)),
        (|tree| cut(tree, 34 * PAIR as u64), Groups::range(0..32)),
    ];
    for to in [To::Own, To::Destination] {
        for (number, (harm, expected)) in harms.iter().enumerate() {
            let fixture = Fixture::new(to);
            killed(&fixture, 0..100).await;
            harm(&fixture.blob(".tree"));
            let store = fixture.open().await;
            assert_eq!(fixture.verify(&store).await.within(expected), *expected, "{to:?} {number}");
            assert!(fixture.held(&store).await.count() <= expected.count() + 1, "{to:?} {number}");
            fixture.finish(&store).await;
        }
    }
}

#[tokio::test]
async fn a_row_that_says_more_than_its_files_have_is_not_believed() {
    for to in [To::Own, To::Destination] {
        for (len, expected) in [(0, 0), (GROUP * 30 + 5, 30), (SIZE as u64 + 9, 100)] {
            let fixture = Fixture::new(to);
            closed(&fixture, 0..100).await;
            cut(&fixture.data(), len);
            let store = fixture.open().await;
            let held = fixture.verify(&store).await;
            assert_eq!(held, Groups::range(0..expected), "{to:?} {len}");
            fixture.finish(&store).await;
        }
        let fixture = Fixture::new(to);
        closed(&fixture, 0..100).await;
        fs::remove_file(fixture.blob(".tree")).unwrap();
        let store = fixture.open().await;
        assert_eq!(fixture.verify(&store).await, Groups::none(), "{to:?}");
        fixture.finish(&store).await;
    }
}

#[tokio::test]
async fn bytes_that_another_key_opened_are_not_believed() {
    let fixture = Fixture::new(To::Destination);
    killed(&fixture, 0..100).await;
    edit(&fixture.data(), |bytes| FileKey::from_bytes([8; 32]).apply(0, bytes));
    let store = fixture.open().await;
    assert_eq!(fixture.verify(&store).await, Groups::none());
    fixture.finish(&store).await;
}

#[cfg(unix)]
#[tokio::test]
async fn another_file_in_the_parts_place_is_left_alone() {
    for is_link in [false, true] {
        let fixture = Fixture::new(To::Destination);
        killed(&fixture, 0..100).await;
        let (part, other) = (fixture.data(), fixture.dir.path().join("other"));
        // A copy of what was there, so that its bytes would verify.
        fs::copy(&part, &other).unwrap();
        // Made before the part goes: a file made afterwards may get the part's inode.
        let instead = fixture.dir.path().join("instead");
        if is_link {
            std::os::unix::fs::symlink(&other, &instead).unwrap();
        } else {
            fs::copy(&other, &instead).unwrap();
        }
        fs::rename(&instead, &part).unwrap();
        let before = fs::read(&other).unwrap();
        let store = fixture.open().await;
        store.read_blob(&fixture.hash, 0, 1).await.unwrap_err();
        fixture.finish(&store).await;
        assert!(fs::read(&other).unwrap() == before, "it was written to");
    }
}

#[tokio::test]
async fn who_comes_while_it_is_being_found_waits_for_it() {
    let fixture = Fixture::new(To::Destination);
    killed(&fixture, 0..128).await;
    let store = fixture.open().await;
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let (store, hash) = (store.clone(), fixture.hash);
            tokio::spawn(async move { store.blob_state(scope(), &hash).await.unwrap() })
        })
        .collect();
    let expected = BlobState::Partial { size: SIZE as u64, held: Groups::range(0..128) };
    for asked in asked {
        assert_eq!(asked.await.unwrap(), expected);
    }
}

#[tokio::test]
async fn what_is_held_or_a_hole_is_not_read() {
    let disk = Counting::default();
    let fixture = Fixture::on(To::Own, Arc::new(disk.clone()));
    closed(&fixture, 0..100).await;
    let read = |store: &Store| {
        disk.read.store(0, Ordering::Relaxed);
        let (store, hash) = (store.clone(), fixture.hash);
        async move { store.blob_state(scope(), &hash).await.unwrap() }
    };
    let store = fixture.open().await;
    read(&store).await;
    let looked_at = disk.read.load(Ordering::Relaxed);
    assert!(looked_at < 4 * 16 * 1024, "{looked_at} bytes were read of what is held");
    store.close().await;
    // All of the tree, and nothing more of the data.
    fs::write(fixture.blob(".tree"), &fixture.tree).unwrap();
    let store = fixture.open().await;
    read(&store).await;
    let looked_at = disk.read.load(Ordering::Relaxed);
    if cfg!(target_os = "linux") {
        assert!(looked_at < 6 * 16 * 1024, "{looked_at} bytes were read of a hole");
    }
    assert_eq!(fixture.verify(&store).await, Groups::range(0..100));
}

/// A group of a blob of 100 GB, and the pairs above it; the hashes beside them are of what nobody has.
#[tokio::test]
async fn a_little_of_a_very_large_blob_is_found_at_once() {
    const SIZE: u64 = 100_000_000_000;
    let total = SIZE.div_ceil(GROUP);
    let wanted = 4_000_000;
    let data = vec![3; GROUP as usize];
    let mut path = Vec::new();
    let (mut first, mut groups, mut at) = (0, total, 0);
    while groups > 1 {
        let left = 1_u64 << (groups - 1).ilog2();
        path.push((at, wanted < first + left));
        if wanted < first + left {
            (groups, at) = (left, at + PAIR as u64);
        } else {
            (first, groups, at) = (first + left, groups - left, at + left * PAIR as u64);
        }
    }
    let mut hasher = blake3::Hasher::new();
    let mut hash = hasher.set_input_offset(wanted * GROUP).update(&data).finalize_non_root();
    let mut pairs = Vec::new();
    for (depth, (at, is_left)) in path.into_iter().enumerate().rev() {
        let beside = *blake3::hash(&[depth as u8]).as_bytes();
        let (left, right) = if is_left { (hash, beside) } else { (beside, hash) };
        pairs.push((at, [left, right].concat().try_into().unwrap()));
        hash = if depth == 0 {
            merge_subtrees_root(&left, &right, Mode::Hash).into()
        } else {
            merge_subtrees_non_root(&left, &right, Mode::Hash)
        };
    }
    pairs.reverse();
    assert!(pairs.last().unwrap().0 < tree_size(SIZE));

    let disk = Counting::default();
    let dir = tempfile::tempdir().unwrap();
    let system: Arc<dyn Disk> = Arc::new(disk.clone());
    let store = open(dir.path(), &system).await;
    store.expect_file(scope(), &hash, SIZE, None, None).await.unwrap();
    let part = BlobPart { offset: wanted * GROUP, data: data.into(), pairs };
    store.write_blob(scope(), &hash, SIZE, part).await.unwrap();
    drop(store);

    let store = open(dir.path(), &system).await;
    disk.read.store(0, Ordering::Relaxed);
    let state = store.blob_state(scope(), &hash).await.unwrap();
    let held = Groups::range(wanted..wanted + 1);
    assert_eq!(state, BlobState::Partial { size: SIZE, held });
    let read = disk.read.load(Ordering::Relaxed);
    assert!(read < 64 * 16 * 1024, "{read} bytes were read");
}

#[tokio::test]
async fn what_has_no_room_is_refused_before_it_begins() {
    for to in [To::Own, To::Destination] {
        let disk = Counting::default();
        let fixture = Fixture::on(to, Arc::new(disk.clone()));
        let free = |bytes| *disk.free.lock().unwrap() = Some(bytes);
        let store = fixture.open().await;
        free(SIZE as u64 - 1);
        let refused = fixture.expect(&store).await.unwrap_err();
        let StoreError::NoRoom { needed, free: told, .. } = refused else { panic!("{refused:?}") };
        assert_eq!((needed, told), (SIZE as u64, SIZE as u64 - 1));
        let refused = kith_api::Error::from(refused);
        assert_eq!(refused.code, ErrorCode::DiskFull);
        assert_eq!(refused.why.as_str(), "2.0 MB are needed, and 2.0 MB are free.");
        assert!(!fixture.data().exists() && store.blob(scope(), &fixture.hash).is_ok());

        free(SIZE as u64);
        fixture.expect(&store).await.unwrap();
        // All but 29 groups are there, kept or not: they need no room.
        fixture.write(&store, 0..100).await;
        drop(store);
        let store = fixture.open().await;
        free(30 * GROUP);
        fixture.expect(&store).await.unwrap();
        free(28 * GROUP);
        let refused = fixture.expect(&store).await.unwrap_err();
        assert!(matches!(refused, StoreError::NoRoom { .. }), "{refused:?}");
        if let To::Destination = to {
            // Who reads it meanwhile needs room where it comes to, not in the store.
            let read = store.expect_file(scope(), &fixture.hash, SIZE as u64, None, None).await;
            let Err(StoreError::NoRoom { folder, .. }) = read else { panic!("{read:?}") };
            assert_ne!(folder, store.dir());
        }
        *disk.free.lock().unwrap() = None;
        fixture.finish(&store).await;
        // What is here needs none, whatever is free.
        free(0);
        assert!(matches!(fixture.expect(&store).await.unwrap(), Expected::Held(_)));
    }
}
