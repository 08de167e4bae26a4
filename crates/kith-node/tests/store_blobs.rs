//! Blobs: written in parts in any order, believed when they are on disk, deleted with what names them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use bytes::Bytes;
use kith_app::{AppSecret, SignedVersion, SpaceSecret};
use kith_log::SpaceId;
use kith_node::store::{AppRecord, Options, SpaceRecord, Store, StoreError};
use kith_overlay::blob::{GROUP, tree_of};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState};

const PUBLIC: BlobScope = BlobScope::Public;

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), Options::default()).unwrap()
}

fn data(seed: u8, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.into()
}

fn files(dir: &tempfile::TempDir) -> usize {
    std::fs::read_dir(dir.path().join("blobs")).map_or(0, Iterator::count)
}

fn app(secret: &AppSecret, version: u64, bundle: [u8; 32], size: u64) -> AppRecord {
    AppRecord {
        signed: SignedVersion::sign(secret, version, bundle, size).unwrap(),
        bundled: false,
        name: "App".into(),
        description: String::new(),
        icon: None,
        granted: Vec::new(),
        installed: 0,
    }
}

#[tokio::test]
async fn parts_come_in_any_order_and_the_whole_is_there_after_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let data = data(1, 5 * GROUP as usize + 3);
    let (root, tree) = tree_of(&data);
    let (hash, size) = (*root.as_bytes(), data.len() as u64);
    assert_eq!(store.blob(PUBLIC, &hash).unwrap(), BlobState::Absent);
    for group in [5, 0, 3, 1, 4, 2] {
        assert!(matches!(store.finish_blob(PUBLIC, &hash).await, Err(StoreError::NotHeld)));
        let start = group * GROUP as usize;
        let part = BlobPart {
            offset: start as u64,
            data: data.slice(start..data.len().min(start + GROUP as usize)),
            pairs: vec![(0, tree[..64].try_into().unwrap())],
        };
        store.write_blob(PUBLIC, &hash, size, part).await.unwrap();
        let read = store.read_blob(&hash, start as u64, 2).await.unwrap();
        assert_eq!(read, data.slice(start..start + 2));
    }
    let unwritten = store.read_blob(&hash, size - 1, 2).await;
    assert!(matches!(unwritten, Err(StoreError::NotHeld)), "{unwritten:?}");
    store.finish_blob(PUBLIC, &hash).await.unwrap();
    store.close().await;
    drop(store);
    let store = open(&dir);
    assert_eq!(store.blob(PUBLIC, &hash).unwrap(), BlobState::Complete { size });
    assert_eq!(store.whole_blob(&hash).await.unwrap(), data);
    assert_eq!(store.read_blob_tree(&hash, 0, 64).await.unwrap(), tree[..64]);
}

#[tokio::test]
async fn a_transfer_goes_on_after_the_store_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let data = data(2, 3 * GROUP as usize);
    let (root, _) = tree_of(&data);
    let (hash, size) = (*root.as_bytes(), data.len() as u64);
    let part = |group: usize| BlobPart {
        offset: group as u64 * GROUP,
        data: data.slice(group * GROUP as usize..(group + 1) * GROUP as usize),
        pairs: Vec::new(),
    };
    store.write_blob(PUBLIC, &hash, size, part(1)).await.unwrap();
    store.close().await;
    drop(store);
    let store = open(&dir);
    let BlobState::Partial { held, .. } = store.blob(PUBLIC, &hash).unwrap() else { panic!() };
    assert_eq!(held.ranges(), [std::ops::Range { start: 1, end: 2 }]);
    store.write_blob(PUBLIC, &hash, size, part(0)).await.unwrap();
    store.write_blob(PUBLIC, &hash, size, part(2)).await.unwrap();
    store.finish_blob(PUBLIC, &hash).await.unwrap();
    assert_eq!(store.whole_blob(&hash).await.unwrap(), data);
}

#[tokio::test]
async fn bundles_go_with_their_apps() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let secret = AppSecret::bundled("test");
    let absent = store.install_app(app(&secret, 1, [9; 32], 10)).await;
    assert!(matches!(absent, Err(StoreError::NotFound(_))), "{absent:?}");
    let old = store.add_blob(PUBLIC, data(1, 40_000)).await.unwrap();
    let new = store.add_blob(PUBLIC, data(2, 0)).await.unwrap();
    store.install_app(app(&secret, 1, old, 40_000)).await.unwrap();
    store.delete_blob(&old).await.unwrap();
    assert_ne!(store.blob(PUBLIC, &old).unwrap(), BlobState::Absent, "it is installed");
    store.install_app(app(&secret, 2, new, 0)).await.unwrap();
    assert_eq!(store.blob(PUBLIC, &old).unwrap(), BlobState::Absent);
    assert_eq!(files(&dir), 2);
    let older = store.install_app(app(&secret, 1, new, 0)).await;
    assert!(matches!(older, Err(StoreError::OlderVersion { installed: 2 })), "{older:?}");
    assert_eq!(store.apps().unwrap(), [app(&secret, 2, new, 0)]);
    store.remove_app(&secret.id()).await.unwrap();
    assert_eq!((store.apps().unwrap().len(), files(&dir)), (0, 0));
}

#[tokio::test]
async fn blobs_of_a_space_are_for_those_in_it_and_go_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let space = SpaceRecord {
        app: AppSecret::bundled("test").id(),
        secret: SpaceSecret::from_bytes([1; 32]),
        public: false,
        name: String::new(),
        joined: 0,
        used: 0,
    };
    let id = store.add_space(space).await.unwrap();
    let (inside, outside) = (BlobScope::Space(id), BlobScope::Space(SpaceId::from_bytes([3; 32])));
    let hash = store.add_blob(inside, data(1, 100)).await.unwrap();
    let both = store.add_blob(inside, data(2, 100)).await.unwrap();
    store.add_blob(outside, data(2, 100)).await.unwrap();
    assert_eq!(store.blob(outside, &hash).unwrap(), BlobState::Absent);
    assert_eq!(store.blob(PUBLIC, &hash).unwrap(), BlobState::Absent);
    assert_eq!(store.blob(inside, &hash).unwrap(), BlobState::Complete { size: 100 });
    store.leave_space(id).await.unwrap();
    assert_eq!(store.blob(inside, &hash).unwrap(), BlobState::Absent);
    assert_eq!(store.blob(inside, &both).unwrap(), BlobState::Absent);
    assert_eq!(store.blob(outside, &both).unwrap(), BlobState::Complete { size: 100 });
    assert_eq!(files(&dir), 2);
}

#[tokio::test]
async fn a_changed_file_is_not_believed_and_left_files_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let hash = store.add_blob(PUBLIC, data(1, 100)).await.unwrap();
    store.close().await;
    drop(store);
    let hex = data_encoding::HEXLOWER.encode(&hash);
    let path = dir.path().join("blobs").join(&hex);
    std::fs::write(&path, [0; 100]).unwrap();
    let left = data_encoding::HEXLOWER.encode(&[7; 32]);
    std::fs::write(dir.path().join("blobs").join(left), b"left by a crash").unwrap();
    std::fs::write(dir.path().join("blobs").join("mine.txt"), b"not ours").unwrap();
    let store = open(&dir);
    store.sweep_files().await.unwrap();
    assert_eq!(files(&dir), 3);
    assert!(matches!(store.whole_blob(&hash).await, Err(StoreError::Damaged)));
    store.delete_damaged_blob(&hash).await.unwrap();
    assert_eq!(store.blob(PUBLIC, &hash).unwrap(), BlobState::Absent);
    assert_eq!(files(&dir), 1);
}

#[tokio::test]
async fn bundles_of_apps_that_are_not_installed_are_collected() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let secret = AppSecret::from_seed(&[1; 32]);
    let used = store.add_blob(PUBLIC, data(1, 100)).await.unwrap();
    store.install_app(app(&secret, 1, used, 100)).await.unwrap();
    let unused = store.add_blob(PUBLIC, data(2, 100)).await.unwrap();
    let space = SpaceId::from_bytes([1; 32]);
    let both = store.add_blob(BlobScope::Space(space), data(3, 100)).await.unwrap();
    store.add_blob(PUBLIC, data(3, 100)).await.unwrap();
    let part = data(4, 3 * GROUP as usize);
    let (root, _) = tree_of(&part);
    let (partial, size) = (*root.as_bytes(), part.len() as u64);
    let data = BlobPart { offset: 0, data: part.slice(0..GROUP as usize), pairs: Vec::new() };
    store.write_blob(PUBLIC, &partial, size, data).await.unwrap();
    // One whose transfer was broken off by a crash has a row, one that just began has none.
    store.close().await;
    drop(store);
    let store = open(&dir);
    assert_eq!(files(&dir), 8);

    store.collect_bundles().await.unwrap();
    assert_eq!(files(&dir), 4);
    assert_eq!(store.blob(PUBLIC, &used).unwrap(), BlobState::Complete { size: 100 });
    let inside = BlobScope::Space(space);
    assert_eq!(store.blob(inside, &both).unwrap(), BlobState::Complete { size: 100 });
    for gone in [unused, both, partial] {
        assert_eq!(store.blob(PUBLIC, &gone).unwrap(), BlobState::Absent);
    }
}
