//! A disk that is full, or fails, at any point of a write: the writes of that group are refused,
//! reads go on, and so do writes when the disk works again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod power;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kith_api::ErrorCode;
use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId};
use kith_node::store::{Options, Query, SpaceRecord, Store, StoreError};
use kith_overlay::storage::{BlobScope, BlobState};
use power::{Cut, Dice, Event, Image, Replay, SimDisk};

/// Operations of a write, each of which fails in one of the rounds.
const POSITIONS: usize = 40;

fn open(disk: &SimDisk) -> Result<Store, StoreError> {
    let options = Options { cache: 1 << 20, disk: Arc::new(disk.clone()) };
    Store::open(Path::new("/kith"), options)
}

fn space() -> SpaceRecord {
    SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([1; 32]),
        public: false,
        name: "friends".into(),
        joined: 1,
        used: 1,
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

async fn say(store: &Store, space: SpaceId, text: String) -> Result<(), StoreError> {
    store.append(space, vec![Body::new(BodyKind::App, text)], 0).await.map(|_| ())
}

fn said(store: &Store, space: &SpaceId) -> Vec<String> {
    let query = Query { limit: 1_000, kinds: vec![BodyKind::App], ..Query::default() };
    let page = store.entries(space, &query).unwrap();
    page.entries
        .into_iter()
        .map(|entry| String::from_utf8(entry.body.unwrap().payload).unwrap())
        .collect()
}

/// Whether these are the texts that were acknowledged. One that was refused may be there all the
/// same, where the disk failed after it was written.
fn holds(said: &[String], acknowledged: &[String]) -> bool {
    let mut said = said.iter();
    acknowledged.iter().all(|text| said.any(|held| held == text))
}

/// From the operation with this number on, those that `which` chooses fail.
fn fail_from(
    disk: &SimDisk,
    position: usize,
    kind: ErrorKind,
    which: impl Fn(&Event) -> bool + Send + 'static,
) {
    let mut left = position;
    disk.fail(move |event| {
        if left > 0 {
            left -= 1;
            return None;
        }
        which(event).then_some(kind)
    });
}

fn is_write(event: &Event) -> bool {
    !event.is_sync()
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    let mut refused = 0;
    for position in 0..POSITIONS {
        let disk = SimDisk::default();
        let store = open(&disk).unwrap();
        run(async {
            let id = store.add_space(space()).await.unwrap();
            let mut acknowledged = Vec::new();
            say(&store, id, "before".into()).await.unwrap();
            acknowledged.push("before".to_owned());
            fail_from(&disk, position, ErrorKind::StorageFull, is_write);
            for number in 0..3 {
                let text = format!("{number}");
                match say(&store, id, text.clone()).await {
                    Ok(()) => acknowledged.push(text),
                    Err(error) => {
                        refused += 1;
                        assert!(matches!(error, StoreError::DiskFull), "{position}: {error:?}");
                    }
                }
                assert!(holds(&said(&store, &id), &acknowledged), "{position}");
            }
            disk.mend();
            say(&store, id, "after".into()).await.unwrap();
            acknowledged.push("after".to_owned());
            assert!(holds(&said(&store, &id), &acknowledged), "{position}");
            store.close().await;
            let again = open(&disk).unwrap();
            assert!(holds(&said(&again, &id), &acknowledged), "{position}");
            say(&again, id, "later".into()).await.unwrap();
        });
    }
    assert!(refused > POSITIONS);
}

#[test]
fn a_failed_commit_refuses_its_whole_group() {
    let disk = SimDisk::default();
    let store = open(&disk).unwrap();
    run(async {
        let id = store.add_space(space()).await.unwrap();
        disk.fail(|event| is_write(event).then_some(ErrorKind::StorageFull));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let store = store.clone();
                tokio::spawn(async move { say(&store, id, format!("{number}")).await })
            })
            .collect();
        for task in tasks {
            let error = kith_api::Error::from(task.await.unwrap().unwrap_err());
            assert_eq!(error.code, ErrorCode::DiskFull);
            assert!(!error.what.is_empty() && !error.why.is_empty() && !error.todo.is_empty());
        }
        assert!(said(&store, &id).is_empty());
        disk.mend();
        say(&store, id, "after".into()).await.unwrap();
        assert_eq!(said(&store, &id), ["after"]);
        assert_eq!(store.max_serial(&id).unwrap(), 2);
    });
}

#[test]
fn a_full_disk_refuses_blobs_and_takes_them_later() {
    for position in 0..12 {
        let disk = SimDisk::default();
        let store = open(&disk).unwrap();
        let data = Bytes::from(vec![5; 100_000]);
        run(async {
            fail_from(&disk, position, ErrorKind::StorageFull, is_write);
            let refused = store.add_blob(BlobScope::Public, data.clone()).await;
            let hash = *blake3::hash(&data).as_bytes();
            if let Err(error) = refused {
                assert!(matches!(error, StoreError::DiskFull), "{position}: {error:?}");
                let state = store.blob(BlobScope::Public, &hash).unwrap();
                assert!(!matches!(state, BlobState::Complete { .. }), "{position}");
            }
            disk.mend();
            assert_eq!(store.add_blob(BlobScope::Public, data.clone()).await.unwrap(), hash);
            assert_eq!(store.whole_blob(&hash).await.unwrap(), data);
        });
    }
}

/// Only the sync after so many operations fails. What it lost, the next one says yes to.
fn fail_one_sync(disk: &SimDisk, position: usize) {
    let (mut left, mut failed) = (position, false);
    disk.fail(move |event| {
        if left > 0 {
            left -= 1;
            return None;
        }
        let fails = event.is_sync() && !failed;
        failed |= fails;
        fails.then_some(ErrorKind::Other)
    });
}

/// What a power cut now leaves of the disk, in each way.
fn cuts(disk: &SimDisk, seed: usize) -> impl Iterator<Item = SimDisk> {
    let mut replay = Replay::of(Image::default());
    disk.events().iter().for_each(|event| replay.step(event));
    let mut dice = Dice::new(seed as u64);
    Cut::ALL.into_iter().map(move |cut| SimDisk::with(replay.cut(cut, &mut dice)))
}

#[test]
fn a_failed_sync_loses_no_entry() {
    let mut failed = 0;
    for position in 0..POSITIONS {
        let disk = SimDisk::default();
        let store = open(&disk).unwrap();
        let mut acknowledged = Vec::new();
        let id = run(async {
            let id = store.add_space(space()).await.unwrap();
            fail_one_sync(&disk, position);
            for number in 0..6 {
                let text = format!("{number}");
                match say(&store, id, text.clone()).await {
                    Ok(()) => acknowledged.push(text),
                    Err(_) => failed += 1,
                }
            }
            id
        });
        for left in cuts(&disk, position) {
            assert!(holds(&said(&open(&left).unwrap(), &id), &acknowledged), "{position}");
        }
    }
    assert!(failed > POSITIONS / 2);
}

#[test]
fn a_failed_sync_loses_no_blob() {
    let data = Bytes::from(vec![5; 100_000]);
    let mut failed = 0;
    for position in 0..20 {
        let disk = SimDisk::default();
        let store = open(&disk).unwrap();
        fail_one_sync(&disk, position);
        let hash = run(async {
            let added = store.add_blob(BlobScope::Public, data.clone()).await;
            failed += usize::from(added.is_err());
            let hash = *blake3::hash(&data).as_bytes();
            if store.finish_blob(BlobScope::Public, &hash).await.is_err() {
                store.add_blob(BlobScope::Public, data.clone()).await.unwrap();
            }
            hash
        });
        for left in cuts(&disk, position) {
            let store = open(&left).unwrap();
            let state = store.blob(BlobScope::Public, &hash).unwrap();
            assert_eq!(state, BlobState::Complete { size: 100_000 });
            assert_eq!(run(store.whole_blob(&hash)).unwrap(), data, "{position}");
        }
    }
    assert!(failed > 5);
}

#[test]
fn a_damaged_file_is_told_and_left_alone() {
    let disk = SimDisk::default();
    run(open(&disk).unwrap().close());
    let whole = disk.image();
    let path = Path::new("/kith/kith.redb");
    let bytes = whole.bytes(whole.find(path).unwrap()).to_vec();
    let mut dice = Dice::new(3);
    let mut refused = 0;
    for round in 0..60 {
        let mut bad = bytes.clone();
        match round % 3 {
            0 => bad.truncate(dice.below(bad.len())),
            1 => bad[dice.below(256)] ^= 1 << dice.below(8),
            _ => {
                let start = dice.below(bad.len() - 4096);
                (0..4096).for_each(|at| bad[start + at] = dice.roll() as u8);
            }
        }
        let mut image = whole.clone();
        image.replace(path, bad);
        let disk = SimDisk::with(image);
        match open(&disk) {
            Ok(_) => {}
            Err(StoreError::Corrupt { .. } | StoreError::NewerSchema { .. }) => refused += 1,
            Err(StoreError::Io { .. }) => refused += 1,
            Err(error) => panic!("{round}: {error:?}"),
        }
    }
    assert!(refused > 20, "{refused}");
    let mut image = whole.clone();
    image.replace(path, b"this is no database at all, but some text".repeat(100));
    let error = kith_api::Error::from(open(&SimDisk::with(image)).unwrap_err());
    assert_eq!(error.code, ErrorCode::Storage);
    assert!(error.to_string().contains("damaged"), "{error}");
}
