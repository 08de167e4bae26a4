//! The open database, and its way back after the disk failed.
//!
//! redb refuses everything after one failed write or sync. Nothing is wrong with the file then:
//! it is opened anew, which rolls back what was not committed, and the store goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use redb::{
    Key, ReadTransaction, ReadableDatabase, StorageBackend, TableDefinition, Value,
    WriteTransaction,
};

use super::backend::{Backend, Frozen};
use super::disk::{Disk, Open};
use super::error::StoreError;

/// The database's file, opened and, after a failure, opened again.
#[derive(Debug)]
pub(super) struct Database {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cache: usize,
    state: RwLock<State>,
}

#[derive(Debug)]
struct State {
    /// Counts openings, so that two who met the same failure open it once.
    opening: u64,
    handle: Handle,
}

#[derive(Debug)]
enum Handle {
    Open(redb::Database),
    /// It can't be opened for writing, for this reason; what was committed can be read.
    Frozen(redb::Database, StoreError),
    /// It can't be opened at all, for this reason; the next call tries again.
    Failed(StoreError),
    Closed,
}

impl Database {
    /// Opens the file, or makes it.
    pub(super) fn open(disk: Arc<dyn Disk>, path: &Path, cache: usize) -> Result<Self, StoreError> {
        let handle = open(&*disk, path, cache)?;
        let state = State { opening: 0, handle: Handle::Open(handle) };
        Ok(Self { disk, path: path.into(), cache, state: RwLock::new(state) })
    }

    /// Reads from a snapshot. Writers neither wait for it nor change what it sees.
    ///
    /// `read` runs a second time where the disk failed under another call meanwhile.
    pub(super) fn read<T>(
        &self,
        mut read: impl FnMut(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (opening, begun) = self.begin_read();
        match begun.and_then(|snapshot| unpanicked(|| read(&snapshot))) {
            Err(StoreError::Interrupted) => {}
            result => return result,
        }
        self.open_anew(opening);
        let (_, begun) = self.begin_read();
        begun.and_then(|snapshot| unpanicked(|| read(&snapshot)))
    }

    /// Begins a write transaction. The writer alone calls this. The number is for [`Self::recover`].
    pub(super) fn begin_write(&self) -> Result<(u64, WriteTransaction), StoreError> {
        let (opening, begun) = self.try_begin_write();
        match begun {
            Ok(transaction) => return Ok((opening, transaction)),
            Err(StoreError::Closed) => return Err(StoreError::Closed),
            Err(_) => self.open_anew(opening),
        }
        let (opening, begun) = self.try_begin_write();
        begun.map(|transaction| (opening, transaction))
    }

    /// After a failed transaction of the opening given: opens the file anew, without which neither
    /// reads nor writes would be answered.
    pub(super) fn recover(&self, opening: u64) {
        self.open_anew(opening);
    }

    /// Closes the file. What comes later is refused.
    pub(super) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.handle = Handle::Closed;
    }

    fn begin_read(&self) -> (u64, Result<Snapshot, StoreError>) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let begun = match &state.handle {
            Handle::Open(database) | Handle::Frozen(database, _) => {
                database.begin_read().map(Snapshot).map_err(StoreError::from)
            }
            Handle::Failed(_) => Err(StoreError::Interrupted),
            Handle::Closed => Err(StoreError::Closed),
        };
        (state.opening, begun)
    }

    fn try_begin_write(&self) -> (u64, Result<WriteTransaction, StoreError>) {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let begun = match &state.handle {
            Handle::Open(database) => database.begin_write().map_err(StoreError::from),
            Handle::Frozen(_, why) | Handle::Failed(why) => Err(why.clone()),
            Handle::Closed => Err(StoreError::Closed),
        };
        let begun = begun.map(|mut transaction| {
            // Two syncs a commit instead of one. In return a crash costs no walk through the whole
            // file at the next start, and no checksum that a peer might aim at is relied on.
            transaction.set_quick_repair(true);
            transaction
        });
        (state.opening, begun)
    }

    fn open_anew(&self, seen: u64) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if state.opening != seen || matches!(state.handle, Handle::Closed) {
            return;
        }
        // The old handle is gone before the new one reads the file. It can't write any more.
        state.handle = Handle::Failed(StoreError::Interrupted);
        state.opening += 1;
        let opened = open(&*self.disk, &self.path, self.cache);
        state.handle = match opened {
            Ok(database) => Handle::Open(database),
            Err(error) => {
                tracing::warn!(%error, "the database can't be written; trying again at each write");
                match open_frozen(&*self.disk, &self.path, self.cache) {
                    Ok(database) => Handle::Frozen(database, error),
                    Err(_) => Handle::Failed(error),
                }
            }
        };
    }
}

fn open(disk: &dyn Disk, path: &Path, cache: usize) -> Result<redb::Database, StoreError> {
    let file = disk.open(path, Open::Write);
    let file = file.map_err(|error| StoreError::io("open", path, error))?;
    build(cache, Backend::new(file))
}

/// Opens the file for reading what was committed, on a disk that can't be written now.
fn open_frozen(disk: &dyn Disk, path: &Path, cache: usize) -> Result<redb::Database, StoreError> {
    let file = disk.open(path, Open::Read);
    let file = file.map_err(|error| StoreError::io("open", path, error))?;
    build(cache, Frozen::new(file))
}

fn build(cache: usize, backend: impl StorageBackend) -> Result<redb::Database, StoreError> {
    unpanicked(|| {
        let mut builder = redb::Builder::new();
        builder.set_cache_size(cache).create_with_backend(backend).map_err(StoreError::from)
    })
}

/// Runs what reads the file's pages, which redb believes: it panics at ones that it never wrote.
pub(super) fn unpanicked<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(StoreError::Corrupt { detail: "its pages make no sense".to_owned() })
    })
}

/// The database as it was when the snapshot was taken.
pub(super) struct Snapshot(ReadTransaction);

impl Snapshot {
    /// A table.
    pub(super) fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'static, K, V>,
    ) -> Result<redb::ReadOnlyTable<K, V>, StoreError> {
        Ok(self.0.open_table(table)?)
    }
}
