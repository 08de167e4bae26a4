//! The folder of blob files, and those that are open.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::HEXLOWER;
use kith_overlay::blob::tree_size;

use super::BLOBS;
use super::live::Live;
use super::table::{self, Blob};
use crate::store::database::Database;
use crate::store::disk::{Disk, Open};
use crate::store::error::StoreError;

/// The folder's name in the data directory.
const FOLDER: &str = "blobs";
/// What a tree's file name ends with.
const TREE: &str = ".tree";
/// Blobs whose files are open. Bounds file handles at twice that, and transfers at once.
const MAX_OPEN: usize = 64;

/// The blob files.
#[derive(Debug)]
pub(in crate::store) struct Blobs {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    open: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    blobs: HashMap<[u8; 32], Arc<Live>>,
    /// Those whose files are about to be removed.
    dying: HashSet<[u8; 32]>,
}

impl Blobs {
    /// Makes the folder, and removes files that no row names.
    pub(in crate::store) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        database: &Database,
    ) -> Result<Self, StoreError> {
        let dir = dir.join(FOLDER);
        let blobs = Self { disk, dir, open: Mutex::default() };
        let known = database.read(|snapshot| {
            use redb::ReadableTable;
            let table = snapshot.table(BLOBS)?;
            let rows = table.iter()?;
            rows.map(|row| Ok(row?.0.value())).collect::<Result<HashSet<_>, StoreError>>()
        })?;
        match blobs.disk.list(&blobs.dir) {
            Ok(names) => blobs.sweep(&names, &known),
            // It is made with the first blob.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("read", &blobs.dir, error)),
        }
        Ok(blobs)
    }

    fn sweep(&self, names: &[String], known: &HashSet<[u8; 32]>) {
        for name in names {
            let hash = name.strip_suffix(TREE).unwrap_or(name);
            let hash = HEXLOWER.decode(hash.as_bytes()).ok();
            // What has another name is none of ours.
            let Some(hash) = hash.and_then(|hash| <[u8; 32]>::try_from(hash).ok()) else {
                continue;
            };
            if !known.contains(&hash)
                && let Err(error) = self.disk.remove(&self.dir.join(name))
            {
                tracing::debug!(name, %error, "a left blob file can't be removed");
            }
        }
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

    /// Opens the files of a blob that has a row, or is to get one.
    pub(super) fn open_files(&self, hash: &[u8; 32], blob: Blob) -> Result<Arc<Live>, StoreError> {
        let mut opened = self.opened();
        if let Some(live) = opened.blobs.get(hash) {
            return Ok(live.clone());
        }
        if opened.dying.contains(hash) {
            return Err(StoreError::NotHeld);
        }
        if opened.blobs.len() >= MAX_OPEN {
            let idle = opened
                .blobs
                .iter()
                .find(|(_, live)| live.is_kept() && Arc::strong_count(live) == 1);
            let idle = idle.map(|(hash, _)| *hash);
            opened.blobs.remove(&idle.ok_or(StoreError::Limit("64 transfers at once"))?);
        }
        let how = if blob.complete { Open::Read } else { Open::Write };
        if how == Open::Write {
            self.disk.create_dir(&self.dir).map_err(|e| StoreError::io("make", &self.dir, e))?;
        }
        let file = |path: PathBuf, len: u64| {
            let file = self.disk.open(&path, how).map_err(|e| StoreError::io("open", &path, e))?;
            if how == Open::Write && file.len().is_ok_and(|held| held != len) {
                file.set_len(len).map_err(|e| StoreError::io("write", &path, e))?;
            }
            Ok::<_, StoreError>(file)
        };
        let data = file(self.path(hash, ""), blob.size)?;
        let tree = file(self.path(hash, TREE), tree_size(blob.size))?;
        let live = Arc::new(Live::new(blob, data, tree));
        opened.blobs.insert(*hash, live.clone());
        Ok(live)
    }

    /// Makes the names of blob files survive a power cut: that of their folder, too.
    pub(super) fn sync_names(&self) -> Result<(), StoreError> {
        for dir in [Some(self.dir.as_path()), self.dir.parent()].into_iter().flatten() {
            self.disk.sync_dir(dir).map_err(|error| StoreError::io("sync", dir, error))?;
        }
        Ok(())
    }

    /// Closes a blob's files, and believes from then on only what its row says.
    pub(super) fn forget(&self, hash: &[u8; 32]) {
        if let Some(live) = self.opened().blobs.remove(hash) {
            live.kill();
        }
    }

    /// Keeps others from opening the blob until [`Self::bury`], and its transfer from ending well.
    pub(super) fn condemn(&self, hash: &[u8; 32]) {
        let mut opened = self.opened();
        opened.dying.insert(*hash);
        if let Some(live) = opened.blobs.remove(hash) {
            live.kill();
        }
    }

    /// Removes the files of a condemned blob, if it has no row any more.
    pub(super) fn bury(&self, hash: &[u8; 32], gone: bool) {
        if gone {
            for path in [self.path(hash, ""), self.path(hash, TREE)] {
                match self.disk.remove(&path) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => tracing::debug!(%error, "a blob file can't be removed"),
                }
            }
        }
        self.opened().dying.remove(hash);
    }

    /// Where a file is.
    pub(super) fn path(&self, hash: &[u8; 32], suffix: &str) -> PathBuf {
        self.dir.join(format!("{}{suffix}", HEXLOWER.encode(hash)))
    }
}

/// A blob's row, read from a snapshot.
pub(super) fn stored(database: &Database, hash: &[u8; 32]) -> Result<Option<Blob>, StoreError> {
    database.read(|snapshot| table::find(&snapshot.table(BLOBS)?, hash))
}
