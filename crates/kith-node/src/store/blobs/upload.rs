//! A file that comes piece by piece, whose size and hash are known at its end.

use std::sync::Arc;

use bytes::Bytes;
use kith_log::file::MAX_FILE_SIZE;
use kith_overlay::storage::BlobScope;

use super::add::{AddStage, AddedFile, Adder, Job, Ready};
use super::files::Spool;
use super::hashing::Named;
use super::place::Place;
use super::transfer::blocking;
use crate::store::disk::DiskFile;
use crate::store::error::StoreError;
use crate::store::open::Store;

/// Bytes that are collected before they are written and hashed: 256 KiB, so that small pieces do not
/// cost a change of threads each.
const GATHER: usize = 256 * 1024;

/// A file on its way in. Dropped before its end, nothing is kept of it.
#[derive(Debug)]
pub struct Upload {
    store: Store,
    scope: BlobScope,
    read_key: Option<[u8; 32]>,
    gathered: Vec<u8>,
    /// `None` while a write is under way, and after one that failed.
    open: Option<Box<OpenUpload>>,
}

#[derive(Debug)]
struct OpenUpload {
    /// Before the spool: closed before it is removed.
    data: Box<dyn DiskFile>,
    spool: Spool,
    hasher: blake3::Hasher,
    size: u64,
    job: Arc<Job>,
}

impl Store {
    /// Begins a file whose bytes come piece by piece; in a space that seals, by its read key. It is
    /// collected in a file that its owner alone can read, and swept after the next opening if it is not
    /// finished.
    ///
    /// # Errors
    /// The disk's.
    pub async fn begin_upload(
        &self,
        scope: BlobScope,
        read_key: Option<[u8; 32]>,
    ) -> Result<Upload, StoreError> {
        let store = self.clone();
        let open = blocking(move || {
            let spool = store.blobs().spool()?;
            let job = Arc::new(Job::new());
            let adder = Adder { store: &store, scope, read_key, job: &job };
            let data = adder.spool_file(&spool.data, 0)?;
            let hasher = blake3::Hasher::new();
            Ok(Box::new(OpenUpload { data, spool, hasher, size: 0, job }))
        });
        let open = Some(open.await?);
        Ok(Upload { store: self.clone(), scope, read_key, gathered: Vec::new(), open })
    }
}

impl Upload {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`StoreError::Limit`] for a file that is too large; the disk's. It can't go on after one.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        if self.gathered.len() + bytes.len() < GATHER {
            self.gathered.extend_from_slice(&bytes);
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        self.spill([gathered.into(), bytes]).await
    }

    async fn spill(&mut self, pieces: [Bytes; 2]) -> Result<(), StoreError> {
        let mut open = self.open.take().ok_or(StoreError::Closed)?;
        let spilling = blocking(move || {
            for piece in pieces {
                let data = Named { file: &*open.data, path: &open.spool.data };
                data.write_at(open.size, &piece)?;
                open.hasher.update(&piece);
                open.size += piece.len() as u64;
            }
            if open.size > MAX_FILE_SIZE {
                return Err(StoreError::Limit("a file has 8 PiB at most"));
            }
            Ok(open)
        });
        self.open = Some(spilling.await?);
        Ok(())
    }

    /// Bytes that came so far.
    pub fn size(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.size) + self.gathered.len() as u64
    }

    /// Ends the file: from then on it is on disk.
    ///
    /// # Errors
    /// The disk's.
    pub async fn finish(mut self) -> Result<AddedFile, StoreError> {
        let gathered = std::mem::take(&mut self.gathered);
        self.spill([gathered.into(), Bytes::new()]).await?;
        let open = self.open.take().ok_or(StoreError::Closed)?;
        let (store, scope, read_key) = (self.store.clone(), self.scope, self.read_key);
        let guard = Gone(open.job.clone());
        let ready = blocking(move || {
            let OpenUpload { data, spool, hasher, size, job } = *open;
            let adder = Adder { store: &store, scope, read_key, job: &job };
            job.begin(AddStage::Sealing, size);
            let data = Named { file: &*data, path: &spool.data };
            adder.sync(data)?;
            let added = adder.spooled(data, size, hasher.finalize().as_bytes(), &spool)?;
            Ok(Ready { added, place: Place::Own, spool })
        })
        .await?;
        drop(guard);
        self.store.adopt(scope, ready).await
    }
}

/// Ends the work of a file that nobody waits for any more.
struct Gone(Arc<Job>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.leave();
    }
}
