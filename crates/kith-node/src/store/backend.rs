//! redb's storage over a [`DiskFile`].
//!
//! Locks are not redb's here: the data directory's lock is taken before the file is opened.

use std::io;
use std::sync::{Mutex, PoisonError};

use redb::StorageBackend;

use super::disk::DiskFile;

/// The database's file.
///
/// A failed sync leaves it open what the disk holds, and the next one may say yes without having
/// written it. That does no harm: a commit syncs its pages before it writes the few bytes that name
/// them, and those are written again by each commit.
#[derive(Debug)]
pub(super) struct Backend(Box<dyn DiskFile>);

impl Backend {
    pub(super) fn new(file: Box<dyn DiskFile>) -> Self {
        Self(file)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }
}

/// The database's file on a disk that can't be written: opening it needs a few writes, which stay
/// in memory and are forgotten. Nothing is ever committed to it.
#[derive(Debug)]
pub(super) struct Frozen {
    file: Box<dyn DiskFile>,
    written: Mutex<Vec<(u64, Vec<u8>)>>,
}

impl Frozen {
    pub(super) fn new(file: Box<dyn DiskFile>) -> Self {
        Self { file, written: Mutex::default() }
    }
}

impl StorageBackend for Frozen {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)?;
        let end = offset + out.len() as u64;
        for (at, data) in &*self.written.lock().unwrap_or_else(PoisonError::into_inner) {
            let from = offset.max(*at);
            let to = end.min(at + data.len() as u64);
            if from < to {
                let data = &data[(from - at) as usize..(to - at) as usize];
                out[(from - offset) as usize..(to - offset) as usize].copy_from_slice(data);
            }
        }
        Ok(())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        match written.iter_mut().find(|(at, old)| *at == offset && old.len() == data.len()) {
            Some((_, old)) => old.copy_from_slice(data),
            None => written.push((offset, data.to_vec())),
        }
        Ok(())
    }
}
