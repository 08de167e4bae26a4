//! The encoding of a blob's groups, made from a store and taken apart into parts for one.

use std::ops::Range;
use std::sync::Arc;

use blake3::Hash;
use bytes::{Bytes, BytesMut};

use super::groups::Groups;
use super::tree::{Item, NotTheBlob, PAIR, Walk, tree_size};
use crate::storage::{BlobPart, BlobStorage, StorageError, StorageResult};

/// Bytes of a blob that are read from a store at once. A multiple of a group.
const READ_AHEAD: u64 = 256 * 1024;

/// Bytes of a stored tree that are read from a store at once: enough for 16 MiB of blob.
const TREE_READ_AHEAD: u64 = 64 * 1024;

/// Bytes after which a received part goes to the store. A multiple of a group.
const PART: usize = 256 * 1024;

/// Makes the encoding of groups of a blob that a store holds, verifying what the store reads.
#[derive(Debug)]
pub struct Encoder<S: ?Sized> {
    storage: Arc<S>,
    hash: [u8; 32],
    walk: Walk,
    data: Window,
    tree: Window,
}

impl<S: BlobStorage + ?Sized> Encoder<S> {
    /// The encoding of `groups`, which the store holds; there is one at least.
    pub fn new(storage: Arc<S>, hash: [u8; 32], size: u64, groups: &Groups) -> Self {
        Self {
            storage,
            hash,
            walk: Walk::new(Hash::from(hash), size, groups),
            data: Window::new(groups.byte_ranges(size), READ_AHEAD),
            tree: Window::new(std::iter::once(0..tree_size(size)).collect(), TREE_READ_AHEAD),
        }
    }

    /// The next bytes, a group at most; none at the end.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] where the store's bytes are not the blob's; the store was told.
    pub async fn next(&mut self) -> StorageResult<Option<Bytes>> {
        let Some(item) = self.walk.next() else { return Ok(None) };
        let bytes = match item {
            Item::Pair(at) => self.tree.get(&*self.storage, &self.hash, true, at, PAIR).await?,
            Item::Data(range) => {
                let length = (range.end - range.start) as usize;
                self.data.get(&*self.storage, &self.hash, false, range.start, length).await?
            }
        };
        if self.walk.accept(&bytes).is_err() {
            self.storage.blob_damaged(&self.hash).await;
            return Err(StorageError::Damaged);
        }
        Ok(Some(bytes))
    }
}

/// Bytes read ahead of a store.
#[derive(Debug)]
struct Window {
    /// Where there is something to read.
    bounds: Vec<Range<u64>>,
    ahead: u64,
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn new(bounds: Vec<Range<u64>>, ahead: u64) -> Self {
        Self { bounds, ahead, start: 0, bytes: Bytes::new() }
    }

    async fn get<S: BlobStorage + ?Sized>(
        &mut self,
        storage: &S,
        hash: &[u8; 32],
        tree: bool,
        at: u64,
        length: usize,
    ) -> StorageResult<Bytes> {
        let held = at >= self.start && at + length as u64 <= self.start + self.bytes.len() as u64;
        if !held && length > 0 {
            let bound = self.bounds.iter().find(|bound| bound.contains(&at));
            let end = bound.map_or(at, |bound| bound.end).min(at + self.ahead);
            let wanted = ((end - at) as usize).max(length);
            self.bytes = if tree {
                storage.read_blob_tree(hash, at, wanted).await?
            } else {
                storage.read_blob(hash, at, wanted).await?
            };
            self.start = at;
        }
        let from = (at - self.start.min(at)) as usize;
        let Some(end) = from.checked_add(length).filter(|end| *end <= self.bytes.len()) else {
            return Err(StorageError::Damaged);
        };
        Ok(self.bytes.slice(from..end))
    }
}

/// Takes an encoding apart, verifying it.
///
/// Bytes go in by [`Decoder::feed`], verified parts come out.
#[derive(Debug)]
pub struct Decoder {
    walk: Walk,
    part: BlobPart,
    data: BytesMut,
    /// Bytes of the item that is under way: at the end of `data`, or in `pair`.
    pending: usize,
    pair: [u8; PAIR],
    failed: bool,
}

impl Decoder {
    /// Expects the encoding of `groups` of a blob; there is one at least.
    pub fn new(hash: [u8; 32], size: u64, groups: &Groups) -> Self {
        Self {
            walk: Walk::new(Hash::from(hash), size, groups),
            part: BlobPart::default(),
            data: BytesMut::new(),
            pending: 0,
            pair: [0; PAIR],
            failed: false,
        }
    }

    /// Takes bytes off `bytes` until a part is full, all are taken, or the encoding is complete.
    ///
    /// # Errors
    /// [`NotTheBlob`] for wrong bytes and for bytes after the end: the sender's fault.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<BlobPart>, NotTheBlob> {
        while let Some(item) = self.walk.next() {
            if let Item::Data(range) = &item
                && self.pending == 0
                && self.part.offset + self.data.len() as u64 != range.start
            {
                let full = (!self.data.is_empty()).then(|| self.take());
                self.part.offset = range.start;
                if full.is_some() {
                    return Ok(full);
                }
            }
            let missing = item.length() - self.pending;
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            *bytes = rest;
            match &item {
                Item::Pair(_) => self.pair[self.pending..][..now.len()].copy_from_slice(now),
                Item::Data(_) => self.data.extend_from_slice(now),
            }
            self.pending += now.len();
            if self.pending < item.length() {
                return Ok(None);
            }
            self.pending = 0;
            match item {
                Item::Pair(at) => {
                    self.walk.accept(&self.pair).inspect_err(|_| self.failed = true)?;
                    self.part.pairs.push((at, self.pair));
                }
                Item::Data(range) => {
                    let start = (range.start - self.part.offset) as usize;
                    if let Err(wrong) = self.walk.accept(&self.data[start..]) {
                        self.data.truncate(start);
                        self.failed = true;
                        return Err(wrong);
                    }
                    if self.data.len() >= PART {
                        return Ok(Some(self.take()));
                    }
                }
            }
        }
        if bytes.is_empty() { Ok(None) } else { Err(NotTheBlob) }
    }

    /// Whether everything has come.
    pub fn is_complete(&self) -> bool {
        !self.failed && self.walk.next().is_none()
    }

    /// What was verified and not yet returned; for the end, and for a cut.
    pub fn rest(mut self) -> Option<BlobPart> {
        if matches!(self.walk.next(), Some(Item::Data(_))) {
            self.data.truncate(self.data.len() - self.pending);
        }
        let part = self.take();
        (!part.data.is_empty() || !part.pairs.is_empty() || self.is_complete()).then_some(part)
    }

    fn take(&mut self) -> BlobPart {
        let data = self.data.split().freeze();
        let next = self.part.offset + data.len() as u64;
        let offset = std::mem::replace(&mut self.part.offset, next);
        BlobPart { offset, data, pairs: std::mem::take(&mut self.part.pairs) }
    }
}
