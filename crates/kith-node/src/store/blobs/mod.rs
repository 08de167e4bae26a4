//! Blobs as files, and the table of those that are here.
//!
//! A blob is two files, `blobs/<hash>` and `blobs/<hash>.tree` (its hash pairs), and a row. The row
//! alone is believed, and is written after the files and their folder are synced: it names groups
//! that are on disk, or the whole. A file without a row is what a crash left, and is removed at the
//! next opening.

mod files;
mod live;
mod remove;
mod table;
mod transfer;

use redb::{TableDefinition, WriteTransaction};

pub(super) use files::Blobs;
pub(super) use table::is_complete;

use super::error::StoreError;

/// A blob's BLAKE3 hash to its `table::BlobRow`.
const BLOBS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("blobs");

pub(super) fn lay_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(BLOBS)?;
    Ok(())
}
