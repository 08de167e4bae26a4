//! The store as the overlay asks for it.

use std::sync::Arc;

use bytes::Bytes;
use kith_app::{AppId, SignedVersion};
use kith_log::sync::ForkProof;
use kith_log::{AuthorId, KnownLog, Segment, SpaceId, VerifiedRun};
use kith_overlay::boxed::BoxFuture;
use kith_overlay::storage::{
    BlobPart, BlobScope, BlobState, BlobStorage, LogStorage, StorageError, StorageResult,
};

use super::error::StoreError;
use super::open::Store;

impl From<StoreError> for StorageError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::DiskFull | StoreError::NoRoom { .. } | StoreError::Limit(_) => Self::Full,
            StoreError::NotFound(_)
            | StoreError::NotHeld
            | StoreError::Claimed
            | StoreError::Apart => Self::NotHeld,
            StoreError::Damaged
            | StoreError::OtherSize
            | StoreError::NotPlain { .. }
            | StoreError::Changed { .. } => Self::Damaged,
            StoreError::Closed => Self::Closed,
            StoreError::Locked { .. }
            | StoreError::ReadOnly { .. }
            | StoreError::Corrupt { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::Io { .. }
            | StoreError::Interrupted
            | StoreError::Exists(_)
            | StoreError::OlderVersion { .. }
            | StoreError::Entry(_) => Self::Failed(Arc::new(error)),
        }
    }
}

impl LogStorage for Store {
    fn logs<'a>(
        &'a self,
        space: &'a SpaceId,
    ) -> BoxFuture<'a, StorageResult<Vec<(AuthorId, KnownLog)>>> {
        Box::pin(async move { Ok(Self::logs(self, space)?) })
    }

    fn segment<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        index: u64,
    ) -> BoxFuture<'a, StorageResult<Segment>> {
        Box::pin(async move {
            let segment = Self::segment(self, space, author, index)?;
            segment.ok_or(StorageError::NotHeld)
        })
    }

    fn ingest<'a>(
        &'a self,
        space: &'a SpaceId,
        runs: Vec<VerifiedRun>,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move {
            Self::ingest(self, *space, runs).await?;
            Ok(())
        })
    }

    fn keep_fork<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        proof: &'a ForkProof,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move { Ok(Self::keep_fork(self, *space, *author, proof).await?) })
    }

    fn newest_version<'a>(
        &'a self,
        app: &'a AppId,
    ) -> BoxFuture<'a, StorageResult<Option<SignedVersion>>> {
        Box::pin(async move {
            // The versions of what comes with kith come from the binary only.
            let Some(app) = self.app(app)?.filter(|app| !app.bundled) else { return Ok(None) };
            // Others learn of a version though the person here has not decided on it.
            let waiting = self.update_of(&app.signed.app())?;
            for version in waiting.into_iter().chain([app.signed]) {
                if self.has_bundle(&version)? {
                    return Ok(Some(version));
                }
            }
            Ok(None)
        })
    }
}

impl BlobStorage for Store {
    fn blob_state<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<BlobState>> {
        Box::pin(async move { Ok(self.blob_now(scope, hash).await?) })
    }

    fn read_blob<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>> {
        Box::pin(async move { Ok(Self::read_blob(self, hash, offset, length).await?) })
    }

    fn read_blob_tree<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>> {
        Box::pin(async move { Ok(Self::read_blob_tree(self, hash, offset, length).await?) })
    }

    fn write_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
        size: u64,
        part: BlobPart,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move { Ok(Self::write_blob(self, scope, hash, size, part).await?) })
    }

    fn finish_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move { Ok(Self::finish_blob(self, scope, hash).await?) })
    }

    fn blob_damaged<'a>(&'a self, hash: &'a [u8; 32]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            tracing::warn!("a blob's file was changed, or the disk is failing");
            if let Err(error) = self.delete_damaged_blob(hash).await {
                tracing::debug!(%error, "a damaged blob can't be deleted");
            }
        })
    }
}
