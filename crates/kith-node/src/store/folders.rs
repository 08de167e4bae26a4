//! What is known of folders whose lists were read: how large they are, and whether all of it is here.

use std::collections::BTreeMap;

use kith_log::SpaceId;
use kith_overlay::storage::{BlobScope, BlobState};
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::attached::{ALL, NONE, PIECES, Pair, WANTED};
use super::blobs;
use super::error::StoreError;
use super::open::Store;
use super::writer::Tx;

/// Space and hash to the bytes of a folder's pieces, and whether all of them came.
const SIZES: TableDefinition<'static, Pair, (u64, bool)> = TableDefinition::new("sizes of folders");

/// Pieces that are looked at to say how much of a folder is here: 30 ms. Of more, what the others have is
/// not told.
const MAX_SUMMED: usize = 10_000;

/// A folder whose list was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Bytes of its pieces.
    pub size: u64,
    /// Bytes of them that are here.
    pub bytes: u64,
    /// Whether all of it came, or was here from the start.
    pub is_whole: bool,
}

/// From format 5 to 6: folders have a size. One that is not wanted, and has all its pieces, is whole.
pub(super) fn size_folders(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let mut sizes = transaction.open_table(SIZES)?;
    let wanted = transaction.open_table(WANTED)?;
    let mut folders: BTreeMap<Pair, (u64, bool)> = BTreeMap::new();
    for row in transaction.open_table(PIECES)?.iter()? {
        let (space, folder, piece) = row?.0.value();
        let is_wanted = wanted.get((space, folder))?.is_some();
        let (size, is_whole) = folders.entry((space, folder)).or_insert((0, !is_wanted));
        match blobs::size_of(transaction, &piece)? {
            Some((bytes, complete)) => {
                *size = size.saturating_add(bytes);
                *is_whole &= complete;
            }
            None => *is_whole = false,
        }
    }
    for (folder, row) in folders {
        sizes.insert(folder, row)?;
    }
    Ok(())
}

/// Notes how large a folder is whose list was read.
pub(super) fn note(tx: &Tx<'_>, folder: Pair, size: u64) -> Result<(), StoreError> {
    let mut sizes = tx.change(SIZES)?;
    let is_whole = sizes.get(folder)?.is_some_and(|row| row.value().1);
    sizes.insert(folder, (size, is_whole))?;
    Ok(())
}

/// Forgets a folder of which nothing is held any more.
pub(super) fn forget(tx: &Tx<'_>, folder: Pair) -> Result<(), StoreError> {
    tx.change(SIZES)?.remove(folder)?;
    Ok(())
}

/// Deletes all rows of a space.
pub(super) fn delete_space(tx: &Tx<'_>, space: &SpaceId) -> Result<(), StoreError> {
    let id = *space.as_bytes();
    tx.change(SIZES)?.retain_in((id, NONE)..=(id, ALL), |_, _| false)?;
    Ok(())
}

impl Store {
    /// What is known of a folder; `None` where its list was never read to fetch it.
    ///
    /// # Errors
    /// The disk's.
    pub fn folder(&self, space: &SpaceId, hash: &[u8; 32]) -> Result<Option<Folder>, StoreError> {
        let id = *space.as_bytes();
        let (row, pieces) = self.read(|snapshot| {
            let row = snapshot.table(SIZES)?.get((id, *hash))?.map(|row| row.value());
            let mut pieces = Vec::new();
            if row.is_some_and(|(_, is_whole)| !is_whole) {
                let of_folder = (id, *hash, NONE)..=(id, *hash, ALL);
                for row in snapshot.table(PIECES)?.range(of_folder)?.take(MAX_SUMMED) {
                    pieces.push(row?.0.value().2);
                }
            }
            Ok((row, pieces))
        })?;
        let Some((size, is_whole)) = row else { return Ok(None) };
        if is_whole {
            return Ok(Some(Folder { size, bytes: size, is_whole }));
        }
        let mut bytes: u64 = 0;
        for piece in pieces {
            bytes = bytes.saturating_add(match self.blob(BlobScope::Space(*space), &piece)? {
                BlobState::Absent => 0,
                BlobState::Partial { size, held } => held.bytes(size),
                BlobState::Complete { size } => size,
            });
        }
        Ok(Some(Folder { size, bytes: bytes.min(size), is_whole }))
    }

    /// Notes that all of a folder is here: it is not wanted any more.
    ///
    /// # Errors
    /// The disk's.
    pub async fn folder_is_here(&self, space: SpaceId, hash: [u8; 32]) -> Result<(), StoreError> {
        let key = (*space.as_bytes(), hash);
        self.write(0, move |tx| {
            let mut sizes = tx.change(SIZES)?;
            let size = sizes.get(key)?.map_or(0, |row| row.value().0);
            sizes.insert(key, (size, true))?;
            tx.change(WANTED)?.remove(key)?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::attached::lay_tables;
    use crate::store::database::Database;
    use crate::store::disk::SystemDisk;

    #[test]
    fn folders_of_older_formats_are_whole_where_all_pieces_are() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kith.redb");
        let database = Database::open(Arc::new(SystemDisk), &path, 1 << 20).expect("it opens");
        let (_, transaction) = database.begin_write().expect("it begins");
        lay_tables(&transaction).expect("tables");
        let space = [1; 32];
        for (piece, size, is_complete) in [(1, 100, true), (2, 200, true), (3, 400, false)] {
            blobs::lay_row(&transaction, [piece; 32], size, is_complete);
        }
        let folders: [(u8, &[u8]); 4] = [(11, &[1, 2]), (12, &[2, 3]), (13, &[2, 4]), (14, &[1])];
        let mut pieces = transaction.open_table(PIECES).expect("a table");
        for (folder, of) in folders {
            for piece in of {
                pieces.insert((space, [folder; 32], [*piece; 32]), ()).expect("it is written");
            }
        }
        drop(pieces);
        let mut wanted = transaction.open_table(WANTED).expect("a table");
        wanted.insert((space, [14; 32]), [].as_slice()).expect("it is written");
        drop(wanted);
        size_folders(&transaction).expect("it is migrated");
        let sizes = transaction.open_table(SIZES).expect("a table");
        let found = folders.map(|(folder, _)| {
            let row = sizes.get((space, [folder; 32])).expect("it is read");
            row.map(|row| row.value()).expect("a row")
        });
        assert_eq!(found, [(300, true), (600, false), (200, false), (100, false)]);
    }
}
