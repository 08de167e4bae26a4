//! Telling that an older database was put back in the place of this one.
//!
//! The database and a small file beside it have a random mark in common, which changes at each
//! opening. A database that was put back, even byte by byte into the same file, has a mark that the
//! small file has forgotten.

use std::io;
use std::path::Path;

use redb::ReadableTable;

use super::database::Database;
use super::disk::{Disk, Open};
use super::error::StoreError;
use super::identity::random;
use super::schema::META;
use super::writer::{Tx, write_once};

/// The file's name in the data directory.
const MARK_FILE: &str = "opened";
/// Under this name in [`META`]: the mark of the last opening.
const MARK: &str = "opened";

type Mark = [u8; 16];

/// The marks that the small file has: the new one and, until the database has that, the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks([Mark; 2]);

impl Marks {
    /// What the file says; `None` where it is missing or makes no sense.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> Option<Self> {
        let mut bytes = [0; 32];
        disk.open(&dir.join(MARK_FILE), Open::Read).ok()?.read_at(0, &mut bytes).ok()?;
        let (new, old) = bytes.split_at(16);
        Some(Self([new.try_into().ok()?, old.try_into().ok()?]))
    }

    fn write(self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        // Less than a sector: a power cut leaves all of it or nothing.
        let file = disk.open(&dir.join(MARK_FILE), Open::Write)?;
        file.write_at(0, self.0.as_flattened())?;
        file.sync()
    }
}

/// Whether the file has forgotten the database's mark. A database without one was never opened.
pub(super) fn is_forgotten(tx: &Tx<'_>, marks: Option<Marks>) -> Result<bool, StoreError> {
    let Some(held) = held(tx)? else { return Ok(false) };
    Ok(!marks.is_some_and(|marks| marks.0.contains(&held)))
}

fn held(tx: &Tx<'_>) -> Result<Option<Mark>, StoreError> {
    let table = tx.look(META)?;
    let Some(mark) = table.get(MARK)? else { return Ok(None) };
    mark.value().try_into().map(Some).map_err(|_| StoreError::bad_row("meta"))
}

/// Gives both a new mark. Each step may be the last one before a power cut.
///
/// # Errors
/// The disk's. Both still have a mark in common then.
pub(super) fn renew(
    disk: &dyn Disk,
    dir: &Path,
    database: &Database,
    marks: Option<Marks>,
) -> Result<(), StoreError> {
    let failed = |error| StoreError::io("write", &dir.join(MARK_FILE), error);
    let new: Mark = random()?;
    let old = write_once(database, held)?.unwrap_or(new);
    Marks([new, old]).write(disk, dir).map_err(failed)?;
    if marks.is_none() {
        disk.sync_dir(dir).map_err(failed)?;
    }
    write_once(database, |tx| {
        tx.change(META)?.insert(MARK, new.as_slice())?;
        Ok(())
    })?;
    Marks([new, new]).write(disk, dir).map_err(failed)
}
