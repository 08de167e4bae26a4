//! A disk that syncs nothing, for stores that are filled once and thrown away.

use std::io::Result;
use std::path::Path;

use kith_node::store::{Disk, DiskFile, FileIdentity, Held, Open, Stamp, StoreError, SystemDisk};

#[derive(Debug)]
pub(crate) struct Unsynced;

#[derive(Debug)]
struct File(Box<dyn DiskFile>);

impl Disk for Unsynced {
    fn create_dir(&self, path: &Path) -> Result<()> {
        SystemDisk.create_dir(path)
    }

    fn lock(&self, dir: &Path) -> std::result::Result<Box<dyn Held>, StoreError> {
        SystemDisk.lock(dir)
    }

    fn open(&self, path: &Path, how: Open) -> Result<Box<dyn DiskFile>> {
        Ok(Box::new(File(SystemDisk.open(path, how)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<()> {
        SystemDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        SystemDisk.rename_new(from, to)
    }

    fn clone_file(&self, from: &Path, to: &Path) -> Result<()> {
        SystemDisk.clone_file(from, to)
    }

    fn stamp(&self, path: &Path) -> Result<Stamp> {
        SystemDisk.stamp(path)
    }

    fn remove(&self, path: &Path) -> Result<()> {
        SystemDisk.remove(path)
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(String) -> bool) -> Result<()> {
        SystemDisk.list(dir, visit)
    }

    fn sync_dir(&self, _dir: &Path) -> Result<()> {
        Ok(())
    }

    fn identity(&self, path: &Path) -> Result<Option<FileIdentity>> {
        SystemDisk.identity(path)
    }
}

impl DiskFile for File {
    fn len(&self) -> Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<()> {
        self.0.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        self.0.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> Result<()> {
        Ok(())
    }

    fn sync_stamp(&self) -> Result<()> {
        Ok(())
    }

    fn stamp(&self) -> Result<Stamp> {
        self.0.stamp()
    }
}
