//! Proving claims by the bytes themselves.

use kith_log::SpaceId;
use kith_log::file::FileKey;
use kith_overlay::storage::{BlobScope, BlobState, MAX_BLOB_READ};

use crate::store::error::StoreError;
use crate::store::open::Store;

impl Store {
    /// Notes the size that a file proved to have.
    ///
    /// # Errors
    /// The disk's.
    pub async fn note_size(
        &self,
        space: SpaceId,
        hash: [u8; 32],
        size: u64,
    ) -> Result<(), StoreError> {
        self.note_proven(space, hash, move |row| row.size = Some(size)).await
    }

    /// Notes whether a file proved to be a folder.
    ///
    /// # Errors
    /// The disk's.
    pub async fn note_folder(
        &self,
        space: SpaceId,
        hash: [u8; 32],
        folder: bool,
    ) -> Result<(), StoreError> {
        self.note_proven(space, hash, move |row| row.folder = Some(folder)).await
    }

    /// Where a file is here, all of it, and entries name different keys: tries them, in one reading,
    /// and notes the one that is derived from what it opens. In a public space nothing is sealed.
    ///
    /// Where none is, the file's author took a random key, and which one is right can't be known.
    ///
    /// # Errors
    /// The disk's.
    pub async fn try_keys(&self, space: SpaceId, hash: [u8; 32]) -> Result<(), StoreError> {
        let keys = self.claims(&space, &hash)?.untried();
        if keys.is_empty() {
            return Ok(());
        }
        let record = self.space(&space)?.ok_or(StoreError::NotFound("space"))?;
        if record.public {
            return self.note_proven(space, hash, |row| row.key = Some(None)).await;
        }
        let state = self.blob_now(BlobScope::Space(space), &hash).await?;
        let BlobState::Complete { size } = state else { return Ok(()) };
        let read_key = *record.keys().read.as_bytes();
        let right = self.key_of(&hash, size, &read_key, keys.clone()).await?;
        self.note_proven(space, hash, move |row| match &right {
            Some(key) => row.key = Some(Some(*key.as_bytes())),
            None => {
                for claim in &mut row.claims {
                    claim.tried |= keys.iter().any(|key| claim.key == Some(*key.as_bytes()));
                }
            }
        })
        .await
    }

    async fn key_of(
        &self,
        hash: &[u8; 32],
        size: u64,
        read_key: &[u8; 32],
        keys: Vec<FileKey>,
    ) -> Result<Option<FileKey>, StoreError> {
        let mut opened: Vec<_> = keys.into_iter().map(|key| (key, blake3::Hasher::new())).collect();
        let mut at = 0;
        while at < size {
            let length = usize::try_from(size - at).unwrap_or(usize::MAX).min(MAX_BLOB_READ);
            let sealed = self.read_blob(hash, at, length).await?;
            let hashing = tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::with_capacity(sealed.len());
                for (key, hasher) in &mut opened {
                    bytes.clear();
                    bytes.extend_from_slice(&sealed);
                    key.apply(at, &mut bytes);
                    hasher.update(&bytes);
                }
                opened
            });
            opened = hashing.await.map_err(|_| StoreError::Closed)?;
            at += length as u64;
        }
        let is_right = |(key, hasher): &(FileKey, blake3::Hasher)| {
            *key == FileKey::derive(read_key, hasher.finalize().as_bytes())
        };
        Ok(opened.into_iter().find(is_right).map(|(key, _)| key))
    }
}
