//! The store's door: opening, closing, reading and writing.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::blobs::{Blobs, ChangedFiles};
use super::database::{Database, Snapshot, unpanicked};
use super::disk::{Disk, Held, Open, SystemDisk};
use super::error::StoreError;
use super::identity::Identity;
use super::mark::{self, Marks};
use super::watch::Watches;
use super::writer::{Tx, Writer};
use super::{DATABASE_FILE, schema};

/// The database's file while it is being made.
const NEW_FILE: &str = "kith.redb.new";

/// Bytes that the database keeps in memory: 8 MiB, of which half may be pages being written. The
/// system's own cache holds the rest of what is read often.
pub const CACHE: usize = 8 * 1024 * 1024;

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes that the database keeps in memory.
    pub cache: usize,
    /// Where it lies.
    pub disk: Arc<dyn Disk>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache: CACHE, disk: Arc::new(SystemDisk) }
    }
}

/// What the store's handles and its writer share. The directory is given back when all are gone.
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) watches: Watches,
    blobs: Blobs,
    changed: ChangedFiles,
    lock: Mutex<Option<Box<dyn Held>>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// The node's store. A handle: clones are the same store.
///
/// Futures of writing methods are done when the write is synced. Dropping one before may or may
/// not stop the write. Reading methods are quick calls that may wait for the disk.
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    writer: Writer,
    identity: Identity,
    dir: PathBuf,
}

impl Store {
    /// Opens the store in `dir`, making both where they are missing. It takes milliseconds, also
    /// after a crash.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has the directory; [`StoreError::ReadOnly`],
    /// [`StoreError::DiskFull`], [`StoreError::Corrupt`], [`StoreError::NewerSchema`], and
    /// [`StoreError::Io`] for the rest.
    pub fn open(dir: &Path, options: Options) -> Result<Self, StoreError> {
        let disk = options.disk;
        disk.create_dir(dir).map_err(|error| StoreError::io("make", dir, error))?;
        let lock = disk.lock(dir)?;
        let path = dir.join(DATABASE_FILE);
        if !exists(&*disk, &path)? {
            create(&disk, dir, &path, options.cache)?;
        }
        let database = Database::open(disk.clone(), &path, options.cache)?;
        unpanicked(|| schema::migrate(&database))?;
        let file = disk.identity(&path).map_err(|error| StoreError::io("look at", &path, error))?;
        let marks = Marks::read(&*disk, dir);
        let identity = unpanicked(|| Identity::load(&database, file, marks))?;
        if let Err(error) = mark::renew(&*disk, dir, &database, marks) {
            // A full disk, most likely, which is no reason not to show what is on it.
            tracing::debug!(%error, "the mark of the last opening stays");
        }
        let blobs = Blobs::new(disk, dir);
        let shared = Arc::new(Shared {
            database,
            watches: Watches::default(),
            blobs,
            changed: ChangedFiles::default(),
            lock: Mutex::new(Some(lock)),
        });
        let writer = Writer::start(shared.clone())?;
        Ok(Self(Arc::new(Inner { shared, writer, identity, dir: dir.into() })))
    }

    /// The data directory.
    pub fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// Finishes the writes that wait, closes the file and gives the directory back. Later calls
    /// get [`StoreError::Closed`].
    pub async fn close(&self) {
        self.blobs().end();
        self.keep_transfers().await;
        self.0.writer.close().await;
        self.0.shared.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    pub(super) fn watches(&self) -> &Watches {
        &self.0.shared.watches
    }

    pub(super) fn blobs(&self) -> &Blobs {
        &self.0.shared.blobs
    }

    pub(super) fn changed(&self) -> &ChangedFiles {
        &self.0.shared.changed
    }

    pub(super) fn database(&self) -> &Database {
        &self.0.shared.database
    }

    /// Reads from a snapshot.
    pub(super) fn read<T>(
        &self,
        read: impl FnMut(&Snapshot) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.shared.database.read(read)
    }

    /// Writes in the next transaction; `bytes` is about what the write holds in memory.
    pub(super) async fn write<T, F>(&self, bytes: usize, write: F) -> Result<T, StoreError>
    where
        F: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        T: Send + 'static,
    {
        self.0.writer.write(bytes, write).await
    }
}

fn exists(disk: &dyn Disk, path: &Path) -> Result<bool, StoreError> {
    match disk.open(path, Open::Read) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StoreError::io("open", path, error)),
    }
}

/// Makes the database under another name first: a power cut on the way must not leave a file that
/// can't be told from a damaged one.
fn create(disk: &Arc<dyn Disk>, dir: &Path, path: &Path, cache: usize) -> Result<(), StoreError> {
    let new = dir.join(NEW_FILE);
    if exists(&**disk, &new)? {
        disk.remove(&new).map_err(|error| StoreError::io("remove", &new, error))?;
    }
    let database = Database::open(disk.clone(), &new, cache)?;
    schema::migrate(&database)?;
    database.close();
    disk.rename(&new, path).map_err(|error| StoreError::io("rename", &new, error))?;
    disk.sync_dir(dir).map_err(|error| StoreError::io("sync", dir, error))?;
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        // Somebody else's folder, which may be closed to us; most often ours is not new in it.
        let _ = disk.sync_dir(parent);
    }
    Ok(())
}
