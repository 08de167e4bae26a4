//! Blobs in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::MemoryStorage;
use crate::blob::{GROUP, Groups, tree_of, tree_size};
use crate::boxed::BoxFuture;
use crate::storage::{BlobPart, BlobScope, BlobState, BlobStorage, StorageError, StorageResult};

/// Bytes that the blobs of a [`MemoryStorage`] may have together: 256 MiB.
pub const MAX_MEMORY_BLOBS: u64 = 256 * 1024 * 1024;

pub(super) type Blobs = Mutex<BTreeMap<[u8; 32], Blob>>;

#[derive(Debug)]
pub(super) struct Blob {
    scopes: BTreeSet<BlobScope>,
    data: Vec<u8>,
    tree: Vec<u8>,
    held: Groups,
    complete: bool,
}

impl MemoryStorage {
    /// Adds a whole blob; returns its hash.
    pub fn add_blob(&self, scope: BlobScope, data: &[u8]) -> [u8; 32] {
        let (root, tree) = tree_of(data);
        let blob = Blob {
            scopes: BTreeSet::from([scope]),
            data: data.to_vec(),
            tree,
            held: Groups::all(data.len() as u64),
            complete: true,
        };
        self.blobs().insert(*root.as_bytes(), blob);
        *root.as_bytes()
    }

    /// The bytes of a blob that is complete.
    pub fn blob(&self, hash: &[u8; 32]) -> Option<Vec<u8>> {
        self.blobs().get(hash).filter(|blob| blob.complete).map(|blob| blob.data.clone())
    }

    /// Changes a byte of a blob, as a failing disk does: for tests.
    pub fn corrupt_blob(&self, hash: &[u8; 32], at: usize) {
        if let Some(byte) = self.blobs().get_mut(hash).and_then(|blob| blob.data.get_mut(at)) {
            *byte ^= 1;
        }
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Blob>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn blob_state_of(&self, scope: BlobScope, hash: &[u8; 32]) -> BlobState {
        match self.blobs().get(hash).filter(|blob| blob.scopes.contains(&scope)) {
            None => BlobState::Absent,
            Some(blob) if blob.complete => BlobState::Complete { size: blob.data.len() as u64 },
            Some(blob) => {
                BlobState::Partial { size: blob.data.len() as u64, held: blob.held.clone() }
            }
        }
    }

    fn read(&self, hash: &[u8; 32], offset: u64, length: usize) -> StorageResult<Bytes> {
        let blobs = self.blobs();
        let blob = blobs.get(hash).ok_or(StorageError::NotHeld)?;
        let groups = offset / GROUP..(offset + length as u64).div_ceil(GROUP);
        if !blob.held.covers(&Groups::range(groups)) {
            return Err(StorageError::NotHeld);
        }
        slice(&blob.data, offset, length)
    }

    fn write(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
        size: u64,
        part: BlobPart,
    ) -> StorageResult<()> {
        let mut blobs = self.blobs();
        let used: u64 = blobs.values().map(|blob| blob.data.len() as u64).sum();
        if !blobs.contains_key(hash) && used.saturating_add(size) > MAX_MEMORY_BLOBS {
            return Err(StorageError::Full);
        }
        let blob = blobs.entry(*hash).or_insert_with(|| Blob {
            scopes: BTreeSet::new(),
            data: vec![0; size as usize],
            tree: vec![0; tree_size(size) as usize],
            held: Groups::none(),
            complete: false,
        });
        blob.scopes.insert(scope);
        for (at, pair) in &part.pairs {
            place(&mut blob.tree, *at, pair)?;
        }
        place(&mut blob.data, part.offset, &part.data)?;
        blob.held.insert(part.groups(size));
        Ok(())
    }

    fn finish(&self, scope: BlobScope, hash: &[u8; 32]) -> StorageResult<()> {
        let mut blobs = self.blobs();
        let blob = blobs.get_mut(hash).ok_or(StorageError::NotHeld)?;
        if blob.held != Groups::all(blob.data.len() as u64) {
            return Err(StorageError::NotHeld);
        }
        blob.scopes.insert(scope);
        blob.complete = true;
        Ok(())
    }
}

impl BlobStorage for MemoryStorage {
    fn blob_state<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<BlobState>> {
        Box::pin(async move { Ok(self.blob_state_of(scope, hash)) })
    }

    fn read_blob<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>> {
        Box::pin(async move { self.read(hash, offset, length) })
    }

    fn read_blob_tree<'a>(
        &'a self,
        hash: &'a [u8; 32],
        offset: u64,
        length: usize,
    ) -> BoxFuture<'a, StorageResult<Bytes>> {
        Box::pin(async move {
            let blobs = self.blobs();
            let blob = blobs.get(hash).ok_or(StorageError::NotHeld)?;
            slice(&blob.tree, offset, length)
        })
    }

    fn write_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
        size: u64,
        part: BlobPart,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move { self.write(scope, hash, size, part) })
    }

    fn finish_blob<'a>(
        &'a self,
        scope: BlobScope,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move { self.finish(scope, hash) })
    }

    fn blob_damaged<'a>(&'a self, hash: &'a [u8; 32]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.blobs().remove(hash);
        })
    }
}

fn slice(bytes: &[u8], offset: u64, length: usize) -> StorageResult<Bytes> {
    let start = usize::try_from(offset).map_err(|_| StorageError::NotHeld)?;
    let end = start.checked_add(length).ok_or(StorageError::NotHeld)?;
    Ok(Bytes::copy_from_slice(bytes.get(start..end).ok_or(StorageError::NotHeld)?))
}

fn place(target: &mut [u8], offset: u64, bytes: &[u8]) -> StorageResult<()> {
    let start = usize::try_from(offset).map_err(|_| StorageError::NotHeld)?;
    let end = start.checked_add(bytes.len()).ok_or(StorageError::NotHeld)?;
    target.get_mut(start..end).ok_or(StorageError::NotHeld)?.copy_from_slice(bytes);
    Ok(())
}
