//! Blobs as files, and the table of those that are here.
//!
//! A blob is two files, `blobs/<hash>` and `blobs/<hash>.tree` (its hash pairs), and a row. The row
//! is written after the files and their folder are synced: it names groups that are on disk, or the
//! whole. What it does not name is believed where it verifies ([`recover`]). A file without a row is
//! what a crash left, and is swept away by [`Store::sweep_files`](super::Store::sweep_files).
//!
//! The bytes of a blob may also be in a file of the person's ([`Place`](place::Place)), which is
//! shared as it is, or to which a blob is fetched. Where a row has a key, the file has the opened
//! bytes, and what leaves is sealed on the way.

mod add;
mod changed;
mod coming;
mod files;
mod hashing;
mod live;
mod loose;
mod place;
mod recover;
mod remove;
mod room;
mod table;
mod transfer;
mod upload;

use redb::{TableDefinition, WriteTransaction};

pub use add::{AddProgress, AddStage, AddedFile, Adding, FilePlace, FileSource};
pub use changed::{ChangedFile, MAX_CHANGED};
pub use coming::Expected;
pub use upload::Upload;

pub(super) use changed::ChangedFiles;
pub(super) use files::Blobs;
pub(super) use loose::{Loose, each, sweep};
#[cfg(test)]
pub(super) use table::lay_row;
pub(super) use table::{index_public, is_complete, size_of};

use self::table::place_blobs;
use super::error::StoreError;

/// A blob's BLAKE3 hash to its `table::BlobRow`.
const BLOBS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("blobs");

/// A scope (a space, or zeros for the public one) and the path of a person's file to the blob that it
/// was when it was shared or fetched.
const OUTSIDE: TableDefinition<'static, ([u8; 32], &[u8]), [u8; 32]> =
    TableDefinition::new("outside files");

/// From format 2 to 3.
pub(super) fn lay_file_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(OUTSIDE)?;
    place_blobs(transaction)
}

pub(super) fn lay_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(BLOBS)?;
    Ok(())
}
