//! A disk that is really full, and one that is really read-only: a small file system in memory of
//! the test's own. Needs root, to mount it.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use kith_api::ErrorCode;
use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId};
use kith_node::store::{Options, Query, SpaceRecord, Store, StoreError};
use kith_overlay::storage::{BlobScope, BlobState};

/// A file system in memory, gone when dropped.
struct Tmpfs(tempfile::TempDir);

impl Tmpfs {
    fn mount(size: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={size},mode=700");
        mount(&["-t", "tmpfs", "-o", &size, "kith-test"], dir.path());
        Self(dir)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("kith")
    }

    fn remount(&self, how: &str) {
        mount(&["-o", &format!("remount,{how}")], self.0.path());
    }

    /// Takes the room that is left.
    fn fill(&self) -> PathBuf {
        let ballast = self.0.path().join("ballast");
        let mut file = std::fs::File::create(&ballast).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        ballast
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Lazily, for a store of a failed test may be open in it.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn mount(args: &[&str], dir: &Path) {
    let status = Command::new("mount").args(args).arg(dir).status().unwrap();
    assert!(status.success(), "mounting needs root");
}

fn open(fs: &Tmpfs) -> Result<Store, StoreError> {
    Store::open(&fs.path(), Options::default())
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

async fn say(store: &Store, space: SpaceId, size: usize) -> Result<u64, StoreError> {
    let body = Body::new(BodyKind::App, vec![b'x'; size]);
    store.append(space, vec![body], 0).await.map(|appended| *appended.serials.end())
}

fn serials(store: &Store, space: &SpaceId) -> Vec<u64> {
    let mut serials = Vec::new();
    loop {
        let after = serials.last().copied().unwrap_or(0);
        let query = Query { after, limit: 1_000, ..Query::default() };
        let page = store.entries(space, &query).unwrap();
        if page.entries.is_empty() {
            return serials;
        }
        assert!(page.entries.iter().all(|entry| entry.body.is_some()));
        serials.extend(page.entries.iter().map(|entry| entry.serial));
    }
}

fn told(error: StoreError, code: ErrorCode) {
    let error = kith_api::Error::from(error);
    assert_eq!(error.code, code, "{error}");
    assert!(!error.what.is_empty() && !error.why.is_empty() && !error.todo.is_empty(), "{error}");
}

#[tokio::test]
async fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let fs = Tmpfs::mount("12m");
    let store = open(&fs).unwrap();
    let id = store.add_space(space()).await.unwrap();
    let mut acknowledged = Vec::new();
    let refused = loop {
        match say(&store, id, 100_000).await {
            Ok(serial) => acknowledged.push(serial),
            Err(error) => break error,
        }
    };
    told(refused, ErrorCode::DiskFull);
    assert!(acknowledged.len() > 10);
    let ballast = fs.fill();
    for _ in 0..3 {
        told(say(&store, id, 100_000).await.unwrap_err(), ErrorCode::DiskFull);
    }
    let held = serials(&store, &id);
    assert!(acknowledged.iter().all(|serial| held.contains(serial)));
    let blob = Bytes::from(vec![3; 300_000]);
    let refused = store.add_blob(BlobScope::Public, blob.clone()).await.unwrap_err();
    told(refused, ErrorCode::DiskFull);
    store.close().await;

    // A full disk can be read from the start, too.
    let store = open(&fs).unwrap();
    assert!(!store.restored());
    assert_eq!(serials(&store, &id), held);
    told(say(&store, id, 100_000).await.unwrap_err(), ErrorCode::DiskFull);
    std::fs::remove_file(ballast).unwrap();
    fs.remount("size=24m");
    let after = say(&store, id, 100_000).await.unwrap();
    assert!(acknowledged.iter().all(|serial| *serial < after));
    let hash = store.add_blob(BlobScope::Public, blob.clone()).await.unwrap();
    store.close().await;

    let store = open(&fs).unwrap();
    let held = serials(&store, &id);
    assert!(acknowledged.iter().chain([&after]).all(|serial| held.contains(serial)));
    assert_eq!(
        store.blob(BlobScope::Public, &hash).unwrap(),
        BlobState::Complete { size: 300_000 }
    );
    assert_eq!(store.whole_blob(&hash).await.unwrap(), blob);
}

#[test]
fn a_store_is_not_made_on_a_full_disk() {
    let fs = Tmpfs::mount("1m");
    std::fs::create_dir(fs.path()).unwrap();
    let ballast = fs.fill();
    told(open(&fs).unwrap_err(), ErrorCode::DiskFull);
    std::fs::remove_file(ballast).unwrap();
    fs.remount("size=8m");
    open(&fs).unwrap();
}

#[tokio::test]
async fn a_read_only_directory_is_told_and_left_alone() {
    let fs = Tmpfs::mount("12m");
    let store = open(&fs).unwrap();
    let id = store.add_space(space()).await.unwrap();
    let serial = say(&store, id, 10).await.unwrap();
    store.close().await;
    drop(store);
    fs.remount("ro");
    let refused = open(&fs).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    told(refused, ErrorCode::ReadOnly);
    let inner = Store::open(&fs.path().join("new"), Options::default()).unwrap_err();
    told(inner, ErrorCode::ReadOnly);
    fs.remount("rw");
    let store = open(&fs).unwrap();
    assert!(serials(&store, &id).contains(&serial));
}
