//! A blob whose files are open.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kith_log::file::FileKey;
use kith_overlay::blob::{Buffer, GROUP, Groups, groups_of, tree_size};
use kith_overlay::storage::{BlobPart, BlobScope};

use super::place::{Outside, Place};
use super::table::Blob;
use crate::store::disk::{Disk, DiskFile};

/// New bytes after which a transfer's progress is synced and kept: what a crash costs at most, and
/// what comes while they are synced. 64 MiB.
const KEEP_EVERY: u64 = 64 * 1024 * 1024;

/// An open blob.
#[derive(Debug)]
pub(super) struct Live {
    /// Bytes of the whole.
    pub(super) size: u64,
    data: Box<dyn DiskFile>,
    tree: Box<dyn DiskFile>,
    /// Seals what the file of data has.
    key: Option<FileKey>,
    /// A file of the person's, which must be as it was.
    outside: Option<(Arc<dyn Disk>, Outside)>,
    state: Mutex<State>,
    /// Whether it is being deleted: from then on, no row may name it.
    dead: AtomicBool,
    /// Whether its progress is being kept.
    keeping: AtomicBool,
    /// Whether the names of its files survive a power cut.
    named: AtomicBool,
}

#[derive(Debug)]
struct State {
    blob: Blob,
    /// Bytes written since the progress was kept.
    unkept: u64,
    /// Whether anything was written, or a scope joined, since then.
    dirty: bool,
}

/// How bytes leave.
#[derive(Clone, Debug)]
pub(super) enum Leaving {
    /// As they are sent.
    Sealed,
    /// Opened by this key; without one, the blob is not sealed.
    Opened(Option<FileKey>),
}

impl Live {
    pub(super) fn new(
        blob: Blob,
        data: Box<dyn DiskFile>,
        tree: Box<dyn DiskFile>,
        disk: &Arc<dyn Disk>,
    ) -> Self {
        let outside = match &blob.place {
            Place::Outside(outside) => Some((disk.clone(), outside.clone())),
            Place::Own | Place::Coming(_) => None,
        };
        let (size, key) = (blob.size, blob.key.clone());
        let named = AtomicBool::new(blob.complete);
        let state = Mutex::new(State { blob, unkept: 0, dirty: false });
        let (dead, keeping) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { size, data, tree, key, outside, state, dead, keeping, named }
    }

    /// Believes groups that were found in its files, which are not on disk for sure.
    pub(super) fn believe(&self, found: &Groups) {
        if !found.is_empty() {
            let mut state = self.state();
            state.blob.held.extend(found);
            state.unkept += found.bytes(self.size);
            state.dirty = true;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written of it by now, kept or not.
    pub(super) fn blob(&self) -> Blob {
        self.state().blob.clone()
    }

    /// Changes what is known of it; `true` where the change says so.
    pub(super) fn change(&self, change: impl FnOnce(&mut Blob) -> bool) -> bool {
        change(&mut self.state().blob)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.state().blob.complete
    }

    pub(super) fn is_in(&self, scope: BlobScope) -> bool {
        self.state().blob.scopes.contains(&scope)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Acquire)
    }

    pub(super) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
    }

    /// True for one caller, until [`Self::kept`].
    pub(super) fn begin_keeping(&self) -> bool {
        !self.keeping.swap(true, Ordering::AcqRel)
    }

    pub(super) fn kept(&self) {
        self.keeping.store(false, Ordering::Release);
    }

    /// Whether the names of its files survive a power cut.
    pub(super) fn is_named(&self) -> bool {
        self.named.load(Ordering::Acquire)
    }

    pub(super) fn named(&self) {
        self.named.store(true, Ordering::Release);
    }

    /// Reads bytes in groups that are held; `None` where some are not.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file is not what it was; the disk's.
    pub(super) fn read(
        &self,
        offset: u64,
        length: usize,
        leaving: &Leaving,
    ) -> io::Result<Option<Bytes>> {
        let Some(end) = offset.checked_add(length as u64).filter(|end| *end <= self.size) else {
            return Ok(None);
        };
        let groups = Groups::range(offset / GROUP..end.div_ceil(GROUP));
        if !self.state().blob.held.covers(&groups) {
            return Ok(None);
        }
        let mut bytes = Buffer::with_length(length);
        self.data.read_at(offset, &mut bytes)?;
        // After the reading: what was changed before is noticed, too.
        self.look()?;
        let given = match leaving {
            Leaving::Sealed => None,
            Leaving::Opened(key) => key.as_ref(),
        };
        if self.key.as_ref() != given {
            for key in self.key.iter().chain(given) {
                key.apply(offset, &mut bytes);
            }
        }
        Ok(Some(bytes.freeze()))
    }

    /// As [`Self::read`], but as many bytes as are held in a row, `most` at most.
    pub(super) fn read_some(
        &self,
        offset: u64,
        most: usize,
        leaving: &Leaving,
    ) -> io::Result<Option<Bytes>> {
        let held = {
            let end = self.state().blob.held.end_of(offset / GROUP);
            end.map_or(0, |end| end.saturating_mul(GROUP).min(self.size))
        };
        match usize::try_from(held.saturating_sub(offset)).unwrap_or(usize::MAX).min(most) {
            0 if offset < self.size => Ok(None),
            length => self.read(offset, length, leaving),
        }
    }

    /// Looks whether a file of the person's is as it was.
    fn look(&self) -> io::Result<()> {
        let Some((disk, outside)) = &self.outside else { return Ok(()) };
        if is_intact(&**disk, outside) { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads of the tree; `None` beyond its end.
    pub(super) fn read_tree(&self, offset: u64, length: usize) -> io::Result<Option<Bytes>> {
        let end = offset.checked_add(length as u64);
        if end.is_none_or(|end| end > tree_size(self.size)) {
            return Ok(None);
        }
        let mut bytes = vec![0; length];
        self.tree.read_at(offset, &mut bytes)?;
        Ok(Some(bytes.into()))
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
        let (groups, length) = (part.groups(self.size), part.data.len() as u64);
        self.write_pairs(&part.pairs)?;
        match &self.key {
            _ if part.data.is_empty() => {}
            None => self.data.write_at(part.offset, &part.data)?,
            Some(key) => {
                let mut opened = Buffer::copy_of(&part.data);
                key.apply(part.offset, &mut opened);
                self.data.write_at(part.offset, &opened)?;
            }
        }
        let mut state = self.state();
        state.blob.held.insert(groups);
        state.unkept += length;
        state.dirty = true;
        Ok(state.unkept >= KEEP_EVERY)
    }

    /// Writes pairs: those that stand in a row at once.
    fn write_pairs(&self, pairs: &[(u64, [u8; 64])]) -> io::Result<()> {
        let mut row = Vec::new();
        for run in pairs.chunk_by(|(at, _), (next, _)| at + 64 == *next) {
            row.clear();
            run.iter().for_each(|(_, pair)| row.extend_from_slice(pair));
            self.tree.write_at(run[0].0, &row)?;
        }
        Ok(())
    }

    /// Syncs both files, and returns what is on disk then.
    pub(super) fn sync(&self) -> io::Result<Blob> {
        let blob = {
            let mut state = self.state();
            (state.unkept, state.dirty) = (0, false);
            state.blob.clone()
        };
        match &blob.place {
            Place::Coming(_) => self.data.sync_stamp()?,
            Place::Own | Place::Outside(_) => self.data.sync()?,
        }
        if tree_size(self.size) > 0 {
            self.tree.sync()?;
        }
        Ok(blob)
    }

    /// Whether all groups are written.
    pub(super) fn is_full(&self) -> bool {
        self.state().blob.held.count() == groups_of(self.size)
    }

    /// Whether nothing of it would be lost by closing its files.
    pub(super) fn is_kept(&self) -> bool {
        let state = self.state();
        state.blob.complete || !state.dirty
    }
}

/// Whether a file of the person's is as it was.
pub(super) fn is_intact(disk: &dyn Disk, outside: &Outside) -> bool {
    disk.stamp(&outside.path).is_ok_and(|stamp| stamp == outside.stamp)
}
