//! Reading and writing blobs.

use std::sync::Arc;

use bytes::Bytes;
use kith_log::file::FileKey;
use kith_overlay::blob::tree_of;
use kith_overlay::storage::{BlobPart, BlobScope, BlobState, MAX_BLOB_READ};
use tokio::task::spawn_blocking;

use super::files::stored;
use super::live::{Leaving, Live, is_intact};
use super::place::{Outside, Place};
use super::table::{self, Blob};
use crate::store::error::StoreError;
use crate::store::open::Store;

/// Bytes of a part when a whole blob is written: what is copied at once.
const PART: usize = 1024 * 1024;

impl Store {
    /// How much of a blob is held for those in a scope. It looks at a person's file, whose disk may
    /// take its time.
    ///
    /// # Errors
    /// The disk's.
    pub fn blob(&self, scope: BlobScope, hash: &[u8; 32]) -> Result<BlobState, StoreError> {
        let blob = match self.blobs().live(hash) {
            Some(live) => Some(live.blob()),
            None => stored(self.database(), hash)?,
        };
        let Some(blob) = blob.filter(|blob| blob.scopes.contains(&scope)) else {
            return Ok(BlobState::Absent);
        };
        if let Place::Outside(outside) = &blob.place
            && !self.is_as_it_was(hash, outside)
        {
            return Ok(BlobState::Absent);
        }
        Ok(match blob {
            Blob { size, complete: true, .. } => BlobState::Complete { size },
            Blob { size, held, .. } => BlobState::Partial { size, held },
        })
    }

    /// As [`Self::blob`], off the runtime's threads; and what was not kept of a transfer is found first.
    ///
    /// # Errors
    /// The disk's.
    pub(in crate::store) async fn blob_now(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
    ) -> Result<BlobState, StoreError> {
        let found = self.unclaimed(hash, move |store, hash| {
            let is_open = store.blobs().live(hash).is_some();
            let row = if is_open { None } else { stored(store.database(), hash)? };
            if row.is_some_and(|blob| !blob.complete && blob.scopes.contains(&scope)) {
                store.open_blob(hash)?;
            }
            store.blob(scope, hash)
        });
        match found.await {
            Ok(state) => Ok(state),
            Err(error) => {
                tracing::debug!(%error, "a transfer's progress can't be looked for");
                let (store, hash) = (self.clone(), *hash);
                blocking(move || store.blob(scope, &hash)).await
            }
        }
    }

    /// Whether a file of the person's is what it was; tells where it is not.
    pub(super) fn is_as_it_was(&self, hash: &[u8; 32], outside: &Outside) -> bool {
        let is_intact = is_intact(&**self.blobs().disk(), outside);
        if is_intact {
            self.note_intact(&outside.path);
        } else {
            self.note_changed(hash, outside);
        }
        is_intact
    }

    /// Reads bytes of a blob, in groups that are held, as they are sent.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`]; [`StoreError::Damaged`] where its file is gone, changed or too short;
    /// the disk's.
    pub async fn read_blob(
        &self,
        hash: &[u8; 32],
        offset: u64,
        length: usize,
    ) -> Result<Bytes, StoreError> {
        self.read_files(hash, length, move |live| live.read(offset, length, &Leaving::Sealed)).await
    }

    /// Reads opened bytes of a blob of which some is here: from `offset` on as many as are held in a
    /// row, one at least and `most` at most; none at its end. `key` is the one of its attachment.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] where it is not in that scope, or the byte at `offset` has not come;
    /// else as [`Self::read_blob`]'s.
    pub async fn read_opened(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
        key: Option<FileKey>,
        offset: u64,
        most: usize,
    ) -> Result<Bytes, StoreError> {
        let leaving = Leaving::Opened(key);
        let most = most.min(MAX_BLOB_READ);
        let read = move |live: &Live| {
            let is_in = live.is_in(scope);
            if is_in { live.read_some(offset, most, &leaving) } else { Ok(None) }
        };
        self.read_files(hash, most, read).await
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
        read: impl Fn(&Live) -> std::io::Result<Option<Bytes>> + Clone + Send + 'static,
    ) -> Result<Bytes, StoreError> {
        if length > MAX_BLOB_READ {
            return Err(StoreError::Limit("1 MiB is read at once"));
        }
        self.unclaimed(hash, move |store, hash| {
            let live = store.open_blob(hash)?.ok_or(StoreError::NotHeld)?;
            let bytes =
                read(&live).map_err(|error| store.live_error("read", hash, &live, error))?;
            bytes.ok_or(StoreError::NotHeld)
        })
        .await
    }

    /// Does something with a blob, off the runtime's threads; again, where its files were about to be
    /// put in place or removed, or a crash left it unsaid where they are.
    pub(super) async fn unclaimed<T: Send + 'static>(
        &self,
        hash: &[u8; 32],
        work: impl Fn(&Self, &[u8; 32]) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        let mut is_settled = false;
        loop {
            let (store, hash, work) = (self.clone(), *hash, work.clone());
            match blocking(move || work(&store, &hash)).await {
                Err(StoreError::Claimed) => self.blobs().unclaimed(&hash).await,
                Err(StoreError::Damaged) if !is_settled && self.settle(hash).await? => {
                    is_settled = true;
                }
                done => return done,
            }
        }
    }

    /// Writes a verified part of a blob, which is made where there is none. Not synced, but now and
    /// then.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for a part that can't be of it, and where the file that it is fetched
    /// to was moved away or replaced; the disk's.
    pub async fn write_blob(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
        size: u64,
        part: BlobPart,
    ) -> Result<(), StoreError> {
        let part = Arc::new(part);
        let written = self.write_part(scope, hash, size, part.clone()).await;
        let (live, due) = match written {
            // A shared file was changed, and what it was comes again from others.
            Err(StoreError::Damaged) if self.is_stale(hash)? => {
                self.delete(*hash, true).await?;
                self.write_part(scope, hash, size, part).await?
            }
            written => written?,
        };
        match due {
            Due::Nothing => Ok(()),
            Due::Scope => self.keep_blob(*hash, live, false).await,
            Due::Progress => {
                self.keep_progress(*hash, live);
                Ok(())
            }
        }
    }

    async fn write_part(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
        size: u64,
        part: Arc<BlobPart>,
    ) -> Result<(Arc<Live>, Due), StoreError> {
        self.unclaimed(hash, move |store, hash| {
            let live = store.open_or(hash, Some(Blob::new(size, scope)))?;
            let live = live.ok_or(StoreError::NotHeld)?;
            if live.size != size {
                return Err(StoreError::Damaged);
            }
            let joined = live.change(|blob| blob.join(&[scope]));
            if live.is_complete() {
                return Ok((live, if joined { Due::Scope } else { Due::Nothing }));
            }
            let due = live.write(&part);
            let due = due.map_err(|error| store.live_error("write", hash, &live, error))?;
            Ok((live, if due { Due::Progress } else { Due::Nothing }))
        })
        .await
    }

    /// Whether a blob is in a file of the person's that is not what it was.
    fn is_stale(&self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(match stored(self.database(), hash)?.map(|blob| blob.place) {
            Some(Place::Outside(outside)) => !self.is_as_it_was(hash, &outside),
            Some(Place::Own | Place::Coming(_)) | None => false,
        })
    }

    /// Keeps the progress of a transfer, while more of it comes.
    fn keep_progress(&self, hash: [u8; 32], live: Arc<Live>) {
        if !live.begin_keeping() {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            if let Err(error) = store.keep_blob(hash, live.clone(), false).await {
                tracing::debug!(%error, "a transfer's progress can't be kept");
            }
            live.kept();
        });
    }

    /// Syncs a blob of which all groups were written; it is complete from then on. One that is
    /// complete already is added to the scope.
    ///
    /// # Errors
    /// [`StoreError::NotHeld`] where groups are missing; the disk's.
    pub async fn finish_blob(&self, scope: BlobScope, hash: &[u8; 32]) -> Result<(), StoreError> {
        let finishing = self.unclaimed(hash, move |store, hash| {
            let live = store.open_blob(hash)?.ok_or(StoreError::NotHeld)?;
            if !live.is_full() {
                return Err(StoreError::NotHeld);
            }
            live.change(|blob| blob.join(&[scope]));
            Ok(live)
        });
        let live = finishing.await?;
        if matches!(live.blob().place, Place::Coming(_)) {
            self.finish_coming(*hash, live).await
        } else {
            self.keep_blob(*hash, live, true).await
        }
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
        self.unclaimed(hash, move |store, hash| {
            let live = store.open_blob(hash)?.ok_or(StoreError::NotHeld)?;
            let size = usize::try_from(live.size).map_err(|_| StoreError::NotHeld)?;
            let bytes = live.read(0, size, &Leaving::Sealed);
            let bytes = bytes.map_err(|error| store.live_error("read", hash, &live, error))?;
            let bytes = bytes.ok_or(StoreError::NotHeld)?;
            if blake3::hash(&bytes) == *hash { Ok(bytes) } else { Err(StoreError::Damaged) }
        })
        .await
    }

    /// Keeps the progress of all transfers.
    pub(in crate::store) async fn keep_transfers(&self) {
        for (hash, live) in self.blobs().all_live() {
            if !live.is_complete()
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
        let mut blob = self.sync_live(hash, live.clone(), false).await?;
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

    /// Syncs a blob's files and their names; returns what is on disk then. A file that is about to get
    /// another name needs none before.
    pub(super) async fn sync_live(
        &self,
        hash: [u8; 32],
        live: Arc<Live>,
        is_renamed: bool,
    ) -> Result<Blob, StoreError> {
        let store = self.clone();
        blocking(move || {
            let blob = live.blob();
            if blob.complete {
                return Ok(blob);
            }
            let synced = live.sync().map_err(|e| store.live_error("sync", &hash, &live, e));
            let synced = synced.and_then(|blob| store.sync_names(&live, is_renamed).map(|()| blob));
            // The next sync may say yes to bytes that this one lost: what was not kept is believed
            // no more.
            synced.inspect_err(|_| store.blobs().forget(&hash, &live))
        })
        .await
    }

    fn sync_names(&self, live: &Live, is_renamed: bool) -> Result<(), StoreError> {
        if live.is_named() {
            return Ok(());
        }
        self.blobs().sync_names()?;
        if is_renamed {
            return Ok(());
        }
        if let Place::Coming(coming) = live.blob().place
            && let Some(folder) = coming.part.parent()
        {
            self.blobs().sync_dir(folder)?;
        }
        live.named();
        Ok(())
    }

    /// A blob of which something is here.
    pub(super) fn open_blob(&self, hash: &[u8; 32]) -> Result<Option<Arc<Live>>, StoreError> {
        self.open_or(hash, None)
    }

    /// A blob of which something is here, else the new one.
    fn open_or(&self, hash: &[u8; 32], new: Option<Blob>) -> Result<Option<Arc<Live>>, StoreError> {
        let mut outside = None;
        let opened = self.blobs().open_files(hash, || {
            let held = stored(self.database(), hash)?;
            if let Some(Blob { place: Place::Outside(place), .. }) = &held {
                outside = Some(place.clone());
            }
            Ok(held.or(new))
        });
        match (opened, outside) {
            (Err(StoreError::Damaged | StoreError::NotPlain { .. }), Some(outside)) => {
                self.note_changed(hash, &outside);
                Err(StoreError::Damaged)
            }
            (opened, _) => opened,
        }
    }

    fn live_error(
        &self,
        doing: &'static str,
        hash: &[u8; 32],
        live: &Live,
        error: std::io::Error,
    ) -> StoreError {
        match error.kind() {
            // Its bytes were put in another place meanwhile: they are looked for there.
            std::io::ErrorKind::UnexpectedEof if live.is_dead() => StoreError::Claimed,
            std::io::ErrorKind::UnexpectedEof | std::io::ErrorKind::InvalidInput => {
                if let Place::Outside(outside) = &live.blob().place {
                    self.note_changed(hash, outside);
                }
                StoreError::Damaged
            }
            _ => StoreError::io(doing, &self.blobs().path(hash, ""), error),
        }
    }
}

/// What is to be done after a part was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    /// A complete blob is in one more scope.
    Scope,
    /// So much was written that it is to be kept.
    Progress,
}

/// Runs what waits for the disk off the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    // It fails only while the runtime ends, or by a panic in `work`.
    spawn_blocking(work).await.map_err(|_| StoreError::Closed)?
}
