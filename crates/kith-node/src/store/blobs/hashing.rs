//! Reading a file from end to end with all cores: hashing it, and on the way copying it, sealing it
//! and writing its tree. Memory is a block for each core, whatever the file's size.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use kith_log::file::FileKey;
use kith_overlay::blob::{BLOCK, TreeBuilder, blocks_of, hash_block};

use crate::store::disk::DiskFile;
use crate::store::error::StoreError;

/// Threads of one pass. More do not read any faster.
const MAX_THREADS: usize = 8;

/// Hashes of blocks on their way from the threads: keeps a fast thread from running far ahead.
const QUEUE: usize = 64;

/// Zeros, to compare with: a hole that is copied stays a hole.
static ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];

/// A file, and what it is called where it fails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    pub(super) file: &'a dyn DiskFile,
    pub(super) path: &'a Path,
}

impl Named<'_> {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), StoreError> {
        let read = self.file.read_at(offset, out);
        read.map_err(|error| StoreError::plain("read", self.path, error))
    }

    pub(super) fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), StoreError> {
        let written = self.file.write_at(offset, data);
        written.map_err(|error| StoreError::io("write", self.path, error))
    }
}

/// What is done with a file while it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass<'a> {
    pub(super) from: Named<'a>,
    pub(super) size: u64,
    /// Where its bytes go, too: a file that has this size, and is all zeros.
    pub(super) copy_to: Option<Named<'a>>,
    /// What seals the bytes before they are hashed.
    pub(super) key: Option<&'a FileKey>,
    /// Where the tree goes.
    pub(super) tree: Option<Named<'a>>,
}

/// Who waits for a pass: may end it, and is told of each block.
pub(super) trait Watcher: Sync {
    /// Whether nobody waits any more.
    fn is_gone(&self) -> bool;
    /// So many bytes more are done.
    fn done(&self, bytes: u64);
}

impl Pass<'_> {
    /// Reads the file; returns the hash of its bytes, as they are sealed.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where the file ends before its size; [`StoreError::Closed`] where the
    /// watcher is gone; the disk's.
    pub(super) fn run(&self, watcher: &dyn Watcher) -> Result<[u8; 32], StoreError> {
        let blocks = blocks_of(self.size);
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let threads = cores.min(MAX_THREADS).min(usize::try_from(blocks).unwrap_or(MAX_THREADS));
        let work = Work { pass: self, watcher, next: AtomicU64::new(0), ended: false.into() };
        if threads == 1 {
            let mut join = Join::new(self);
            let mut buffer = Vec::new();
            while let Some((block, hash)) = work.next(&mut buffer)? {
                join.take(block, hash)?;
            }
            return join.root();
        }
        let (sender, hashes) = sync_channel(QUEUE);
        thread::scope(|scope| {
            for _ in 0..threads {
                let (sender, work) = (sender.clone(), &work);
                scope.spawn(move || work.run(&sender));
            }
            drop(sender);
            let result = join_all(self, &hashes);
            // The others stop at their next block, and their messages are not waited for.
            work.ended.store(true, Ordering::Relaxed);
            drop(hashes);
            result
        })
    }
}

type Hashed = (u64, [u8; 32]);

struct Work<'a> {
    pass: &'a Pass<'a>,
    watcher: &'a dyn Watcher,
    next: AtomicU64,
    ended: AtomicBool,
}

impl Work<'_> {
    fn run(&self, sender: &SyncSender<Result<Hashed, StoreError>>) {
        let mut buffer = Vec::new();
        while let Some(result) = self.next(&mut buffer).transpose() {
            let failed = result.is_err();
            if sender.send(result).is_err() || failed {
                return;
            }
        }
    }

    /// Does the next block; `None` after the last one.
    fn next(&self, buffer: &mut Vec<u8>) -> Result<Option<Hashed>, StoreError> {
        let pass = self.pass;
        let block = self.next.fetch_add(1, Ordering::Relaxed);
        if block >= blocks_of(pass.size) || self.ended.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if self.watcher.is_gone() {
            return Err(StoreError::Closed);
        }
        let offset = block * BLOCK;
        let length = BLOCK.min(pass.size - offset);
        buffer.resize(length as usize, 0);
        pass.from.read_at(offset, buffer)?;
        if let Some(to) = pass.copy_to
            && buffer[..] != ZEROS[..buffer.len()]
        {
            to.write_at(offset, buffer)?;
        }
        if let Some(key) = pass.key {
            key.apply(offset, buffer);
        }
        let hashed = hash_block(pass.size, block, buffer);
        if let Some(tree) = pass.tree
            && !hashed.pairs.is_empty()
        {
            tree.write_at(hashed.at, &hashed.pairs)?;
        }
        self.watcher.done(length);
        Ok(Some((block, hashed.hash)))
    }
}

/// Joins the blocks' hashes in their order.
struct Join<'a> {
    pass: &'a Pass<'a>,
    builder: TreeBuilder,
    next: u64,
    /// Those that came before their turn: a few for each thread, as long as none of them hangs.
    early: BTreeMap<u64, [u8; 32]>,
}

impl<'a> Join<'a> {
    fn new(pass: &'a Pass<'a>) -> Self {
        Self { pass, builder: TreeBuilder::new(pass.size), next: 0, early: BTreeMap::new() }
    }

    fn take(&mut self, block: u64, hash: [u8; 32]) -> Result<(), StoreError> {
        self.early.insert(block, hash);
        while let Some(hash) = self.early.remove(&self.next) {
            self.next += 1;
            let mut written = Ok(());
            self.builder.push(hash, |at, pair| {
                if let (Ok(()), Some(tree)) = (&written, self.pass.tree) {
                    written = tree.write_at(at, &pair);
                }
            });
            written?;
        }
        Ok(())
    }

    fn root(&self) -> Result<[u8; 32], StoreError> {
        // A thread that panicked sent no hash.
        self.builder.root().map(Into::into).ok_or(StoreError::Closed)
    }
}

fn join_all(
    pass: &Pass<'_>,
    hashes: &Receiver<Result<Hashed, StoreError>>,
) -> Result<[u8; 32], StoreError> {
    let mut join = Join::new(pass);
    for hashed in hashes {
        let (block, hash) = hashed?;
        join.take(block, hash)?;
    }
    join.root()
}
