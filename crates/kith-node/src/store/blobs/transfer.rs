//! Reading and writing blobs.

use std::sync::Arc;

use bytes::Bytes;
use kith_overlay::blob::{Groups, tree_of};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState, MAX_BLOB_READ};
use tokio::task::spawn_blocking;

use super::files::stored;
use super::live::Live;
use super::table::{self, Blob};
use crate::store::error::StoreError;
use crate::store::open::Store;

/// Bytes of a part when a whole blob is written: what is copied at once.
const PART: usize = 1024 * 1024;

impl Store {
    /// How much of a blob is held for those in a scope.
    ///
    /// # Errors
    /// The disk's.
    pub fn blob(&self, scope: BlobScope, hash: &[u8; 32]) -> Result<BlobState, StoreError> {
        let blob = match self.blobs().live(hash) {
            Some(live) => Some(live.blob()),
            None => stored(self.database(), hash)?,
        };
        Ok(match blob.filter(|blob| blob.scopes.contains(&scope)) {
            None => BlobState::Absent,
            Some(Blob { size, complete: true, .. }) => BlobState::Complete { size },
            Some(Blob { size, held, .. }) => BlobState::Partial { size, held },
        })
    }

    /// Reads bytes of a blob, in groups that are held.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`]; [`StoreError::Damaged`] where its file is gone or too short; the
    /// disk's.
    pub async fn read_blob(
        &self,
        hash: &[u8; 32],
        offset: u64,
        length: usize,
    ) -> Result<Bytes, StoreError> {
        self.read_files(hash, length, move |live| live.read(offset, length)).await
    }

    /// Reads bytes of a blob's tree.
    ///
    /// # Errors
    /// As [`Self::read_blob`]'s.
    pub async fn read_blob_tree(
        &self,
        hash: &[u8; 32],
        offset: u64,
        length: usize,
    ) -> Result<Bytes, StoreError> {
        self.read_files(hash, length, move |live| live.read_tree(offset, length)).await
    }

    async fn read_files(
        &self,
        hash: &[u8; 32],
        length: usize,
        read: impl FnOnce(&Live) -> std::io::Result<Option<Bytes>> + Send + 'static,
    ) -> Result<Bytes, StoreError> {
        if length > MAX_BLOB_READ {
            return Err(StoreError::Limit("1 MiB is read at once"));
        }
        let (store, hash) = (self.clone(), *hash);
        blocking(move || {
            let live = store.open_blob(&hash)?.ok_or(StoreError::NotHeld)?;
            let bytes = read(&live).map_err(|error| store.blob_error("read", &hash, error))?;
            bytes.ok_or(StoreError::NotHeld)
        })
        .await
    }

    /// Writes a verified part of a blob, which is made where there is none. Not synced, but now and
    /// then.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] while the blob is being deleted; [`StoreError::Damaged`] for a part
    /// that can't be of it; the disk's.
    pub async fn write_blob(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
        size: u64,
        part: BlobPart,
    ) -> Result<(), StoreError> {
        let (store, hash) = (self.clone(), *hash);
        let (live, keep) = blocking(move || {
            let live = match store.open_blob(&hash)? {
                Some(live) => live,
                None => {
                    let held = Groups::none();
                    let blob = Blob { size, held, complete: false, scopes: vec![scope] };
                    store.blobs().open_files(&hash, blob)?
                }
            };
            if live.size != size {
                return Err(StoreError::Damaged);
            }
            let joined = live.change(|blob| blob.join(&[scope]));
            if live.blob().complete {
                return Ok((live, joined));
            }
            let due = live.write(&part).map_err(|error| store.blob_error("write", &hash, error))?;
            Ok((live, due))
        })
        .await?;
        if keep { self.keep_blob(hash, live, false).await } else { Ok(()) }
    }

    /// Syncs a blob of which all groups were written; it is complete from then on. One that is
    /// complete already is added to the scope.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] where groups are missing; the disk's.
    pub async fn finish_blob(&self, scope: BlobScope, hash: &[u8; 32]) -> Result<(), StoreError> {
        let (store, hash) = (self.clone(), *hash);
        let live = blocking(move || {
            let live = store.open_blob(&hash)?.ok_or(StoreError::NotHeld)?;
            if !live.is_full() {
                return Err(StoreError::NotHeld);
            }
            live.change(|blob| blob.join(&[scope]));
            Ok(live)
        })
        .await?;
        self.keep_blob(hash, live, true).await
    }

    /// Adds a whole blob; returns its hash once it is on disk.
    ///
    /// # Errors
    /// The disk's.
    pub async fn add_blob(&self, scope: BlobScope, data: Bytes) -> Result<[u8; 32], StoreError> {
        let bytes = data.clone();
        let (hash, tree) = blocking(move || Ok(tree_of(&bytes))).await?;
        let (hash, size) = (*hash.as_bytes(), data.len() as u64);
        let pairs = tree
            .chunks_exact(64)
            .zip((0..).step_by(64))
            .map(|(pair, at)| (at, pair.try_into().expect("chunks of 64 bytes")))
            .collect();
        self.write_blob(scope, &hash, size, BlobPart { pairs, ..BlobPart::default() }).await?;
        for offset in (0..data.len()).step_by(PART) {
            let end = data.len().min(offset + PART);
            let data = data.slice(offset..end);
            let part = BlobPart { offset: offset as u64, data, pairs: Vec::new() };
            self.write_blob(scope, &hash, size, part).await?;
        }
        self.finish_blob(scope, &hash).await?;
        Ok(hash)
    }

    /// The bytes of a blob that is complete, checked against its hash.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`]; [`StoreError::Damaged`] where the file was changed; the disk's.
    pub async fn whole_blob(&self, hash: &[u8; 32]) -> Result<Bytes, StoreError> {
        let (store, hash) = (self.clone(), *hash);
        blocking(move || {
            let live = store.open_blob(&hash)?.ok_or(StoreError::NotHeld)?;
            let size = usize::try_from(live.size).map_err(|_| StoreError::NotHeld)?;
            let bytes = live.read(0, size);
            let bytes = bytes.map_err(|error| store.blob_error("read", &hash, error))?;
            let bytes = bytes.ok_or(StoreError::NotHeld)?;
            if *blake3::hash(&bytes).as_bytes() == hash {
                Ok(bytes)
            } else {
                Err(StoreError::Damaged)
            }
        })
        .await
    }

    /// Keeps the progress of all transfers.
    pub(in crate::store) async fn keep_transfers(&self) {
        for (hash, live) in self.blobs().all_live() {
            if !live.blob().complete
                && let Err(error) = self.keep_blob(hash, live, false).await
            {
                tracing::debug!(%error, "a transfer's progress is lost");
            }
        }
    }

    /// Syncs a blob's files and their names, then writes its row.
    async fn keep_blob(
        &self,
        hash: [u8; 32],
        live: Arc<Live>,
        complete: bool,
    ) -> Result<(), StoreError> {
        let (store, syncing) = (self.clone(), live.clone());
        let mut blob = blocking(move || {
            let blob = syncing.blob();
            if blob.complete {
                return Ok(blob);
            }
            let synced = syncing.sync().map_err(|error| store.blob_error("sync", &hash, error));
            let synced = synced.and_then(|blob| store.blobs().sync_names().map(|()| blob));
            // The next sync may say yes to bytes that this one lost: what was not kept is believed
            // no more.
            synced.inspect_err(|_| store.blobs().forget(&hash))
        })
        .await?;
        blob.complete |= complete;
        let scopes = blob.scopes.clone();
        let row = live.clone();
        self.write(1024, move |tx| {
            if row.is_dead() {
                return Err(StoreError::NotHeld);
            }
            table::keep(tx, &hash, blob.clone())
        })
        .await?;
        live.change(|blob| {
            blob.complete |= complete;
            blob.join(&scopes)
        });
        Ok(())
    }

    /// A blob of which something is here.
    fn open_blob(&self, hash: &[u8; 32]) -> Result<Option<Arc<Live>>, StoreError> {
        if let Some(live) = self.blobs().live(hash) {
            return Ok(Some(live));
        }
        let Some(blob) = stored(self.database(), hash)? else { return Ok(None) };
        match self.blobs().open_files(hash, blob) {
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Err(StoreError::Damaged)
            }
            opened => opened.map(Some),
        }
    }

    fn blob_error(
        &self,
        doing: &'static str,
        hash: &[u8; 32],
        error: std::io::Error,
    ) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput => {
                StoreError::Damaged
            }
            _ => StoreError::io(doing, &self.blobs().path(hash, ""), error),
        }
    }
}

/// Runs what waits for the disk off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // It fails only while the runtime ends, or by a panic in `work`.
    spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}
