//! The folder of blob files, and those that are open.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use kith_overlay::blob::{Groups, tree_size};
use tokio::sync::Notify;

use super::BLOBS;
use super::live::{Live, is_intact};
use super::place::{Coming, Place};
use super::recover::{Files, recover};
use super::table::{self, Blob};
use crate::clock::now_ms;
use crate::store::database::Database;
use crate::store::disk::{Disk, DiskFile, Open, Stamp};
use crate::store::error::StoreError;

/// The folder's name in the data directory.
const FOLDER: &str = "blobs";
/// What a tree's file name ends with.
const TREE: &str = ".tree";
/// What the name of a file begins with whose blob's hash is not known yet.
const SPOOL: &str = "new-";
/// Files that are swept at once: as many names are in memory.
const SWEPT: usize = 1_024;
/// Blobs whose files are open. Bounds file handles at twice that, and transfers at once.
const MAX_OPEN: usize = 64;

/// The blob files.
#[derive(Debug)]
pub(in crate::store) struct Blobs {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    open: Mutex<Opened>,
    /// Told when a blob is not claimed any more.
    released: Notify,
    /// When it was opened, in milliseconds since 1970: tells its spools from those of runs before.
    run: u64,
    /// Numbers the spools.
    spools: AtomicU64,
    /// Whether the folder's own name survives a power cut.
    named: AtomicBool,
    /// Whether the store is being closed: what was not found again, or not swept, by then, is at the next
    /// start.
    is_ended: AtomicBool,
    /// Held while a file is swept.
    sweeping: Mutex<()>,
}

/// A file of a blob.
struct OpenFile {
    file: Box<dyn DiskFile>,
    /// Whether it had the length that it must have: what else its row says of it may be as wrong.
    is_whole: bool,
}

#[derive(Debug, Default)]
struct Opened {
    blobs: HashMap<[u8; 32], Arc<Live>>,
    /// Those whose files are about to be removed or replaced.
    claimed: HashSet<[u8; 32]>,
    /// Those whose files are being opened: a disk that hangs must not hold up the others.
    opening: HashSet<[u8; 32]>,
}

impl Opened {
    /// Closes a blob that nobody uses, where as many are open as may be.
    fn make_room(&mut self) -> Result<(), StoreError> {
        if self.blobs.len() < MAX_OPEN {
            return Ok(());
        }
        let is_idle = |live: &Arc<Live>| live.is_kept() && Arc::strong_count(live) == 1;
        let idle = self.blobs.iter().find(|(_, live)| is_idle(live)).map(|(hash, _)| *hash);
        self.blobs.remove(&idle.ok_or(StoreError::Limit("64 transfers at once"))?);
        Ok(())
    }

    /// Whether nobody else opens or claims the blob.
    fn is_free(&self, hash: &[u8; 32]) -> bool {
        !self.claimed.contains(hash) && !self.opening.contains(hash)
    }
}

/// A blob whose files are being opened, until this is dropped.
struct Opening<'a> {
    blobs: &'a Blobs,
    hash: [u8; 32],
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.blobs.opened().opening.remove(&self.hash);
        self.blobs.released.notify_waiters();
    }
}

/// A blob that nobody else opens or claims, until this is dropped.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    blobs: &'a Blobs,
    hash: [u8; 32],
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.blobs.opened().claimed.remove(&self.hash);
        self.blobs.released.notify_waiters();
    }
}

/// The files of a blob whose hash is not known yet. Removed when dropped.
#[derive(Debug)]
pub(super) struct Spool {
    disk: Arc<dyn Disk>,
    pub(super) data: PathBuf,
    pub(super) tree: PathBuf,
}

impl Drop for Spool {
    fn drop(&mut self) {
        for path in [&self.data, &self.tree] {
            remove(&*self.disk, path);
        }
    }
}

impl Blobs {
    pub(in crate::store) fn new(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self {
            disk,
            dir: dir.join(FOLDER),
            open: Mutex::default(),
            released: Notify::new(),
            run: now_ms(),
            spools: AtomicU64::new(0),
            named: AtomicBool::new(false),
            is_ended: AtomicBool::new(false),
            sweeping: Mutex::default(),
        }
    }

    /// Removes files that no row names: what a crash left. It looks at each file, so nobody should
    /// wait for it; what is added meanwhile stays.
    pub(super) fn sweep(&self, database: &Database) -> Result<(), StoreError> {
        let mut names = Vec::with_capacity(SWEPT);
        let mut failed = None;
        let listed = self.disk.list(&self.dir, &mut |name| {
            names.push(name);
            if names.len() == SWEPT {
                failed = self.sweep_names(database, &names).err();
                names.clear();
            }
            failed.is_none()
        });
        match listed {
            // It is made with the first blob.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io("read", &self.dir, error)),
            Ok(()) => {}
        }
        match failed {
            Some(error) => Err(error),
            None => self.sweep_names(database, &names),
        }
    }

    fn sweep_names(&self, database: &Database, names: &[String]) -> Result<(), StoreError> {
        let mut left = Vec::new();
        for name in names {
            let hash = name.strip_suffix(TREE).unwrap_or(name);
            let hash = HEXLOWER.decode(hash.as_bytes()).ok();
            match hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok()) {
                Some(hash) => left.push(hash),
                None if name.starts_with(SPOOL) && !name.starts_with(&self.spool_prefix()) => {
                    let _sweeping = self.begin_sweeping()?;
                    remove(&*self.disk, &self.dir.join(name));
                }
                // What has another name is none of ours.
                None => {}
            }
        }
        let left = database.read(|snapshot| {
            let table = snapshot.table(BLOBS)?;
            let mut unknown = Vec::new();
            for hash in &left {
                if table.get(hash)?.is_none() {
                    unknown.push(*hash);
                }
            }
            Ok(unknown)
        })?;
        left.iter().try_for_each(|hash| self.sweep_blob(database, hash))
    }

    /// Removes a blob's files, unless it is on its way, or has got its row by now.
    fn sweep_blob(&self, database: &Database, hash: &[u8; 32]) -> Result<(), StoreError> {
        let _sweeping = self.begin_sweeping()?;
        let claim = {
            let mut opened = self.opened();
            if opened.blobs.contains_key(hash) || !opened.is_free(hash) {
                return Ok(());
            }
            opened.claimed.insert(*hash);
            Claim { blobs: self, hash: *hash }
        };
        if stored(database, hash)?.is_none() {
            self.remove_files(hash);
        }
        drop(claim);
        Ok(())
    }

    fn begin_sweeping(&self) -> Result<MutexGuard<'_, ()>, StoreError> {
        let sweeping = self.sweeping.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_ended.load(Ordering::Relaxed) { Err(StoreError::Closed) } else { Ok(sweeping) }
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A blob that is open.
    pub(super) fn live(&self, hash: &[u8; 32]) -> Option<Arc<Live>> {
        self.opened().blobs.get(hash).cloned()
    }

    /// All blobs that are open.
    pub(super) fn all_live(&self) -> Vec<([u8; 32], Arc<Live>)> {
        self.opened().blobs.iter().map(|(hash, live)| (*hash, live.clone())).collect()
    }

    /// Opens the files of a blob: the one that `find` finds, which is called while nobody else can
    /// put it in place or remove it.
    ///
    /// Of one that is not complete, what stands in its files is believed, too, as far as it verifies;
    /// and where one of them has not its length, only that.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where a file of the person's is not what it was, or a file is missing
    /// of which something is held; [`StoreError::Claimed`].
    pub(super) fn open_files(
        &self,
        hash: &[u8; 32],
        find: impl FnOnce() -> Result<Option<Blob>, StoreError>,
    ) -> Result<Option<Arc<Live>>, StoreError> {
        let opening = {
            let mut opened = self.opened();
            if let Some(live) = opened.blobs.get(hash) {
                return Ok(Some(live.clone()));
            }
            if !opened.is_free(hash) {
                return Err(StoreError::Claimed);
            }
            opened.opening.insert(*hash);
            Opening { blobs: self, hash: *hash }
        };
        let Some(mut blob) = find()? else { return Ok(None) };
        if !blob.complete {
            self.make_dir()?;
        }
        let data = self.open_data(hash, &blob)?;
        let how = if blob.complete { Open::Read } else { Open::Write };
        let tree = self.open_sized(&self.path(hash, TREE), how, tree_size(blob.size))?;
        let mut found = Groups::none();
        if !blob.complete {
            if !(data.is_whole && tree.is_whole) {
                blob.held = Groups::none();
            }
            let key = blob.key.as_ref();
            let files = Files { data: &*data.file, tree: &*tree.file, key };
            found = recover(hash, blob.size, &blob.held, files, &self.is_ended);
        }
        let live = Live::new(blob, data.file, tree.file, &self.disk);
        live.believe(&found);
        let live = Arc::new(live);
        let mut opened = self.opened();
        opened.make_room()?;
        opened.blobs.insert(*hash, live.clone());
        drop((opened, opening));
        Ok(Some(live))
    }

    fn open_data(&self, hash: &[u8; 32], blob: &Blob) -> Result<OpenFile, StoreError> {
        match &blob.place {
            Place::Own => {
                let how = if blob.complete { Open::Read } else { Open::Write };
                self.open_sized(&self.path(hash, ""), how, blob.size)
            }
            Place::Outside(outside) => {
                if !is_intact(&*self.disk, outside) {
                    return Err(StoreError::Damaged);
                }
                let path = &outside.path;
                let file = self.disk.open(path, Open::Plain);
                let file = file.map_err(|error| StoreError::plain("open", path, error))?;
                Ok(OpenFile { file, is_whole: true })
            }
            Place::Coming(coming) => self.open_part(coming, blob),
        }
    }

    fn open_part(&self, coming: &Coming, blob: &Blob) -> Result<OpenFile, StoreError> {
        let path = &coming.part;
        let file = self.disk.open(path, Open::PlainWrite);
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Damaged,
            _ => StoreError::plain("open", path, error),
        })?;
        let stamp = file.stamp().map_err(|error| StoreError::plain("look at", path, error))?;
        if !is_part(&stamp, coming, blob) {
            return Err(StoreError::Damaged);
        }
        let is_whole = stamp.size == blob.size;
        if !is_whole {
            file.set_len(blob.size).map_err(|error| StoreError::io("write", path, error))?;
        }
        Ok(OpenFile { file, is_whole })
    }

    /// Opens one of our own files, which has so many bytes.
    fn open_sized(&self, path: &Path, how: Open, len: u64) -> Result<OpenFile, StoreError> {
        let file = self.disk.open(path, how).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Damaged,
            _ => StoreError::io("open", path, error),
        })?;
        let is_whole = how != Open::Write || file.len().is_ok_and(|held| held == len);
        if !is_whole {
            file.set_len(len).map_err(|error| StoreError::io("write", path, error))?;
        }
        Ok(OpenFile { file, is_whole })
    }

    /// Makes the folder.
    pub(super) fn make_dir(&self) -> Result<(), StoreError> {
        self.disk.create_dir(&self.dir).map_err(|e| StoreError::io("make", &self.dir, e))
    }

    /// Makes the names of blob files survive a power cut: that of their folder, too.
    pub(super) fn sync_names(&self) -> Result<(), StoreError> {
        self.sync_dir(&self.dir)?;
        if let Some(parent) = self.dir.parent()
            && !self.named.load(Ordering::Acquire)
        {
            self.sync_dir(parent)?;
            self.named.store(true, Ordering::Release);
        }
        Ok(())
    }

    pub(super) fn sync_dir(&self, dir: &Path) -> Result<(), StoreError> {
        self.disk.sync_dir(dir).map_err(|error| StoreError::io("sync", dir, error))
    }

    /// Names for the files of a blob whose hash is not known yet.
    pub(super) fn spool(&self) -> Result<Spool, StoreError> {
        self.make_dir()?;
        let number = self.spools.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}{number}", self.spool_prefix());
        let tree = self.dir.join(format!("{name}{TREE}"));
        let data = self.dir.join(name);
        Ok(Spool { disk: self.disk.clone(), data, tree })
    }

    /// What the names of this run's spools begin with.
    fn spool_prefix(&self) -> String {
        format!("{SPOOL}{}-", self.run)
    }

    /// Gives a spool's files the names of a blob: the file of data only where it has one.
    pub(super) fn name_spool(
        &self,
        spool: &Spool,
        hash: &[u8; 32],
        has_data: bool,
    ) -> Result<(), StoreError> {
        let data = has_data.then(|| (&spool.data, self.path(hash, "")));
        for (from, to) in data.into_iter().chain([(&spool.tree, self.path(hash, TREE))]) {
            self.disk.rename(from, &to).map_err(|error| StoreError::io("rename", from, error))?;
        }
        self.sync_names()
    }

    /// Ends what looks for a transfer's progress, and does not begin it again. From then on nothing is
    /// swept, either: the directory may be somebody else's.
    pub(in crate::store) fn end(&self) {
        self.is_ended.store(true, Ordering::Relaxed);
        drop(self.sweeping.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The disk.
    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Closes a blob's files, and believes from then on only what its row says.
    pub(super) fn forget(&self, hash: &[u8; 32], live: &Arc<Live>) {
        live.kill();
        let mut opened = self.opened();
        if opened.blobs.get(hash).is_some_and(|held| Arc::ptr_eq(held, live)) {
            opened.blobs.remove(hash);
        }
    }

    /// Keeps others from opening the blob, and its transfer from ending well, until the claim is
    /// dropped. Waits for who claimed it before.
    pub(super) async fn claim(&self, hash: &[u8; 32]) -> Claim<'_> {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // From here on, no release passes unseen.
            released.as_mut().enable();
            if self.try_claim(hash) {
                return Claim { blobs: self, hash: *hash };
            }
            released.await;
        }
    }

    fn try_claim(&self, hash: &[u8; 32]) -> bool {
        let mut opened = self.opened();
        if !opened.is_free(hash) {
            return false;
        }
        opened.claimed.insert(*hash);
        if let Some(live) = opened.blobs.remove(hash) {
            live.kill();
        }
        true
    }

    /// Waits until nobody claims the blob, or opens its files.
    pub(super) async fn unclaimed(&self, hash: &[u8; 32]) {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if self.opened().is_free(hash) {
                return;
            }
            released.await;
        }
    }

    /// Removes the files of a blob that has no row any more.
    pub(super) fn remove_files(&self, hash: &[u8; 32]) {
        for path in [self.path(hash, ""), self.path(hash, TREE)] {
            remove(&*self.disk, &path);
        }
    }

    /// Where a file is.
    pub(super) fn path(&self, hash: &[u8; 32], suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", HEXLOWER.encode(hash)))
    }
}

/// Whether a file is the one that a blob is being written to. One that has a number of its own may have
/// got another length: what is left in it verifies.
pub(super) fn is_part(stamp: &Stamp, coming: &Coming, blob: &Blob) -> bool {
    let is_sure = coming.inode != 0 || blob.held.is_empty();
    stamp.inode == coming.inode && (stamp.size == blob.size || is_sure)
}

/// A blob's row, read from a snapshot.
pub(super) fn stored(database: &Database, hash: &[u8; 32]) -> Result<Option<Blob>, StoreError> {
    database.read(|snapshot| table::find(&snapshot.table(BLOBS)?, hash))
}

/// Removes a file that may be missing.
pub(super) fn remove(disk: &dyn Disk, path: &Path) {
    match disk.remove(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::debug!(%error, "a blob file can't be removed"),
    }
}
