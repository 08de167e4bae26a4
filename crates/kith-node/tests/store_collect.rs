//! Files stay while something names them, and what they take is counted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use bytes::Bytes;
use kith_app::{AppId, SpaceSecret};
use kith_log::file::{Attachment, FileKey};
use kith_log::{Body, BodyKind, SpaceId};
use kith_node::store::{
    AddedFile, FilePlace, FileSource, FileUsage, LOOSE_KEPT, Options, SpaceRecord, Store,
};
use kith_overlay::blob::{GROUP, tree_of, tree_size};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState};

/// Later than any clock.
const LATER: u64 = u64::MAX;

struct Fixture {
    dir: tempfile::TempDir,
    store: Store,
}

fn data(seed: u8, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.into()
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

impl Fixture {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("kith"), Options::default()).unwrap();
        Self { dir, store }
    }

    async fn space(&self, secret: u8, app: u8) -> SpaceId {
        let space = SpaceRecord {
            app: AppId::from_bytes([app; 32]),
            secret: SpaceSecret::from_bytes([secret; 32]),
            public: false,
            name: String::new(),
            joined: 0,
            used: 0,
        };
        self.store.add_space(space).await.unwrap()
    }

    async fn upload(&self, space: SpaceId, seed: u8, size: usize) -> AddedFile {
        let scope = BlobScope::Space(space);
        let mut upload = self.store.begin_upload(scope, Some([7; 32])).await.unwrap();
        upload.write(data(seed, size)).await.unwrap();
        upload.finish().await.unwrap()
    }

    async fn share(&self, space: SpaceId, seed: u8, size: usize) -> (PathBuf, AddedFile) {
        let path = self.dir.path().join(format!("{seed}"));
        std::fs::write(&path, data(seed, size)).unwrap();
        let (scope, source) = (BlobScope::Space(space), FileSource::Path(path.clone()));
        let adding = self.store.add_file(scope, source, Some([7; 32]), FilePlace::Outside);
        (path, adding.finish().await.unwrap())
    }

    async fn attach(&self, space: SpaceId, file: &AddedFile) {
        let attachment = Attachment {
            hash: file.hash,
            size: file.size,
            folder: false,
            key: file.key.clone(),
            name: "film".parse().unwrap(),
            media_type: "".parse().unwrap(),
        };
        let body = Body::with_attachments(BodyKind::Bytes, vec![attachment], b"look".as_slice());
        self.store.append(space, vec![body], 0).await.unwrap();
    }

    async fn collect(&self, now: u64) -> u64 {
        let collected = self.store.collect_files(now).await.unwrap();
        assert!(!collected.more);
        collected.blobs
    }

    fn holds(&self, space: SpaceId, file: &AddedFile) -> bool {
        let state = self.store.blob(BlobScope::Space(space), &file.hash).unwrap();
        state == BlobState::Complete { size: file.size }
    }

    fn own_files(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("kith/blobs")).map_or(0, Iterator::count)
    }
}

#[tokio::test]
async fn what_no_entry_attaches_goes_after_a_day() {
    let kith = Fixture::new();
    let space = kith.space(1, 1).await;
    let attached = kith.upload(space, 1, 100).await;
    kith.attach(space, &attached).await;
    let loose = kith.upload(space, 2, 100).await;
    let (path, shared) = kith.share(space, 3, 100).await;
    let bundle = kith.store.add_blob(BlobScope::Public, data(4, 100)).await.unwrap();
    assert_eq!(kith.collect(now() + LOOSE_KEPT / 2).await, 0);
    assert!(kith.holds(space, &loose));
    assert_eq!(kith.collect(now() + 2 * LOOSE_KEPT).await, 2);
    assert!(kith.holds(space, &attached));
    assert!(!kith.holds(space, &loose) && !kith.holds(space, &shared));
    assert!(path.exists(), "a person's file is the person's");
    let bundle = kith.store.blob(BlobScope::Public, &bundle).unwrap();
    assert_eq!(bundle, BlobState::Complete { size: 100 });
    assert_eq!(kith.own_files(), 4);
    assert_eq!(kith.collect(LATER).await, 0);
}

#[tokio::test]
async fn the_pieces_of_a_folder_stay_with_it() {
    let kith = Fixture::new();
    let space = kith.space(1, 1).await;
    let folder = kith.upload(space, 1, 100).await;
    let pieces = [kith.upload(space, 2, 100).await, kith.upload(space, 3, 100).await];
    let hashes = pieces.iter().map(|piece| piece.hash).collect();
    kith.store.add_pieces(space, folder.hash, hashes, 200).await.unwrap();
    kith.attach(space, &folder).await;
    kith.attach(space, &pieces[1]).await;
    assert_eq!(kith.collect(LATER).await, 0);
    kith.store.drop_file(space, folder.hash).await.unwrap();
    assert!(!kith.holds(space, &folder) && !kith.holds(space, &pieces[0]));
    assert!(kith.holds(space, &pieces[1]), "it is attached by itself, too");

    // A folder that nothing attaches keeps nothing.
    let folder = kith.upload(space, 4, 100).await;
    let piece = kith.upload(space, 5, 100).await;
    kith.store.add_pieces(space, folder.hash, vec![piece.hash], 100).await.unwrap();
    assert_eq!(kith.collect(LATER).await, 2);
    assert_eq!(kith.own_files(), 2);
}

#[tokio::test]
async fn what_is_wanted_is_not_collected_while_it_comes() {
    let kith = Fixture::new();
    let space = kith.space(1, 1).await;
    let file = kith.upload(space, 1, 100).await;
    kith.store.want(space, file.hash, None, true).await.unwrap();
    assert_eq!(kith.collect(LATER).await, 0);
    kith.store.unwant(space, file.hash).await.unwrap();
    assert_eq!(kith.collect(LATER).await, 1);
}

#[tokio::test]
async fn all_of_a_space_goes_with_it() {
    let kith = Fixture::new();
    let (space, other) = (kith.space(1, 1).await, kith.space(2, 1).await);
    for seed in 0..20 {
        let file = kith.upload(space, seed, 100).await;
        kith.attach(space, &file).await;
    }
    let both = kith.upload(space, 30, 100).await;
    assert_eq!(kith.upload(other, 30, 100).await, both);
    kith.attach(space, &both).await;
    kith.attach(other, &both).await;
    let (path, shared) = kith.share(space, 31, 100).await;
    kith.attach(space, &shared).await;
    // One that is coming, to where a person wants it.
    let to = kith.dir.path().join("coming");
    let plain = data(32, 2 * GROUP as usize);
    let hash = *tree_of(&plain).0.as_bytes();
    let (scope, size) = (BlobScope::Space(space), plain.len() as u64);
    kith.store.expect_file(scope, &hash, size, None, Some(to)).await.unwrap();
    let part = BlobPart { offset: 0, data: plain.slice(..GROUP as usize), pairs: Vec::new() };
    kith.store.write_blob(scope, &hash, size, part).await.unwrap();
    let hidden = kith.dir.path().join(".coming.kith-part");
    assert!(hidden.exists());

    kith.store.leave_space(space).await.unwrap();
    assert!(path.exists() && !hidden.exists());
    assert!(!kith.holds(space, &both) && kith.holds(other, &both));
    assert_eq!(kith.own_files(), 2);
    assert!(kith.store.attached(&space, 10).unwrap().is_empty());
}

#[tokio::test]
async fn a_dropped_file_can_be_had_again() {
    let kith = Fixture::new();
    let space = kith.space(1, 1).await;
    let file = kith.upload(space, 1, 100).await;
    kith.attach(space, &file).await;
    kith.store.drop_file(space, file.hash).await.unwrap();
    assert!(!kith.holds(space, &file));
    assert_eq!(kith.own_files(), 0);
    let said = kith.store.attachment(&space, &file.hash).unwrap().unwrap();
    assert_eq!(said.key, file.key);
    assert_eq!(kith.upload(space, 1, 100).await, file);
    assert!(kith.holds(space, &file));
}

#[tokio::test]
async fn what_files_take_is_counted_once() {
    let kith = Fixture::new();
    let (a, b, c) = (kith.space(1, 1).await, kith.space(2, 1).await, kith.space(3, 2).await);
    let size = 5 * GROUP as usize;
    let (one, tree) = (size as u64, tree_size(size as u64));
    kith.upload(a, 1, size).await;
    // In two spaces of one app, and in two apps.
    for space in [a, b] {
        kith.upload(space, 2, size).await;
    }
    for space in [b, c] {
        kith.upload(space, 3, size).await;
    }
    let (path, _) = kith.share(c, 4, size).await;
    let usage = kith.store.file_usage().unwrap();
    let whole = one + tree;
    let of = |blobs, bytes, freed| FileUsage { blobs, bytes, freed, outside: 0 };
    assert_eq!(usage.spaces[&a], of(2, 2 * whole, whole));
    assert_eq!(usage.spaces[&b], of(2, 2 * whole, 0));
    assert_eq!(usage.spaces[&c], FileUsage { outside: one, ..of(2, whole + tree, tree) });
    assert_eq!(usage.apps[&AppId::from_bytes([1; 32])], of(3, 3 * whole, 2 * whole));
    let other = FileUsage { outside: one, ..of(2, whole + tree, tree) };
    assert_eq!(usage.apps[&AppId::from_bytes([2; 32])], other);
    let all = 3 * whole + tree;
    assert_eq!(usage.all, FileUsage { outside: one, ..of(4, all, all) });
    // It is what the disk says.
    let files = std::fs::read_dir(kith.dir.path().join("kith/blobs")).unwrap();
    assert_eq!(files.map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>(), all);
    assert_eq!(path.metadata().unwrap().len(), one);
    // Half of a blob counts as half of one.
    let plain = data(9, size);
    let scope = BlobScope::Space(a);
    let part = BlobPart { offset: 0, data: plain.slice(..GROUP as usize), pairs: Vec::new() };
    let hash = *tree_of(&plain).0.as_bytes();
    kith.store.write_blob(scope, &hash, one, part).await.unwrap();
    kith.store.close().await;
    let store = Store::open(&kith.dir.path().join("kith"), Options::default()).unwrap();
    assert_eq!(store.file_usage().unwrap().all.bytes, all + GROUP + tree);
}

#[tokio::test]
async fn who_attaches_a_file_again_says_nothing_else_of_it() {
    let kith = Fixture::new();
    let space = kith.space(1, 1).await;
    let file = kith.upload(space, 1, 100).await;
    kith.attach(space, &file).await;
    let wrong = AddedFile { key: Some(FileKey::from_bytes([9; 32])), ..file.clone() };
    kith.attach(space, &wrong).await;
    let said = kith.store.attachment(&space, &file.hash).unwrap().unwrap();
    assert_eq!(said.key, file.key);
    assert_eq!(kith.store.attached(&space, 10).unwrap(), [said]);
}
