//! What the overlay asks of a store of blobs.

use std::ops::Range;

use bytes::Bytes;
use kith_log::SpaceId;

use super::StorageResult;
use crate::blob::{GROUP, Groups, groups_of};
use crate::boxed::{BoxFuture, Threaded};

/// Most bytes of one [`BlobStorage::read_blob`] and [`BlobStorage::read_blob_tree`]: 1 MiB.
pub const MAX_BLOB_READ: usize = 1024 * 1024;

/// Who may have a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlobScope {
    /// Everyone: bundles of apps, and what was shared by a link.
    Public,
    /// Those who entered this space.
    Space(SpaceId),
}

/// How much of a blob is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobState {
    /// Nothing, or nothing in that scope.
    Absent,
    /// Some groups of it. After a crash there may be fewer than were written, never more.
    Partial {
        /// Bytes of the whole.
        size: u64,
        /// The groups that are here and can be believed.
        held: Groups,
    },
    /// All of it.
    Complete {
        /// Its bytes.
        size: u64,
    },
}

/// A verified part of a blob: whole groups in a row, and the hash pairs of the tree that prove them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlobPart {
    /// Where `data` stands in the blob; the start of a group.
    pub offset: u64,
    /// Bytes of whole groups (the last one of a blob may be short). Empty where there are only pairs.
    pub data: Bytes,
    /// Hash pairs, with their offset in the stored tree (pre-order, as
    /// [`tree_of`](crate::blob::tree_of) writes it).
    pub pairs: Vec<(u64, [u8; 64])>,
}

impl BlobPart {
    /// The groups whose bytes it has, in a blob of `size` bytes.
    pub fn groups(&self, size: u64) -> Range<u64> {
        let end = self.offset + self.data.len() as u64;
        let end = if end == size { groups_of(size) } else { end / GROUP };
        let start = self.offset / GROUP;
        if self.data.is_empty() && size > 0 { start..start } else { start..end }
    }
}

/// A store of blobs. A blob is named by its BLAKE3 hash; the same blob may be in several scopes.
pub trait BlobStorage: Threaded {
    /// How much of a blob is held for those in `scope`.
    fn blob_state<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<BlobState>>;

    /// Reads exactly `length` bytes of a blob, at most [`MAX_BLOB_READ`], in groups that are held.
    ///
    /// # Errors
    /// [`NotHeld`](super::StorageError::NotHeld) where they are not.
    fn read_blob<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>>;

    /// Reads exactly `length` bytes of a blob's stored tree, at most [`MAX_BLOB_READ`]. Pairs that
    /// were never written read as anything.
    fn read_blob_tree<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>>;

    /// Writes a verified part of a blob, making the blob where there is none. Need not be durable:
    /// [`BlobStorage::finish_blob`] is. Parts come in any order, also of several tasks at once, and
    /// may come twice; with the first part of a new scope the blob is in that scope.
    ///
    /// # Errors
    /// [`Full`](super::StorageError::Full) also where `size` is not what fits.
    fn write_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
        size: u64,
        part: BlobPart,
    ) -> BoxFuture<'a, StorageResult<()>>;

    /// Makes a blob durable of which every group was written, and from then on complete. Where it
    /// is complete already, adds it to the scope; that too is durable then.
    ///
    /// # Errors
    /// [`NotHeld`](super::StorageError::NotHeld) where groups are missing.
    fn finish_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<()>>;

    /// Told when bytes that were read proved not to be the blob's: whatever lies under it was
    /// changed. It should be shown, and not be served any more.
    fn blob_damaged<'a>(&'a self, hash: &'a [u8; 32]) -> BoxFuture<'a, ()>;
}
