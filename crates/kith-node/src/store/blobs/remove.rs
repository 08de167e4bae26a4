//! Deleting blobs: first the row, then the files.

use std::collections::HashSet;

use kith_log::SpaceId;
use kith_overlay::storage::BlobScope;

use super::loose::{Loose, each};
use super::place::Place;
use super::table::{self, Blob};
use super::{BLOBS, files};
use crate::store::apps;
use crate::store::error::StoreError;
use crate::store::open::Store;

impl Store {
    /// Takes a blob out of the public scope, and deletes it unless it is in a space's. The bundle of
    /// an installed app stays.
    ///
    /// # Errors
    /// The disk's.
    pub async fn delete_blob(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        self.delete(*hash, false).await
    }

    /// Deletes a blob whose bytes on disk proved to be others'. An app whose bundle it is stays
    /// installed, and its bundle must be fetched again; a person's file is told to have changed.
    ///
    /// # Errors
    /// The disk's.
    pub async fn delete_damaged_blob(&self, hash: &[u8; 32]) -> Result<(), StoreError> {
        let blob = files::stored(self.database(), hash)?;
        if let Some(Place::Outside(outside)) = blob.map(|blob| blob.place) {
            self.note_changed(hash, &outside);
        }
        self.delete(*hash, true).await
    }

    /// Deletes the bundles of apps that are not installed, parts of them included: what is in the
    /// public scope and no app's. Not to be called while an app is being fetched or published.
    ///
    /// # Errors
    /// The disk's.
    pub async fn collect_bundles(&self) -> Result<(), StoreError> {
        let mut bundles: HashSet<_> = self.apps()?.iter().map(|app| app.signed.bundle()).collect();
        bundles.extend(self.bundles_beside()?);
        let mut left = self.read(table::public)?;
        let live = self.blobs().all_live().into_iter();
        left.extend(live.filter_map(|(hash, live)| live.blob().is_public().then_some(hash)));
        for hash in left.difference(&bundles) {
            self.delete_blob(hash).await?;
        }
        Ok(())
    }

    pub(super) async fn delete(&self, hash: [u8; 32], damaged: bool) -> Result<(), StoreError> {
        let store = self.clone();
        // To its end, whether or not somebody waits for it: files must not go without their row.
        let deleting = tokio::spawn(async move { store.delete_now(hash, damaged).await });
        deleting.await.map_err(|_| StoreError::Closed)?
    }

    async fn delete_now(&self, hash: [u8; 32], damaged: bool) -> Result<(), StoreError> {
        let _claim = self.blobs().claim(&hash).await;
        let gone = self
            .write(0, move |tx| {
                if !damaged && apps::has_bundle(tx, &hash)? {
                    return Ok(None);
                }
                let blob = table::find(&tx.look(BLOBS)?, &hash)?;
                if let Some(mut blob) = blob.clone().filter(|_| !damaged) {
                    leave(&mut blob, BlobScope::Public);
                    if !blob.scopes.is_empty() {
                        table::replace(tx, &hash, &blob)?;
                        return Ok(None);
                    }
                }
                table::remove(tx, &hash)?;
                Ok(Some(blob.map(|blob| blob.place)))
            })
            .await?;
        if let Some(place) = gone {
            self.blobs().remove_files(&hash);
            if let Some(Place::Coming(coming)) = place {
                files::remove(&**self.blobs().disk(), &coming.part);
            }
        }
        Ok(())
    }

    /// Takes a space's scope off all blobs, and deletes those that are in no other.
    pub(in crate::store) async fn drop_blobs_of(&self, space: SpaceId) -> Result<(), StoreError> {
        let scope = BlobScope::Space(space);
        let mut hashes = self.read(|snapshot| {
            let mut hashes = HashSet::new();
            each(snapshot, |blob| {
                if blob.scopes.contains(&scope) {
                    hashes.insert(blob.hash);
                }
                Ok(true)
            })?;
            Ok(hashes)
        })?;
        let live = self.blobs().all_live().into_iter();
        hashes.extend(live.filter(|(_, live)| live.is_in(scope)).map(|(hash, _)| hash));
        self.release(scope, hashes.into_iter().collect()).await
    }

    /// Takes a scope off some blobs, and deletes those that are in no other.
    pub(in crate::store) async fn release(
        &self,
        scope: BlobScope,
        hashes: Vec<[u8; 32]>,
    ) -> Result<(), StoreError> {
        let loose = |hash| Loose { hash, scope: Some(scope), may_stay: false };
        self.drop_loose(hashes.into_iter().map(loose).collect()).await?;
        Ok(())
    }
}

/// Takes a scope off; says whether it was there.
pub(super) fn leave(blob: &mut Blob, scope: BlobScope) -> bool {
    let before = blob.scopes.len();
    blob.scopes.retain(|held| *held != scope);
    blob.scopes.len() < before
}
