//! redb's storage over a [`DiskFile`].
//!
//! Locks are not redb's here: the data directory's lock is taken before the file is opened.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use redb::StorageBackend;

use super::disk::DiskFile;

/// Ranges remembered between two syncs. Bounds memory at 64 KiB; beyond it, neighbours are joined.
const MAX_RANGES: usize = 4_096;
/// Bytes rewritten at once after a failed sync.
const REWRITE_CHUNK: usize = 256 * 1024;

/// What was written since the last good sync.
///
/// When a sync fails, the system may drop what it could not write from its cache, or keep it there
/// and call it clean: in both cases the next sync says yes to bytes that are on no disk. So these
/// ranges are read back and written anew before the file is believed again.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    ranges: Vec<Range<u64>>,
    failed: bool,
}

impl Unsynced {
    fn wrote(&mut self, range: Range<u64>) {
        match self.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => self.ranges.push(range),
        }
        if self.ranges.len() > MAX_RANGES {
            self.join();
        }
    }

    /// Joins ranges until half of them are left: rewriting more than was written does no harm.
    fn join(&mut self) {
        self.ranges.sort_unstable_by_key(|range| range.start);
        self.ranges = self
            .ranges
            .chunks(2)
            .map(|pair| pair[0].start..pair.iter().map(|range| range.end).max().unwrap_or(0))
            .collect();
    }

    /// After a failed sync: writes again what the file says now, and syncs it.
    pub(super) fn heal(&mut self, file: &dyn DiskFile) -> io::Result<()> {
        if !self.failed {
            return Ok(());
        }
        let len = file.len()?;
        let mut chunk = vec![0; REWRITE_CHUNK];
        for range in &self.ranges {
            let mut at = range.start;
            let end = range.end.min(len);
            while at < end {
                let size = (end - at).min(REWRITE_CHUNK as u64) as usize;
                file.read_at(at, &mut chunk[..size])?;
                file.write_at(at, &chunk[..size])?;
                at += size as u64;
            }
        }
        file.sync()?;
        *self = Self::default();
        Ok(())
    }
}

/// The database's file.
#[derive(Debug)]
pub(super) struct Backend {
    file: Box<dyn DiskFile>,
    unsynced: Arc<Mutex<Unsynced>>,
}

impl Backend {
    pub(super) fn new(file: Box<dyn DiskFile>, unsynced: Arc<Mutex<Unsynced>>) -> Self {
        Self { file, unsynced }
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.file.sync();
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) if !unsynced.failed => unsynced.ranges.clear(),
            Ok(()) => {}
            Err(_) => unsynced.failed = true,
        }
        result
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let range = offset..offset + data.len() as u64;
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner).wrote(range);
        self.file.write_at(offset, data)
    }
}
