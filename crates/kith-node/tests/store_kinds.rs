//! Reading one kind of entries passes by no others, however many somebody wrote.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind};
use kith_node::store::{
    Disk, DiskFile, FileIdentity, Held, Open, Options, Query, SpaceRecord, Stamp, Store,
    StoreError, SystemDisk,
};

/// Names that a member gives itself, one after the other.
const NAMES: usize = 20_000;
/// What reading one entry may take: some pages on the way down each tree, of 4 KiB.
const FEW_BYTES: usize = 40 * 4_096;

/// Counts what is read.
#[derive(Clone, Debug, Default)]
struct Counting(Arc<AtomicUsize>);

#[derive(Debug)]
struct CountingFile(Box<dyn DiskFile>, Arc<AtomicUsize>);

impl Disk for Counting {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir(path)
    }

    fn lock(&self, dir: &Path) -> Result<Box<dyn Held>, StoreError> {
        SystemDisk.lock(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile(SystemDisk.open(path, how)?, self.0.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename_new(from, to)
    }

    fn clone_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.clone_file(from, to)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        SystemDisk.stamp(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(String) -> bool) -> io::Result<()> {
        SystemDisk.list(dir, visit)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(dir)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        SystemDisk.identity(path)
    }
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(out.len(), Ordering::Relaxed);
        self.0.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn sync_stamp(&self) -> io::Result<()> {
        self.0.sync_stamp()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.0.stamp()
    }
}

#[tokio::test]
async fn one_entry_among_many_of_another_kind_is_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Counting::default();
    // Without a cache, all that is looked at is read.
    let options = Options { cache: 0, disk: Arc::new(disk.clone()) };
    let store = Store::open(dir.path(), options).unwrap();
    let space = SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([1; 32]),
        public: true,
        name: "friends".into(),
        joined: 1,
        used: 1,
    };
    let id = store.add_space(space).await.unwrap();
    let said = Body::new(BodyKind::App, "said");
    store.append(id, vec![said.clone()], 0).await.unwrap();
    let name = Body::new(BodyKind::Profile, "Ada");
    for _ in 0..NAMES / 1_000 {
        store.append(id, vec![name.clone(); 1_000], 0).await.unwrap();
    }

    let kinds = vec![BodyKind::App, BodyKind::Bytes, BodyKind::Update];
    for before in [None, Some(u64::MAX)] {
        let query = Query { before, limit: 100, kinds: kinds.clone(), ..Query::default() };
        disk.0.store(0, Ordering::Relaxed);
        let page = store.entries(&id, &query).unwrap();
        assert_eq!(page.entries.len(), 1);
        assert_eq!(page.entries[0].body.as_ref(), Some(&said));
        let read = disk.0.load(Ordering::Relaxed);
        assert!((1..FEW_BYTES).contains(&read), "{read} bytes were read");
    }
}
