//! The open database, and its way back after the disk failed.
//!
//! redb refuses everything after one failed write or sync. Nothing is wrong with the file then:
//! it is opened anew, which rolls back what was not committed, and the store goes on.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use redb::{Key, ReadTransaction, ReadableDatabase, TableDefinition, Value, WriteTransaction};

use super::backend::{Backend, Unsynced};
use super::disk::{Disk, Open};
use super::error::StoreError;

/// The database's file, opened and, after a failure, opened again.
#[derive(Debug)]
pub(super) struct Database {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    cache: usize,
    unsynced: Arc<Mutex<Unsynced>>,
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
    /// Opening it anew failed; it is tried again by the next call.
    Failed,
    Closed,
}

impl Database {
    /// Opens the file, or makes it.
    pub(super) fn open(disk: Arc<dyn Disk>, path: &Path, cache: usize) -> Result<Self, StoreError> {
        let unsynced = Arc::default();
        let handle = open(&*disk, path, cache, &unsynced)?;
        let state = State { opening: 0, handle: Handle::Open(handle) };
        Ok(Self { disk, path: path.into(), cache, unsynced, state: RwLock::new(state) })
    }

    /// Reads from a snapshot. Writers neither wait for it nor change what it sees.
    ///
    /// `read` runs a second time where the disk failed under another call meanwhile.
    pub(super) fn read<T>(
        &self,
        mut read: impl FnMut(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (opening, begun) =
            self.begin(|database| database.begin_read().map(Snapshot).map_err(StoreError::from))?;
        match begun.and_then(|snapshot| read(&snapshot)) {
            Err(StoreError::Interrupted) => {}
            result => return result,
        }
        self.open_anew(opening)?;
        let (_, begun) =
            self.begin(|database| database.begin_read().map(Snapshot).map_err(StoreError::from))?;
        read(&begun?)
    }

    /// Begins a write transaction. The writer alone calls this. The number is for [`Self::recover`].
    pub(super) fn begin_write(&self) -> Result<(u64, WriteTransaction), StoreError> {
        let begin = |database: &redb::Database| {
            let mut transaction = database.begin_write().map_err(StoreError::from)?;
            // Two syncs a commit instead of one. In return a crash costs no walk through the whole
            // file at the next start, and no checksum that a peer might aim at is relied on.
            transaction.set_quick_repair(true);
            Ok(transaction)
        };
        let (opening, begun) = self.begin(begin)?;
        match begun {
            Err(StoreError::Interrupted) => {}
            result => return result.map(|transaction| (opening, transaction)),
        }
        self.open_anew(opening)?;
        let (opening, begun) = self.begin(begin)?;
        begun.map(|transaction| (opening, transaction))
    }

    /// After a failed transaction of the opening given: opens the file anew, without which neither
    /// reads nor writes would be answered.
    pub(super) fn recover(&self, opening: u64) {
        if let Err(error) = self.open_anew(opening) {
            tracing::warn!(%error, "the database can't be opened after a failure; trying again");
        }
    }

    /// Closes the file. What comes later is refused.
    pub(super) fn close(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.handle = Handle::Closed;
    }

    fn begin<T>(
        &self,
        begin: impl Fn(&redb::Database) -> Result<T, StoreError>,
    ) -> Result<(u64, Result<T, StoreError>), StoreError> {
        let opening = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            match &state.handle {
                Handle::Open(database) => return Ok((state.opening, begin(database))),
                Handle::Closed => return Err(StoreError::Closed),
                Handle::Failed => state.opening,
            }
        };
        self.open_anew(opening)?;
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match &state.handle {
            Handle::Open(database) => Ok((state.opening, begin(database))),
            Handle::Closed => Err(StoreError::Closed),
            Handle::Failed => Err(StoreError::Interrupted),
        }
    }

    fn open_anew(&self, seen: u64) -> Result<(), StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if matches!(state.handle, Handle::Closed) {
            return Err(StoreError::Closed);
        }
        if state.opening != seen && matches!(state.handle, Handle::Open(_)) {
            return Ok(());
        }
        // The old handle is gone before the new one reads the file. It can't write any more.
        state.handle = Handle::Failed;
        state.opening += 1;
        let handle = open(&*self.disk, &self.path, self.cache, &self.unsynced)?;
        state.handle = Handle::Open(handle);
        Ok(())
    }
}

fn open(
    disk: &dyn Disk,
    path: &Path,
    cache: usize,
    unsynced: &Arc<Mutex<Unsynced>>,
) -> Result<redb::Database, StoreError> {
    let io = |doing| move |error: io::Error| StoreError::io(doing, path, error);
    let file = disk.open(path, Open::Write).map_err(io("open"))?;
    unsynced.lock().unwrap_or_else(PoisonError::into_inner).heal(&*file).map_err(io("write"))?;
    let backend = Backend::new(file, unsynced.clone());
    // A plain open believes the file's pages, and may panic at ones that redb never wrote.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        redb::Builder::new().set_cache_size(cache).create_with_backend(backend)
    }));
    opened
        .map_err(|_| StoreError::Corrupt { detail: "its pages make no sense".to_owned() })?
        .map_err(StoreError::from)
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
