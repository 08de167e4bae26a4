//! The rows of blobs.

use kith_log::SpaceId;
use kith_overlay::blob::Groups;
use kith_overlay::storage::BlobScope;
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::BLOBS;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::writer::Tx;

/// Ranges of groups that a row names: fewer are believed than are held, if there are more.
const MAX_HELD_RANGES: usize = 1_024;

/// What is kept of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) size: u64,
    pub(super) held: Groups,
    pub(super) complete: bool,
    pub(super) scopes: Vec<BlobScope>,
}

#[derive(Serialize, Deserialize)]
struct BlobRow {
    size: u64,
    /// Start and end of the ranges; none where the blob is complete.
    held: Vec<(u64, u64)>,
    complete: bool,
    /// `None` is the public scope.
    scopes: Vec<Option<[u8; 32]>>,
}

impl Blob {
    pub(super) fn encode(&self) -> Vec<u8> {
        let held = if self.complete { &[] } else { self.held.ranges() };
        row::encode(&BlobRow {
            size: self.size,
            held: held.iter().take(MAX_HELD_RANGES).map(|held| (held.start, held.end)).collect(),
            complete: self.complete,
            scopes: self
                .scopes
                .iter()
                .map(|scope| match scope {
                    BlobScope::Public => None,
                    BlobScope::Space(space) => Some(*space.as_bytes()),
                })
                .collect(),
        })
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let row: BlobRow = row::decode("blobs", bytes)?;
        let mut held = if row.complete { Groups::all(row.size) } else { Groups::none() };
        row.held.into_iter().for_each(|(start, end)| held.insert(start..end));
        let scopes = row.scopes.into_iter().map(|scope| match scope {
            None => BlobScope::Public,
            Some(space) => BlobScope::Space(SpaceId::from_bytes(space)),
        });
        Ok(Self { size: row.size, held, complete: row.complete, scopes: scopes.collect() })
    }

    /// Adds scopes; says whether one of them is new.
    pub(super) fn join(&mut self, scopes: &[BlobScope]) -> bool {
        let before = self.scopes.len();
        for scope in scopes {
            if !self.scopes.contains(scope) {
                self.scopes.push(*scope);
            }
        }
        self.scopes.len() > before
    }
}

/// A blob's row.
pub(super) fn find(
    table: &impl ReadableTable<[u8; 32], &'static [u8]>,
    hash: &[u8; 32],
) -> Result<Option<Blob>, StoreError> {
    table.get(hash)?.map(|row| Blob::decode(row.value())).transpose()
}

/// Writes a blob's row, with the scopes that are in it already.
pub(super) fn keep(tx: &Tx<'_>, hash: &[u8; 32], mut blob: Blob) -> Result<(), StoreError> {
    let mut table = tx.change(BLOBS)?;
    if let Some(held) = find(&table, hash)? {
        blob.join(&held.scopes);
        blob.complete |= held.complete;
    }
    table.insert(hash, blob.encode().as_slice())?;
    Ok(())
}

/// Writes a blob's row as it is given.
pub(super) fn replace(tx: &Tx<'_>, hash: &[u8; 32], blob: &Blob) -> Result<(), StoreError> {
    tx.change(BLOBS)?.insert(hash, blob.encode().as_slice())?;
    Ok(())
}

/// Whether a blob is here, all of it, for everyone.
pub(in crate::store) fn is_complete(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let blob = find(&tx.look(BLOBS)?, hash)?;
    Ok(blob.is_some_and(|blob| blob.complete && blob.scopes.contains(&BlobScope::Public)))
}
