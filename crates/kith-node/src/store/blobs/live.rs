//! A blob whose files are open.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kith_overlay::blob::{GROUP, Groups, groups_of, tree_size};
use kith_overlay::storage::BlobPart;

use super::table::Blob;
use crate::store::disk::DiskFile;

/// New bytes after which a transfer's progress is synced and kept: what a crash costs at most.
/// 16 MiB.
const KEEP_EVERY: u64 = 16 * 1024 * 1024;

/// An open blob.
#[derive(Debug)]
pub(super) struct Live {
    /// Bytes of the whole.
    pub(super) size: u64,
    data: Box<dyn DiskFile>,
    tree: Box<dyn DiskFile>,
    state: Mutex<State>,
    /// Whether it is being deleted: from then on, no row may name it.
    dead: AtomicBool,
}

#[derive(Debug)]
struct State {
    blob: Blob,
    /// Bytes written since the progress was kept.
    unkept: u64,
}

impl Live {
    pub(super) fn new(blob: Blob, data: Box<dyn DiskFile>, tree: Box<dyn DiskFile>) -> Self {
        let state = Mutex::new(State { blob, unkept: 0 });
        let size = Self::state_of(&state).blob.size;
        Self { size, data, tree, state, dead: AtomicBool::new(false) }
    }

    fn state_of(state: &Mutex<State>) -> MutexGuard<'_, State> {
        state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written of it by now, kept or not.
    pub(super) fn blob(&self) -> Blob {
        Self::state_of(&self.state).blob.clone()
    }

    /// Changes what is known of it; `true` where the change says so.
    pub(super) fn change(&self, change: impl FnOnce(&mut Blob) -> bool) -> bool {
        change(&mut Self::state_of(&self.state).blob)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// Reads bytes in groups that are held; `None` where some are not.
    pub(super) fn read(&self, offset: u64, length: usize) -> io::Result<Option<Bytes>> {
        let Some(end) = offset.checked_add(length as u64).filter(|end| *end <= self.size) else {
            return Ok(None);
        };
        let groups = Groups::range(offset / GROUP..end.div_ceil(GROUP));
        if !Self::state_of(&self.state).blob.held.covers(&groups) {
            return Ok(None);
        }
        read(&*self.data, offset, length).map(Some)
    }

    /// Reads of the tree; `None` beyond its end.
    pub(super) fn read_tree(&self, offset: u64, length: usize) -> io::Result<Option<Bytes>> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > tree_size(self.size)) {
            return Ok(None);
        }
        read(&*self.tree, offset, length).map(Some)
    }

    /// Writes a part. True where it is time to keep the progress.
    pub(super) fn write(&self, part: &BlobPart) -> io::Result<bool> {
        let tree = tree_size(self.size);
        let data_end = part.offset.checked_add(part.data.len() as u64);
        let pair_end = |at: u64| at.checked_add(64);
        if data_end.is_none_or(|end| end > self.size)
            || part.pairs.iter().any(|(at, _)| pair_end(*at).is_none_or(|end| end > tree))
        {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a part outside of its blob"));
        }
        for (at, pair) in &part.pairs {
            self.tree.write_at(*at, pair)?;
        }
        if !part.data.is_empty() {
            self.data.write_at(part.offset, &part.data)?;
        }
        let mut state = Self::state_of(&self.state);
        state.blob.held.insert(part.groups(self.size));
        state.unkept += part.data.len() as u64;
        Ok(state.unkept >= KEEP_EVERY)
    }

    /// Syncs both files, and returns what is on disk then.
    pub(super) fn sync(&self) -> io::Result<Blob> {
        let blob = {
            let mut state = Self::state_of(&self.state);
            state.unkept = 0;
            state.blob.clone()
        };
        self.data.sync()?;
        self.tree.sync()?;
        Ok(blob)
    }

    /// Whether all groups are written.
    pub(super) fn is_full(&self) -> bool {
        Self::state_of(&self.state).blob.held.count() == groups_of(self.size)
    }

    /// Whether nothing of it would be lost by closing its files.
    pub(super) fn is_kept(&self) -> bool {
        let state = Self::state_of(&self.state);
        state.blob.complete
    }
}

fn read(file: &dyn DiskFile, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; length];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes.into())
}
