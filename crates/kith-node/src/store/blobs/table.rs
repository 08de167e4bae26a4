//! The rows of blobs.

use std::collections::HashSet;

use kith_log::SpaceId;
use kith_log::file::FileKey;
use kith_overlay::blob::{Groups, groups_of};
use kith_overlay::storage::BlobScope;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::BLOBS;
use super::place::{Place, PlaceRow};
use crate::clock::now_ms;
use crate::store::database::Snapshot;
use crate::store::error::StoreError;
use crate::store::row;
use crate::store::writer::Tx;

/// Blobs of the public scope: the bundles of apps, and parts of them. They are few among many.
const PUBLIC: TableDefinition<'static, [u8; 32], ()> = TableDefinition::new("public blobs");

/// Ranges of groups that a row names: fewer are believed than are held, if there are more.
const MAX_HELD_RANGES: usize = 1_024;

/// What is kept of a blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) size: u64,
    pub(super) held: Groups,
    pub(super) complete: bool,
    pub(super) scopes: Vec<BlobScope>,
    /// Where there is one, the file has the opened bytes; the blob is what this key seals them to.
    pub(super) key: Option<FileKey>,
    pub(super) place: Place,
    /// When it came here, in milliseconds since 1970; 0 where that is not known.
    pub(super) made: u64,
}

#[derive(Serialize, Deserialize)]
struct BlobRow {
    size: u64,
    /// Start and end of the ranges; none where the blob is complete.
    held: Vec<(u64, u64)>,
    complete: bool,
    /// `None` is the public scope.
    scopes: Vec<Option<[u8; 32]>>,
    key: Option<[u8; 32]>,
    place: PlaceRow,
    made: u64,
}

/// A row of format 2.
#[derive(Serialize, Deserialize)]
struct OldRow {
    size: u64,
    held: Vec<(u64, u64)>,
    complete: bool,
    scopes: Vec<Option<[u8; 32]>>,
}

/// From format 2 to 3: each blob says where its bytes are, and whether they are sealed.
pub(super) fn place_blobs(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut table = transaction.open_table(BLOBS)?;
    let mut new = Vec::new();
    for entry in table.iter()? {
        let (hash, bytes) = entry?;
        let OldRow { size, held, complete, scopes } = row::decode("blobs", bytes.value())?;
        let place = PlaceRow::Own;
        let row = BlobRow { size, held, complete, scopes, key: None, place, made: 0 };
        new.push((hash.value(), row::encode(&row)));
    }
    for (hash, row) in new {
        table.insert(hash, row.as_slice())?;
    }
    Ok(())
}

/// From format 6 to 7: the blobs of the public scope are found without going through all.
pub(in crate::store) fn index_public(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut public = transaction.open_table(PUBLIC)?;
    for entry in transaction.open_table(BLOBS)?.iter()? {
        let (hash, row) = entry?;
        if Blob::decode(row.value())?.is_public() {
            public.insert(hash.value(), ())?;
        }
    }
    Ok(())
}

impl Blob {
    /// One of which nothing is here, on its way to the folder of blobs.
    pub(super) fn new(size: u64, scope: BlobScope) -> Self {
        Self {
            size,
            held: Groups::none(),
            complete: false,
            scopes: vec![scope],
            key: None,
            place: Place::Own,
            made: now_ms(),
        }
    }

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
            key: self.key.as_ref().map(|key| *key.as_bytes()),
            place: self.place.to_row(),
            made: self.made,
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
        Ok(Self {
            size: row.size,
            held,
            complete: row.complete,
            scopes: scopes.collect(),
            key: row.key.map(FileKey::from_bytes),
            place: Place::of_row(row.place)?,
            made: row.made,
        })
    }

    /// Whether its size is known from itself: the last group verifies under no other.
    pub(super) fn is_size_proven(&self) -> bool {
        let groups = groups_of(self.size);
        self.complete || self.held.covers(&Groups::range(groups - 1..groups))
    }

    /// Whether everyone may have it.
    pub(super) fn is_public(&self) -> bool {
        self.scopes.contains(&BlobScope::Public)
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

/// Writes a blob's row, with the scopes that are in it already. One that is complete gets scopes, and
/// stays as it is.
pub(super) fn keep(tx: &Tx<'_>, hash: &[u8; 32], mut blob: Blob) -> Result<(), StoreError> {
    match find(&tx.look(BLOBS)?, hash)? {
        Some(mut held) if held.complete => {
            held.join(&blob.scopes);
            blob = held;
        }
        Some(held) => {
            blob.join(&held.scopes);
        }
        None => {}
    }
    replace(tx, hash, &blob)
}

/// Writes a blob's row as it is given.
pub(super) fn replace(tx: &Tx<'_>, hash: &[u8; 32], blob: &Blob) -> Result<(), StoreError> {
    tx.change(BLOBS)?.insert(hash, blob.encode().as_slice())?;
    let mut public = tx.change(PUBLIC)?;
    if blob.is_public() {
        public.insert(hash, ())?;
    } else {
        public.remove(hash)?;
    }
    Ok(())
}

/// Deletes a blob's row.
pub(super) fn remove(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.change(BLOBS)?.remove(hash)?;
    tx.change(PUBLIC)?.remove(hash)?;
    Ok(())
}

/// The blobs of the public scope that have a row.
pub(super) fn public(snapshot: &Snapshot) -> Result<HashSet<[u8; 32]>, StoreError> {
    let table = snapshot.table(PUBLIC)?;
    let hashes = table.iter()?.map(|row| Ok(row?.0.value()));
    hashes.collect()
}

/// Whether a blob is here, all of it, for everyone.
pub(in crate::store) fn is_complete(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<bool, StoreError> {
    let blob = find(&tx.look(BLOBS)?, hash)?;
    Ok(blob.is_some_and(|blob| blob.complete && blob.is_public()))
}

/// The size of a blob that has a row, and whether all of it is here.
pub(in crate::store) fn size_of(
    transaction: &WriteTransaction,
    hash: &[u8; 32],
) -> Result<Option<(u64, bool)>, StoreError> {
    let blob = find(&transaction.open_table(BLOBS)?, hash)?;
    Ok(blob.map(|blob| (blob.size, blob.complete)))
}

/// Lays a row that tests need.
#[cfg(test)]
pub(in crate::store) fn lay_row(
    transaction: &WriteTransaction,
    hash: [u8; 32],
    size: u64,
    complete: bool,
) {
    let blob = Blob { complete, ..Blob::new(size, BlobScope::Public) };
    let mut table = transaction.open_table(BLOBS).expect("a table");
    table.insert(hash, blob.encode().as_slice()).expect("it is written");
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::database::Database;
    use crate::store::disk::SystemDisk;

    #[test]
    fn rows_of_the_second_format_keep_what_they_say() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kith.redb");
        let database = Database::open(Arc::new(SystemDisk), &path, 1 << 20).expect("it opens");
        let (_, transaction) = database.begin_write().expect("it begins");
        let old = [
            OldRow { size: 50_000, held: vec![(1, 3)], complete: false, scopes: vec![None] },
            OldRow { size: 7, held: vec![], complete: true, scopes: vec![Some([1; 32]), None] },
        ];
        let mut table = transaction.open_table(BLOBS).expect("a table");
        for (hash, row) in (0..).zip(&old) {
            table.insert([hash; 32], row::encode(row).as_slice()).expect("it is written");
        }
        drop(table);
        place_blobs(&transaction).expect("it is migrated");
        let table = transaction.open_table(BLOBS).expect("a table");
        let space = BlobScope::Space(SpaceId::from_bytes([1; 32]));
        let expected = [
            Blob { held: Groups::range(1..3), ..Blob::new(50_000, BlobScope::Public) },
            Blob {
                held: Groups::all(7),
                complete: true,
                scopes: vec![space, BlobScope::Public],
                ..Blob::new(7, space)
            },
        ];
        for (hash, expected) in (0..).zip(expected) {
            let found = find(&table, &[hash; 32]).expect("it is read");
            assert_eq!(found, Some(Blob { made: 0, ..expected }));
        }
    }

    #[test]
    fn public_blobs_of_older_formats_are_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kith.redb");
        let database = Database::open(Arc::new(SystemDisk), &path, 1 << 20).expect("it opens");
        let (_, transaction) = database.begin_write().expect("it begins");
        let space = BlobScope::Space(SpaceId::from_bytes([1; 32]));
        let scopes = [vec![BlobScope::Public], vec![space], vec![space, BlobScope::Public]];
        let mut table = transaction.open_table(BLOBS).expect("a table");
        for (hash, scopes) in (0..).zip(scopes) {
            let blob = Blob { scopes, ..Blob::new(7, space) };
            table.insert([hash; 32], blob.encode().as_slice()).expect("it is written");
        }
        drop(table);
        index_public(&transaction).expect("it is migrated");
        let found = transaction.open_table(PUBLIC).expect("a table");
        let found: Vec<_> =
            found.iter().expect("rows").map(|row| row.expect("a row").0.value()).collect();
        assert_eq!(found, [[0; 32], [2; 32]]);
    }
}
