//! Blobs as those see them who count and collect them.

use std::collections::BTreeSet;

use kith_overlay::blob::tree_size;
use kith_overlay::storage::BlobScope;
use redb::ReadableTable;

use super::place::Place;
use super::remove::leave;
use super::table::{self, Blob};
use super::transfer::blocking;
use super::{BLOBS, OUTSIDE, add, files};
use crate::store::attached;
use crate::store::database::Snapshot;
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::platform::bytes_of_path;
use crate::store::writer::Tx;

/// Blobs that are deleted in one transaction. Bounds how long others wait for it.
const BATCH: usize = 256;

/// A blob, and what it takes.
#[derive(Clone, Debug)]
pub(in crate::store) struct Kept {
    pub(in crate::store) hash: [u8; 32],
    pub(in crate::store) scopes: Vec<BlobScope>,
    /// When it came here, in milliseconds since 1970.
    pub(in crate::store) made: u64,
    /// Bytes in the data directory, or in a file that is still on its way to a person's place.
    pub(in crate::store) own: u64,
    /// Bytes in a person's own file.
    pub(in crate::store) outside: u64,
}

impl Kept {
    fn new(hash: [u8; 32], blob: Blob) -> Self {
        let tree = tree_size(blob.size);
        let (own, outside) = match blob.place {
            Place::Outside(_) => (tree, blob.size),
            Place::Own | Place::Coming(_) => (tree + blob.held.bytes(blob.size), 0),
        };
        Self { hash, scopes: blob.scopes, made: blob.made, own, outside }
    }
}

/// Visits each blob that has a row, until `visit` says that it is enough.
pub(in crate::store) fn each(
    snapshot: &Snapshot,
    mut visit: impl FnMut(Kept) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    for row in snapshot.table(BLOBS)?.iter()? {
        let (hash, row) = row?;
        if !visit(Kept::new(hash.value(), Blob::decode(row.value())?))? {
            break;
        }
    }
    Ok(())
}

/// Removes files that no row names.
pub(in crate::store) async fn sweep(store: &Store) -> Result<(), StoreError> {
    let store = store.clone();
    blocking(move || store.blobs().sweep(store.database())).await
}

/// A blob that a scope does not need any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::store) struct Loose {
    pub(in crate::store) hash: [u8; 32],
    /// Without one, it is in no scope.
    pub(in crate::store) scope: Option<BlobScope>,
    /// Whether it stays if an entry attaches it by now.
    pub(in crate::store) may_stay: bool,
}

impl Store {
    /// Takes blobs off scopes, and deletes those that are in no other; says how many were.
    pub(in crate::store) async fn drop_loose(
        &self,
        mut loose: Vec<Loose>,
    ) -> Result<u64, StoreError> {
        // All who claim several do so in the order of their hashes: nobody waits in a circle.
        loose.sort_unstable();
        let mut gone = 0;
        while !loose.is_empty() {
            let rest = loose.split_off(loose.len().min(BATCH));
            let batch = std::mem::replace(&mut loose, rest);
            let store = self.clone();
            // To its end, whether or not somebody waits for it: files must not go without their row.
            let dropping = tokio::spawn(async move { store.drop_batch(batch).await });
            gone += dropping.await.map_err(|_| StoreError::Closed)??;
        }
        Ok(gone)
    }

    async fn drop_batch(&self, batch: Vec<Loose>) -> Result<u64, StoreError> {
        let hashes: BTreeSet<_> = batch.iter().map(|loose| loose.hash).collect();
        let mut claims = Vec::with_capacity(hashes.len());
        for hash in &hashes {
            claims.push(self.blobs().claim(hash).await);
        }
        let gone = self
            .write(batch.len() * 64, move |tx| {
                let mut gone = Vec::new();
                for loose in &batch {
                    if let Some(place) = drop_one(tx, loose)? {
                        gone.push((loose.hash, place));
                    }
                }
                Ok(gone)
            })
            .await?;
        for (hash, place) in &gone {
            self.blobs().remove_files(hash);
            if let Place::Coming(coming) = place {
                files::remove(&**self.blobs().disk(), &coming.part);
            }
        }
        drop(claims);
        Ok(gone.len() as u64)
    }
}

/// Takes a blob off a scope; where it was, if it is gone.
fn drop_one(tx: &Tx<'_>, loose: &Loose) -> Result<Option<Place>, StoreError> {
    let Some(mut blob) = table::find(&tx.look(BLOBS)?, &loose.hash)? else {
        // A transfer that just began has no row.
        return Ok(Some(Place::Own));
    };
    if let Some(scope) = loose.scope {
        if let BlobScope::Space(space) = scope
            && loose.may_stay
            && attached::is_attached(tx, &space, &loose.hash)?
        {
            return Ok(None);
        }
        leave(&mut blob, scope);
        forget_path(tx, &loose.hash, scope, &blob.place)?;
    }
    if blob.scopes.is_empty() {
        table::remove(tx, &loose.hash)?;
        Ok(Some(blob.place))
    } else {
        table::replace(tx, &loose.hash, &blob)?;
        Ok(None)
    }
}

fn forget_path(
    tx: &Tx<'_>,
    hash: &[u8; 32],
    scope: BlobScope,
    place: &Place,
) -> Result<(), StoreError> {
    let Place::Outside(outside) = place else { return Ok(()) };
    let path = bytes_of_path(&outside.path);
    let key = (add::scope_key(scope), path.as_slice());
    let mut table = tx.change(OUTSIDE)?;
    let is_it = table.get(key)?.is_some_and(|held| held.value() == *hash);
    if is_it {
        table.remove(key)?;
    }
    Ok(())
}
