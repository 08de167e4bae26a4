//! Adding files, of any size: their bytes stay where they are, or are copied.
//!
//! A sealed file is read twice: its hash says its key, and its sealed bytes' hash is the blob.

use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kith_log::file::{FileKey, MAX_FILE_SIZE};
use kith_overlay::blob::{BLOCK, tree_size};
use kith_overlay::storage::BlobScope;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::files::{Spool, stored};
use super::hashing::{Named, Pass, Watcher};
use super::live::is_intact;
use super::place::{Outside, Place};
use super::table::{self, Blob};
use super::transfer::blocking;
use super::{BLOBS, OUTSIDE};
use crate::store::disk::{DiskFile, Open, Stamp};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::platform::bytes_of_path;

/// Where the bytes of a file come from.
pub enum FileSource {
    /// A plain file.
    Path(PathBuf),
    /// Something else that ends. It is read on a thread of its own, and always copied.
    Reader(Box<dyn Read + Send>),
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Reader(_) => f.debug_tuple("Reader").finish_non_exhaustive(),
        }
    }
}

/// Where the bytes of a file are from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePlace {
    /// In a copy of our own, which costs nothing where the file system can share bytes.
    Own,
    /// Where they are. The file is served while it is as it is now.
    Outside,
}

/// What is being done with a file that is added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AddStage {
    /// It is read, and perhaps copied.
    #[default]
    Reading,
    /// It is read once more, and sealed.
    Sealing,
}

/// How far the adding of a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddProgress {
    /// What is being done.
    pub stage: AddStage,
    /// Bytes done in this stage.
    pub bytes: u64,
    /// Bytes of the file; 0 where that is not known yet.
    pub size: u64,
}

/// A file that was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedFile {
    /// The blob, as it is sent.
    pub hash: [u8; 32],
    /// Its bytes.
    pub size: u64,
    /// What opens it, in a space that seals.
    pub key: Option<FileKey>,
}

/// A file that is being added. Dropped, nothing is kept of it.
#[derive(Debug)]
pub struct Adding {
    job: Arc<Job>,
    task: JoinHandle<Result<AddedFile, StoreError>>,
}

impl Adding {
    /// How far it is; the channel is never behind by more than a block.
    pub fn progress(&self) -> watch::Receiver<AddProgress> {
        self.job.progress.subscribe()
    }

    /// Waits for the end: from then on it is on disk.
    ///
    /// # Errors
    /// [`StoreError::NotPlain`], [`StoreError::Changed`]; [`StoreError::Limit`] for a file that is too
    /// large; the disk's.
    pub async fn finish(mut self) -> Result<AddedFile, StoreError> {
        (&mut self.task).await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Adding {
    fn drop(&mut self) {
        self.job.leave();
    }
}

/// What whoever adds, and whoever waits, have in common.
#[derive(Debug)]
pub(super) struct Job {
    gone: AtomicBool,
    progress: watch::Sender<AddProgress>,
}

impl Job {
    pub(super) fn new() -> Self {
        Self { gone: false.into(), progress: watch::Sender::new(AddProgress::default()) }
    }

    /// Nobody waits any more.
    pub(super) fn leave(&self) {
        self.gone.store(true, Ordering::Relaxed);
    }

    pub(super) fn begin(&self, stage: AddStage, size: u64) {
        self.progress.send_replace(AddProgress { stage, bytes: 0, size });
    }
}

impl Watcher for Job {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn done(&self, bytes: u64) {
        self.progress.send_modify(|progress| progress.bytes += bytes);
    }
}

/// A file that was read to its end, and is to get a row.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) added: AddedFile,
    pub(super) place: Place,
    pub(super) spool: Spool,
}

/// What came of reading a file.
enum Found {
    /// It is here already.
    Held(AddedFile),
    New(Box<Ready>),
}

impl Store {
    /// Adds a file, of any size. In a space that seals, by its read key; the same file added twice to
    /// a space is one blob, and one that was not changed since is found at once.
    ///
    /// To be called inside of a runtime.
    pub fn add_file(
        &self,
        scope: BlobScope,
        source: FileSource,
        read_key: Option<[u8; 32]>,
        place: FilePlace,
    ) -> Adding {
        let job = Arc::new(Job::new());
        let (store, watched) = (self.clone(), job.clone());
        let task = tokio::spawn(async move {
            let reading = store.clone();
            let found = blocking(move || match source {
                FileSource::Path(path) => {
                    let path = std::path::absolute(&path)
                        .map_err(|error| StoreError::io("find", &path, error))?;
                    let adder = Adder { store: &reading, scope, read_key, job: &watched };
                    adder.file(path, place)
                }
                FileSource::Reader(reader) => {
                    let adder = Adder { store: &reading, scope, read_key, job: &watched };
                    adder.reader(reader)
                }
            });
            match found.await? {
                Found::Held(added) => Ok(added),
                Found::New(ready) => store.adopt(scope, *ready).await,
            }
        });
        Adding { job, task }
    }

    /// Puts a file that was read to its end in its place, and writes its row.
    pub(super) async fn adopt(
        &self,
        scope: BlobScope,
        ready: Ready,
    ) -> Result<AddedFile, StoreError> {
        let store = self.clone();
        // To its end, whether or not somebody waits for it: files must not go without their row.
        let adopting = tokio::spawn(async move { store.adopt_now(scope, ready).await });
        adopting.await.map_err(|_| StoreError::Closed)?
    }

    async fn adopt_now(&self, scope: BlobScope, ready: Ready) -> Result<AddedFile, StoreError> {
        let Ready { added, place, spool } = ready;
        let hash = added.hash;
        let _claim = self.blobs().claim(&hash).await;
        let (store, new) = (self.clone(), place.clone());
        let mut blob = blocking(move || {
            let held = stored(store.database(), &hash)?;
            let stays = held.as_ref().is_some_and(|held| store.stays(held, &new));
            if !stays {
                let has_data = matches!(new, Place::Own);
                store.blobs().name_spool(&spool, &hash, has_data)?;
            }
            Ok(held.filter(|_| stays))
        })
        .await?
        .unwrap_or_else(|| {
            let held = kith_overlay::blob::Groups::all(added.size);
            let (complete, key) = (true, added.key.clone());
            Blob { held, complete, key, place, ..Blob::new(added.size, scope) }
        });
        blob.join(&[scope]);
        let outside = match &blob.place {
            Place::Outside(outside) => Some(outside.path.clone()),
            Place::Own | Place::Coming(_) => None,
        };
        let named = outside.clone();
        let replaced = self
            .write(1024, move |tx| {
                let mut blob = blob.clone();
                let old = table::find(&tx.look(BLOBS)?, &hash)?;
                if let Some(old) = &old {
                    blob.join(&old.scopes);
                }
                table::replace(tx, &hash, &blob)?;
                if let Some(path) = &named {
                    let key = (scope_key(scope), bytes_of_path(path));
                    tx.change(OUTSIDE)?.insert((key.0, key.1.as_slice()), hash)?;
                }
                Ok(old.filter(|old| old.place != blob.place).map(|old| old.place))
            })
            .await?;
        if let Some(path) = outside {
            self.note_intact(&path);
        }
        self.leave_place(&hash, replaced);
        Ok(added)
    }

    /// Whether what is held of a blob stays, though all of it is in another place, too.
    fn stays(&self, held: &Blob, new: &Place) -> bool {
        held.complete
            && match (&held.place, new) {
                (Place::Own, _) => true,
                (Place::Outside(held), Place::Outside(new)) => {
                    held == new || is_intact(&**self.blobs().disk(), held)
                }
                (Place::Outside(_), Place::Own | Place::Coming(_)) | (Place::Coming(_), _) => false,
            }
    }

    /// A file of the person's that was added to this scope, and is as it was then.
    fn added_before(
        &self,
        scope: BlobScope,
        path: &std::path::Path,
        stamp: Stamp,
    ) -> Result<Option<AddedFile>, StoreError> {
        let bytes = bytes_of_path(path);
        let hash = self.read(|snapshot| {
            let table = snapshot.table(OUTSIDE)?;
            Ok(table.get((scope_key(scope), bytes.as_slice()))?.map(|hash| hash.value()))
        })?;
        let Some(hash) = hash else { return Ok(None) };
        let blob = stored(self.database(), &hash)?;
        let same = Place::Outside(Outside { path: path.into(), stamp });
        let blob =
            blob.filter(|blob| blob.complete && blob.place == same && blob.scopes.contains(&scope));
        Ok(blob.map(|blob| AddedFile { hash, size: blob.size, key: blob.key }))
    }
}

/// Reads a file, on a thread that may wait for the disk.
pub(super) struct Adder<'a> {
    pub(super) store: &'a Store,
    pub(super) scope: BlobScope,
    pub(super) read_key: Option<[u8; 32]>,
    pub(super) job: &'a Job,
}

impl Adder<'_> {
    fn file(&self, path: PathBuf, place: FilePlace) -> Result<Found, StoreError> {
        let disk = self.store.blobs().disk();
        let file = disk.open(&path, Open::Plain);
        let file = file.map_err(|error| StoreError::plain("open", &path, error))?;
        let stamp_of = |stamp: std::io::Result<Stamp>| {
            stamp.map_err(|error| StoreError::plain("look at", &path, error))
        };
        let stamp = stamp_of(file.stamp())?;
        if stamp.size > MAX_FILE_SIZE {
            return Err(StoreError::Limit("a file has 8 PiB at most"));
        }
        if place == FilePlace::Outside
            && let Some(added) = self.store.added_before(self.scope, &path, stamp)?
        {
            self.store.note_intact(&path);
            return Ok(Found::Held(added));
        }
        let spool = self.store.blobs().spool()?;
        let from = Named { file: &*file, path: &path };
        let added = match place {
            FilePlace::Outside => self.outside(from, stamp.size, &spool)?,
            FilePlace::Own => self.own(from, stamp.size, &spool)?,
        };
        if stamp_of(file.stamp())? != stamp || stamp_of(disk.stamp(&path))? != stamp {
            return Err(StoreError::Changed { path });
        }
        let place = match place {
            FilePlace::Outside => Place::Outside(Outside { path, stamp }),
            FilePlace::Own => Place::Own,
        };
        Ok(Found::New(Box::new(Ready { added, place, spool })))
    }

    fn outside(&self, from: Named<'_>, size: u64, spool: &Spool) -> Result<AddedFile, StoreError> {
        let key = match &self.read_key {
            None => None,
            Some(read_key) => {
                self.job.begin(AddStage::Reading, size);
                let pass = Pass { from, size, copy_to: None, key: None, tree: None };
                Some(FileKey::derive(read_key, &pass.run(self.job)?))
            }
        };
        self.seal(from, size, None, key, spool)
    }

    fn own(&self, from: Named<'_>, size: u64, spool: &Spool) -> Result<AddedFile, StoreError> {
        let disk = self.store.blobs().disk();
        let is_shared = disk.clone_file(from.path, &spool.data).is_ok();
        let data = self.spool_file(&spool.data, size)?;
        let data = Named { file: &*data, path: &spool.data };
        let (from, copy_to) = if is_shared { (data, None) } else { (from, Some(data)) };
        let Some(read_key) = &self.read_key else {
            let added = self.seal(from, size, copy_to, None, spool)?;
            self.sync(data)?;
            return Ok(added);
        };
        self.job.begin(AddStage::Reading, size);
        let pass = Pass { from, size, copy_to, key: None, tree: None };
        let key = FileKey::derive(read_key, &pass.run(self.job)?);
        self.sync(data)?;
        self.seal(data, size, None, Some(key), spool)
    }

    fn reader(&self, mut reader: Box<dyn Read + Send>) -> Result<Found, StoreError> {
        let spool = self.store.blobs().spool()?;
        let data = self.spool_file(&spool.data, 0)?;
        let data = Named { file: &*data, path: &spool.data };
        let mut hasher = blake3::Hasher::new();
        let mut size = 0;
        let mut buffer = Vec::with_capacity(BLOCK as usize);
        loop {
            buffer.clear();
            let read = (&mut reader).take(BLOCK).read_to_end(&mut buffer);
            read.map_err(|error| StoreError::io("read what is added to", &spool.data, error))?;
            if buffer.is_empty() {
                break;
            }
            if self.job.is_gone() {
                return Err(StoreError::Closed);
            }
            data.write_at(size, &buffer)?;
            hasher.update(&buffer);
            size += buffer.len() as u64;
            self.job.done(buffer.len() as u64);
        }
        self.sync(data)?;
        let plain = *hasher.finalize().as_bytes();
        let added = self.spooled(data, size, &plain, &spool)?;
        Ok(Found::New(Box::new(Ready { added, place: Place::Own, spool })))
    }

    /// Seals what was written to a spool, whose bytes have this hash.
    pub(super) fn spooled(
        &self,
        data: Named<'_>,
        size: u64,
        plain: &[u8; 32],
        spool: &Spool,
    ) -> Result<AddedFile, StoreError> {
        let key = self.read_key.as_ref().map(|read_key| FileKey::derive(read_key, plain));
        self.seal(data, size, None, key, spool)
    }

    /// Reads opened bytes, and makes the sealed ones' hash and tree.
    fn seal(
        &self,
        from: Named<'_>,
        size: u64,
        copy_to: Option<Named<'_>>,
        key: Option<FileKey>,
        spool: &Spool,
    ) -> Result<AddedFile, StoreError> {
        let stage = if key.is_some() { AddStage::Sealing } else { AddStage::Reading };
        self.job.begin(stage, size);
        let tree = self.spool_file(&spool.tree, tree_size(size))?;
        let tree = Named { file: &*tree, path: &spool.tree };
        let pass = Pass { from, size, copy_to, key: key.as_ref(), tree: Some(tree) };
        let hash = pass.run(self.job)?;
        if tree_size(size) > 0 {
            self.sync(tree)?;
        }
        Ok(AddedFile { hash, size, key })
    }

    pub(super) fn spool_file(
        &self,
        path: &std::path::Path,
        size: u64,
    ) -> Result<Box<dyn DiskFile>, StoreError> {
        let failed = |error| StoreError::io("write", path, error);
        let file = self.store.blobs().disk().open(path, Open::Write).map_err(failed)?;
        file.set_len(size).map_err(failed)?;
        Ok(file)
    }

    pub(super) fn sync(&self, file: Named<'_>) -> Result<(), StoreError> {
        file.file.sync().map_err(|error| StoreError::io("sync", file.path, error))
    }
}

/// In [`OUTSIDE`]: a scope.
pub(super) fn scope_key(scope: BlobScope) -> [u8; 32] {
    match scope {
        BlobScope::Public => [0; 32],
        BlobScope::Space(space) => *space.as_bytes(),
    }
}
