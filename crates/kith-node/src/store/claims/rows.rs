//! The rows of claims, and which ones have room.

use std::collections::BTreeMap;

use kith_log::SpaceId;
use kith_log::file::{Attachment, FileKey};
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::choose::Claims;
use crate::store::attached::{ALL, NONE, ORDER, Pair};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::row;
use crate::store::writer::Tx;

/// Claims of one author on one blob. Later ones that differ are not kept: who says five different
/// things of a file is believed none of them more than the first four.
pub const MAX_CLAIMS_OF_AUTHOR: usize = 4;
/// Claims on one blob, of all authors. Bounds a row at 40 KiB, and how many keys are tried on one
/// file. Where there is no room, who has most gives way to who has fewer.
pub const MAX_CLAIMS: usize = 64;

/// Space and hash to the [`ClaimsRow`] of the entries that attach it.
pub(in crate::store) const CLAIMS: TableDefinition<'static, Pair, &[u8]> =
    TableDefinition::new("claims");

/// That table, to read.
pub(in crate::store) type ClaimTable = redb::ReadOnlyTable<Pair, &'static [u8]>;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ClaimRow {
    /// Who said it; zeros where that is not known any more.
    pub(super) author: [u8; 32],
    pub(super) own: bool,
    /// When it arrived.
    pub(super) serial: u64,
    pub(super) size: u64,
    pub(super) folder: bool,
    pub(super) key: Option<[u8; 32]>,
    pub(super) name: String,
    pub(super) media_type: String,
    /// Whether its key was tried on the bytes, and is not derived from what it opens.
    pub(super) tried: bool,
}

/// The claims on a blob, and what was proven of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct ClaimsRow {
    pub(super) claims: Vec<ClaimRow>,
    pub(super) size: Option<u64>,
    /// The key, or that it is not sealed.
    pub(super) key: Option<Option<[u8; 32]>>,
    pub(super) folder: Option<bool>,
}

impl ClaimRow {
    fn new(author: &[u8; 32], own: bool, serial: u64, attachment: &Attachment) -> Self {
        Self {
            author: *author,
            own,
            serial,
            size: attachment.size,
            folder: attachment.folder,
            key: attachment.key.as_ref().map(|key| *key.as_bytes()),
            name: attachment.name.as_str().to_owned(),
            media_type: attachment.media_type.as_str().to_owned(),
            tried: false,
        }
    }

    pub(super) fn attachment(self, hash: [u8; 32]) -> Result<Attachment, StoreError> {
        let bad = |_| StoreError::bad_row("claims");
        Ok(Attachment {
            hash,
            size: self.size,
            folder: self.folder,
            key: self.key.map(FileKey::from_bytes),
            name: self.name.parse().map_err(bad)?,
            media_type: self.media_type.parse().map_err(bad)?,
        })
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let says = |claim: &Self| {
            let Self { author, size, folder, key, name, media_type, .. } = claim.clone();
            (author, size, folder, key, name, media_type)
        };
        says(self) == says(other)
    }

    #[cfg(test)]
    pub(super) fn named(self, name: &str) -> Self {
        Self { name: name.into(), ..self }
    }
}

impl ClaimsRow {
    /// Takes one more, where there is room; says whether.
    fn admit(&mut self, new: ClaimRow) -> bool {
        let mut counts: BTreeMap<[u8; 32], usize> = BTreeMap::new();
        for claim in &self.claims {
            *counts.entry(claim.author).or_default() += 1;
        }
        let of_author = counts.get(&new.author).copied().unwrap_or_default();
        if of_author == MAX_CLAIMS_OF_AUTHOR
            || self.claims.iter().any(|claim| claim.says_the_same(&new))
        {
            return false;
        }
        if self.claims.len() >= MAX_CLAIMS && !new.own {
            let most = counts.values().copied().max().unwrap_or_default();
            if of_author + 1 >= most {
                return false;
            }
            let has_most = |claim: &ClaimRow| counts[&claim.author] == most && !claim.own;
            let Some(last) = self.claims.iter().rposition(has_most) else { return false };
            self.claims.remove(last);
        }
        self.claims.push(new);
        true
    }
}

/// Notes what an entry that arrived says of a file. Says whether it is the first one of it.
pub(in crate::store) fn note(
    tx: &Tx<'_>,
    space: &SpaceId,
    (author, own): (&[u8; 32], bool),
    serial: u64,
    attachment: &Attachment,
) -> Result<bool, StoreError> {
    let mut table = tx.change(CLAIMS)?;
    let key = (*space.as_bytes(), attachment.hash);
    let held = table.get(key)?.map(|row| row::decode::<ClaimsRow>("claims", row.value()));
    let held = held.transpose()?;
    let is_first = held.is_none();
    let mut claims = held.unwrap_or_default();
    if claims.admit(ClaimRow::new(author, own, serial, attachment)) {
        table.insert(key, row::encode(&claims).as_slice())?;
    }
    Ok(is_first)
}

/// Whether an entry of a space attaches a blob.
pub(in crate::store) fn has(
    table: &impl ReadableTable<Pair, &'static [u8]>,
    space: &[u8; 32],
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    Ok(table.get((*space, *hash))?.is_some())
}

/// Deletes all rows of a space.
pub(in crate::store) fn delete_space(tx: &Tx<'_>, space: &SpaceId) -> Result<(), StoreError> {
    let id = *space.as_bytes();
    tx.change(CLAIMS)?.retain_in((id, NONE)..=(id, ALL), |_, _| false)?;
    Ok(())
}

/// A row of format 4: what the first entry said that named a blob.
#[derive(Serialize, Deserialize)]
struct OldRow {
    size: u64,
    folder: bool,
    key: Option<[u8; 32]>,
    name: String,
    media_type: String,
}

/// From format 4 to 5: what several entries say of one blob is kept. Of the ones before the first is
/// known, and its author by the entry that has its serial.
pub(in crate::store) fn from_attached(transaction: &WriteTransaction) -> Result<(), StoreError> {
    const OLD: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("attached");
    let mut claims = transaction.open_table(CLAIMS)?;
    let old = transaction.open_table(OLD)?;
    for row in transaction.open_table(ORDER)?.iter()? {
        let (place, hash) = row?;
        let ((space, serial, _), hash) = (place.value(), hash.value());
        let Some(row) = old.get((space, hash))? else { continue };
        let OldRow { size, folder, key, name, media_type } = row::decode("attached", row.value())?;
        let wrote = crate::store::logs::who_wrote(transaction, &space, serial)?;
        let (author, own) = wrote.unwrap_or_default();
        let claim =
            ClaimRow { author, own, serial, size, folder, key, name, media_type, tried: false };
        let row = ClaimsRow { claims: vec![claim], ..ClaimsRow::default() };
        claims.insert((space, hash), row::encode(&row).as_slice())?;
    }
    drop(old);
    transaction.delete_table(OLD)?;
    Ok(())
}

impl Store {
    /// What entries of a space say of a file.
    ///
    /// # Errors
    /// The disk's.
    pub fn claims(&self, space: &SpaceId, hash: &[u8; 32]) -> Result<Claims, StoreError> {
        let row = self.read(|snapshot| {
            let row = snapshot.table(CLAIMS)?.get_owned((*space.as_bytes(), *hash))?;
            row.map(|row| row::decode("claims", row.value())).transpose()
        })?;
        self.chosen(*hash, row.unwrap_or_default())
    }

    /// A row's claims, by what is here of the blob.
    pub(super) fn chosen(&self, hash: [u8; 32], row: ClaimsRow) -> Result<Claims, StoreError> {
        let differ = row.claims.windows(2).any(|two| two[0].size != two[1].size);
        let size = if differ && row.size.is_none() { self.proven_size(&hash)? } else { None };
        Claims::of(hash, row, size)
    }

    /// Changes what was proven of a file; nothing, where nobody names it.
    pub(super) async fn note_proven(
        &self,
        space: SpaceId,
        hash: [u8; 32],
        change: impl Fn(&mut ClaimsRow) + Send + 'static,
    ) -> Result<(), StoreError> {
        let key = (*space.as_bytes(), hash);
        self.write(1024, move |tx| {
            let row = tx.look(CLAIMS)?.get(key)?.map(|row| row.value().to_vec());
            let Some(row) = row else { return Ok(()) };
            let mut claims = row::decode("claims", &row)?;
            change(&mut claims);
            tx.change(CLAIMS)?.insert(key, row::encode(&claims).as_slice())?;
            Ok(())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::database::Database;
    use crate::store::disk::SystemDisk;

    fn said(author: u8, serial: u64) -> ClaimRow {
        let row = ClaimRow { author: [author; 32], serial, size: serial, ..ClaimRow::default() };
        row.named("film")
    }

    #[test]
    fn an_author_has_room_whatever_another_says() {
        let mut row = ClaimsRow::default();
        for serial in 0..1_000 {
            row.admit(said(1, serial));
        }
        assert_eq!(row.claims.len(), MAX_CLAIMS_OF_AUTHOR);
        assert!(row.admit(said(2, 5_000)));
        assert!(!row.admit(ClaimRow { serial: 5_001, ..said(2, 5_000) }), "it said so before");
    }

    #[test]
    fn who_says_most_gives_way_where_there_is_no_room() {
        let mut row = ClaimsRow::default();
        let others = MAX_CLAIMS / MAX_CLAIMS_OF_AUTHOR;
        for author in (1..).take(others) {
            for serial in 0..MAX_CLAIMS_OF_AUTHOR as u64 {
                assert!(row.admit(said(author, serial)));
            }
        }
        for author in (100..).take(MAX_CLAIMS - others) {
            assert!(row.admit(said(author, 9)), "{author}");
        }
        assert_eq!(row.claims.len(), MAX_CLAIMS);
        assert!(!row.admit(said(200, 9)));
        for author in (1..).take(others).chain((100..).take(MAX_CLAIMS - others)) {
            assert!(row.claims.iter().any(|claim| claim.author == [author; 32]), "{author}");
        }
        assert!(row.admit(ClaimRow { own: true, ..said(250, 9) }), "one's own has room");
    }

    #[test]
    fn rows_of_the_fourth_format_keep_what_they_say() {
        const OLD: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("attached");
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kith.redb");
        let database = Database::open(Arc::new(SystemDisk), &path, 1 << 20).expect("it opens");
        let (_, transaction) = database.begin_write().expect("it begins");
        crate::store::logs::lay_tables(&transaction).expect("tables");
        crate::store::logs::part_arrivals(&transaction).expect("tables");
        let old = OldRow {
            size: 9,
            folder: false,
            key: Some([7; 32]),
            name: "film.mp4".into(),
            media_type: "video/mp4".into(),
        };
        let space = SpaceId::from_bytes([1; 32]);
        let key = (*space.as_bytes(), [2; 32]);
        transaction
            .open_table(OLD)
            .expect("a table")
            .insert(key, row::encode(&old).as_slice())
            .expect("it is written");
        transaction
            .open_table(ORDER)
            .expect("a table")
            .insert((*space.as_bytes(), 17, 0), [2; 32])
            .expect("it is written");
        crate::store::logs::tests_wrote(&transaction, &space, 17, [5; 32]);
        from_attached(&transaction).expect("it is migrated");
        let table = transaction.open_table(CLAIMS).expect("a table");
        let row = table.get(key).expect("it is read").expect("it is there").value().to_vec();
        let row: ClaimsRow = row::decode("claims", &row).expect("it is read");
        assert_eq!((row.size, row.key, row.folder), (None, None, None));
        let [claim] = <[ClaimRow; 1]>::try_from(row.claims).expect("one");
        assert_eq!((claim.author, claim.own, claim.serial), ([5; 32], false, 17));
        let claim = claim.attachment([2; 32]).expect("it is whole");
        assert_eq!((claim.size, claim.name.as_str()), (9, "film.mp4"));
        assert_eq!(claim.key, Some(FileKey::from_bytes([7; 32])));
        let tables: Vec<_> = transaction.list_tables().expect("they are listed").collect();
        assert!(tables.iter().all(|table| redb::TableHandle::name(table) != "attached"));
    }
}
