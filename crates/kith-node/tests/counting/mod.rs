//! The disk of this machine, which counts what is read of it, has the room that a test says, and stops where
//! one says.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex};

use kith_node::store::{Disk, DiskFile, FileIdentity, Held, Open, Stamp, StoreError, SystemDisk};

/// This machine's disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counting {
    /// Bytes that were read.
    pub(crate) read: Arc<AtomicUsize>,
    /// Bytes that are free, as it says; without a number it can't tell.
    pub(crate) free: Arc<Mutex<Option<u64>>>,
    /// Who looks at this path next says so, and waits.
    pub(crate) gate: Arc<Mutex<Option<Gate>>>,
}

/// A path, who is told, and who is waited for.
#[derive(Debug)]
pub(crate) struct Gate(pub(crate) PathBuf, pub(crate) SyncSender<()>, pub(crate) Receiver<()>);

#[derive(Debug)]
struct CountingFile(Box<dyn DiskFile>, Arc<AtomicUsize>);

impl Disk for Counting {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_dir(path)
    }

    fn lock(&self, dir: &Path) -> Result<Box<dyn Held>, StoreError> {
        SystemDisk.lock(dir)
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(CountingFile(SystemDisk.open(path, how)?, self.read.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename_new(from, to)
    }

    fn clone_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.clone_file(from, to)
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let gate = self.gate.lock().unwrap().take_if(|Gate(at, ..)| at == path);
        if let Some(Gate(_, told, waited_for)) = gate {
            told.send(()).unwrap();
            waited_for.recv().unwrap();
        }
        SystemDisk.stamp(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }

    fn list(&self, dir: &Path, name: &mut dyn FnMut(String) -> bool) -> io::Result<()> {
        SystemDisk.list(dir, name)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        SystemDisk.sync_dir(dir)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        SystemDisk.identity(path)
    }

    fn free(&self, folder: &Path) -> io::Result<Option<u64>> {
        // What is missing has no disk, on this one too.
        SystemDisk.free(folder)?;
        Ok(*self.free.lock().unwrap())
    }

    fn taken(&self, path: &Path) -> io::Result<Option<u64>> {
        SystemDisk.taken(path)
    }
}

impl DiskFile for CountingFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.1.fetch_add(out.len(), Ordering::Relaxed);
        self.0.read_at(offset, out)
    }

    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        self.0.data_from(offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn sync_stamp(&self) -> io::Result<()> {
        self.0.sync_stamp()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        self.0.stamp()
    }
}
