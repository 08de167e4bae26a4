//! Which files entries attach, which blobs make a folder, and what is wanted.
//!
//! A blob of a space is named by an attachment of one of its entries, or is a piece of a folder that
//! is; else nothing refers to it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kith_log::SpaceId;
use kith_log::file::Attachment;
use kith_overlay::storage::BlobScope;
use redb::{ReadableTable, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};

use super::claims::{self, CLAIMS, ClaimTable};
use super::database::Snapshot;
use super::error::StoreError;
use super::folders;
use super::open::Store;
use super::platform::{bytes_of_path, path_of_bytes};
use super::row;
use super::writer::Tx;

/// Two ids, the space's first.
pub(super) type Pair = ([u8; 32], [u8; 32]);
/// Three of them.
type Triple = ([u8; 32], [u8; 32], [u8; 32]);

/// Space, serial and place in the entry, to the hash of an attachment that was the first of its hash.
pub(super) const ORDER: TableDefinition<'static, ([u8; 32], u64, u8), [u8; 32]> =
    TableDefinition::new("attached order");
/// Space, folder, piece.
pub(super) const PIECES: TableDefinition<'static, Triple, ()> = TableDefinition::new("pieces");
/// Space, piece, folder.
const FOLDERS: TableDefinition<'static, Triple, ()> = TableDefinition::new("folders of pieces");
/// Space and hash to a [`WantedRow`].
pub(super) const WANTED: TableDefinition<'static, Pair, &[u8]> = TableDefinition::new("wanted");

pub(super) const NONE: [u8; 32] = [0; 32];
pub(super) const ALL: [u8; 32] = [0xff; 32];

pub(super) fn lay_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(ORDER)?;
    transaction.open_table(PIECES)?;
    transaction.open_table(FOLDERS)?;
    transaction.open_table(WANTED)?;
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct WantedRow {
    destination: Option<Vec<u8>>,
    paused: bool,
}

/// A file or folder that is to be fetched, or was until a person paused it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of which space.
    pub space: SpaceId,
    /// Which.
    pub hash: [u8; 32],
    /// Where it is written; `None` for the store.
    pub destination: Option<PathBuf>,
    /// Whether it waits for the person.
    pub paused: bool,
}

/// Notes the attachments of an entry that arrived, of this author, who may be oneself.
pub(super) fn note(
    tx: &Tx<'_>,
    space: &SpaceId,
    author: (&[u8; 32], bool),
    serial: u64,
    attachments: &[Attachment],
) -> Result<(), StoreError> {
    for (n, attachment) in (0..).zip(attachments) {
        if claims::note(tx, space, author, serial, attachment)? {
            tx.change(ORDER)?.insert((*space.as_bytes(), serial, n), attachment.hash)?;
        }
    }
    Ok(())
}

/// Deletes all rows of a space.
pub(super) fn delete_space(tx: &Tx<'_>, space: &SpaceId) -> Result<(), StoreError> {
    let id = *space.as_bytes();
    let pairs = (id, NONE)..=(id, ALL);
    let triples = (id, NONE, NONE)..=(id, ALL, ALL);
    claims::delete_space(tx, space)?;
    folders::delete_space(tx, space)?;
    tx.change(ORDER)?.retain_in((id, 0, 0)..=(id, u64::MAX, u8::MAX), |_, _| false)?;
    tx.change(PIECES)?.retain_in(triples.clone(), |_, ()| false)?;
    tx.change(FOLDERS)?.retain_in(triples, |_, ()| false)?;
    tx.change(WANTED)?.retain_in(pairs, |_, _| false)?;
    Ok(())
}

/// Whether an entry of the space attaches a blob, or a folder that is made of it.
pub(super) fn is_attached(
    tx: &Tx<'_>,
    space: &SpaceId,
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    is_named(&tx.look(CLAIMS)?, &tx.look(FOLDERS)?, space, hash)
}

/// What names blobs, in a snapshot.
pub(super) struct Named {
    claims: ClaimTable,
    folders: redb::ReadOnlyTable<Triple, ()>,
    wanted: redb::ReadOnlyTable<Pair, &'static [u8]>,
}

impl Named {
    pub(super) fn read(snapshot: &Snapshot) -> Result<Self, StoreError> {
        Ok(Self {
            claims: snapshot.table(CLAIMS)?,
            folders: snapshot.table(FOLDERS)?,
            wanted: snapshot.table(WANTED)?,
        })
    }

    /// Whether an entry of the space attaches a blob, or a folder that is made of it, or a person
    /// wants it.
    pub(super) fn has(&self, space: &SpaceId, hash: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.wanted.get((*space.as_bytes(), *hash))?.is_some()
            || is_named(&self.claims, &self.folders, space, hash)?)
    }
}

/// Which files and folders of a space blobs are of.
pub(super) struct Naming {
    space: [u8; 32],
    folders: redb::ReadOnlyTable<Triple, ()>,
    /// The serials of the entries that named them first.
    serials: BTreeMap<[u8; 32], u64>,
}

impl Naming {
    pub(super) fn read(snapshot: &Snapshot, space: &SpaceId) -> Result<Self, StoreError> {
        let id = *space.as_bytes();
        let order = snapshot.table(ORDER)?;
        let mut serials = BTreeMap::new();
        for row in order.range((id, 0, 0)..=(id, u64::MAX, u8::MAX))? {
            let (key, hash) = row?;
            serials.insert(hash.value(), key.value().1);
        }
        Ok(Self { space: id, folders: snapshot.table(FOLDERS)?, serials })
    }

    /// The files and folders that a blob is, or is a piece of, with those serials.
    pub(super) fn of(&self, hash: &[u8; 32]) -> Result<Vec<([u8; 32], u64)>, StoreError> {
        let serial = |hash: &[u8; 32]| self.serials.get(hash).map(|serial| (*hash, *serial));
        let mut of: Vec<_> = serial(hash).into_iter().collect();
        for row in self.folders.range((self.space, *hash, NONE)..=(self.space, *hash, ALL))? {
            of.extend(serial(&row?.0.value().2));
        }
        Ok(of)
    }
}

fn is_named(
    claims: &impl ReadableTable<Pair, &'static [u8]>,
    folders: &impl ReadableTable<Triple, ()>,
    space: &SpaceId,
    hash: &[u8; 32],
) -> Result<bool, StoreError> {
    let id = *space.as_bytes();
    if claims::has(claims, &id, hash)? {
        return Ok(true);
    }
    for row in folders.range((id, *hash, NONE)..=(id, *hash, ALL))? {
        let (_, _, folder) = row?.0.value();
        if claims::has(claims, &id, &folder)? {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Store {
    /// What is believed of a file that entries of a space name.
    ///
    /// # Errors
    /// The disk's.
    pub fn attachment(
        &self,
        space: &SpaceId,
        hash: &[u8; 32],
    ) -> Result<Option<Attachment>, StoreError> {
        Ok(self.claims(space, hash)?.best().cloned())
    }

    /// The files that entries of a space name, those that arrived last first, `most` at most.
    ///
    /// # Errors
    /// The disk's.
    pub fn attached(&self, space: &SpaceId, most: usize) -> Result<Vec<Attachment>, StoreError> {
        let id = *space.as_bytes();
        let hashes = self.read(|snapshot| {
            let order = snapshot.table(ORDER)?;
            let newest = order.range((id, 0, 0)..=(id, u64::MAX, u8::MAX))?.rev().take(most);
            newest.map(|row| Ok(row?.1.value())).collect::<Result<Vec<_>, StoreError>>()
        })?;
        let attached = hashes.iter().map(|hash| self.attachment(space, hash));
        attached.filter_map(Result::transpose).collect()
    }

    /// Notes of which blobs the files of a folder are made, and how many bytes these have.
    ///
    /// # Errors
    /// The disk's.
    pub async fn add_pieces(
        &self,
        space: SpaceId,
        folder: [u8; 32],
        pieces: Vec<[u8; 32]>,
        size: u64,
    ) -> Result<(), StoreError> {
        let id = *space.as_bytes();
        self.write(pieces.len() * 192, move |tx| {
            super::spaces::find(tx, &space)?;
            folders::note(tx, (id, folder), size)?;
            let (mut by_folder, mut by_piece) = (tx.change(PIECES)?, tx.change(FOLDERS)?);
            for piece in &pieces {
                by_folder.insert((id, folder, *piece), ())?;
                by_piece.insert((id, *piece, folder), ())?;
            }
            Ok(())
        })
        .await
    }

    /// Notes that a file or folder is to be fetched, also after a restart.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the space was left; the disk's.
    pub async fn want(
        &self,
        space: SpaceId,
        hash: [u8; 32],
        destination: Option<&Path>,
        paused: bool,
    ) -> Result<(), StoreError> {
        let row = WantedRow { destination: destination.map(bytes_of_path), paused };
        let row = row::encode(&row);
        self.write(row.len(), move |tx| {
            super::spaces::find(tx, &space)?;
            tx.change(WANTED)?.insert((*space.as_bytes(), hash), row.as_slice())?;
            Ok(())
        })
        .await
    }

    /// Notes that a file or folder is here, or is not to be fetched any more.
    ///
    /// # Errors
    /// The disk's.
    pub async fn unwant(&self, space: SpaceId, hash: [u8; 32]) -> Result<(), StoreError> {
        self.write(0, move |tx| {
            let key = (*space.as_bytes(), hash);
            if tx.look(WANTED)?.get(key)?.is_some() {
                tx.change(WANTED)?.remove(key)?;
            }
            Ok(())
        })
        .await
    }

    /// All that is to be fetched.
    ///
    /// # Errors
    /// The disk's.
    pub fn wanted(&self) -> Result<Vec<Wanted>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(WANTED)?;
            let rows = table.iter()?;
            rows.map(|entry| {
                let (key, bytes) = entry?;
                let (space, hash) = key.value();
                let WantedRow { destination, paused } = row::decode("wanted", bytes.value())?;
                let path = |bytes: Vec<u8>| {
                    path_of_bytes(&bytes).ok_or_else(|| StoreError::bad_row("wanted"))
                };
                let destination = destination.map(path).transpose()?;
                Ok(Wanted { space: SpaceId::from_bytes(space), hash, destination, paused })
            })
            .collect()
        })
    }

    /// Deletes what is held of a file or folder for a space. What entries say of it stays, so that it
    /// can be fetched again; a person's own file stays, and is not given to others any more. Pieces
    /// that another file or folder of the space is made of stay, too.
    ///
    /// # Errors
    /// The disk's.
    pub async fn drop_file(&self, space: SpaceId, hash: [u8; 32]) -> Result<(), StoreError> {
        let id = *space.as_bytes();
        let gone = self
            .write(0, move |tx| {
                folders::forget(tx, (id, hash))?;
                let (mut by_folder, mut by_piece) = (tx.change(PIECES)?, tx.change(FOLDERS)?);
                let claims = tx.look(CLAIMS)?;
                let mut gone = vec![hash];
                for row in by_folder.range((id, hash, NONE)..=(id, hash, ALL))? {
                    gone.push(row?.0.value().2);
                }
                by_folder.retain_in((id, hash, NONE)..=(id, hash, ALL), |_, ()| false)?;
                for piece in &gone {
                    by_piece.remove((id, *piece, hash))?;
                }
                let is_free = |piece: &[u8; 32]| -> Result<bool, StoreError> {
                    let mut others = by_piece.range((id, *piece, NONE)..=(id, *piece, ALL))?;
                    let named = *piece != hash && claims::has(&claims, &id, piece)?;
                    Ok(others.next().is_none() && !named)
                };
                let mut free = Vec::new();
                for piece in gone {
                    if is_free(&piece)? {
                        free.push(piece);
                    }
                }
                Ok(free)
            })
            .await?;
        self.release(BlobScope::Space(space), gone).await
    }
}
