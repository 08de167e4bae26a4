//! What a process that was killed had written of a blob, and not kept in its row.
//!
//! Bytes that were written outlive the process, in the system's memory; so all that a blob's files
//! have is looked at once more when they are opened, down the tree from the blob's hash, and what
//! verifies is believed. Whatever else stands there is not: what a power cut tore, another blob's
//! bytes, a key's that is not this blob's.
//!
//! What verifies is written again. A sync that failed may have left it in the system's memory marked
//! as if it were on disk, and the next one would say yes to it.
//!
//! It takes as long as reading what the row does not name; below pairs that were never written, and in
//! holes, nothing is looked at. It holds 1 MiB, and a few pairs for each level of the tree.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use kith_log::file::FileKey;
use kith_overlay::blob::{GROUP, Groups, Item, Look, PAIR, Search, tree_size};

use crate::store::disk::DiskFile;

/// Bytes in a row that are written again at once. 1 MiB.
const RUN: usize = 1024 * 1024;
/// Bytes of the tree that are read at once: 16 KiB, the pairs of 4 MiB.
const WINDOW: u64 = 16 * 1024;

/// The files of a blob that is not complete.
pub(super) struct Files<'a> {
    pub(super) data: &'a dyn DiskFile,
    pub(super) tree: &'a dyn DiskFile,
    /// Seals what the file of data has.
    pub(super) key: Option<&'a FileKey>,
}

/// A pair that verified, above what is looked at.
struct Above {
    /// The end of the groups below it.
    end: u64,
    at: u64,
    pair: [u8; PAIR],
    is_taken: bool,
}

struct Recovery<'a> {
    files: Files<'a>,
    tree_size: u64,
    /// What was read of the tree, and from where on.
    window: (u64, Vec<u8>),
    /// The next bytes of the data that are no hole.
    solid: Range<u64>,
    above: Vec<Above>,
    /// What verified, in a row, and is not written again yet: its groups, bytes as the file has them,
    /// and the pairs above it.
    run: (Range<u64>, Vec<u8>),
    pairs: Vec<(u64, [u8; PAIR])>,
    found: Groups,
}

/// The groups that stand in the files beyond those that are held.
pub(super) fn recover(
    hash: &[u8; 32],
    size: u64,
    held: &Groups,
    files: Files<'_>,
    is_ended: &AtomicBool,
) -> Groups {
    let mut recovery = Recovery {
        files,
        tree_size: tree_size(size),
        window: (0, Vec::new()),
        solid: 0..0,
        above: Vec::new(),
        run: (0..0, Vec::new()),
        pairs: Vec::new(),
        found: Groups::none(),
    };
    let search = Search::new(*hash, size, held.clone());
    if let Err(error) = recovery.run(search, is_ended) {
        // What is not found is fetched again.
        tracing::debug!(%error, "what came before can't be read or written");
    }
    if !recovery.found.is_empty() {
        tracing::debug!(bytes = recovery.found.bytes(size), "a transfer's progress is found again");
    }
    recovery.found
}

impl Recovery<'_> {
    fn run(&mut self, mut search: Search, is_ended: &AtomicBool) -> io::Result<()> {
        let mut sealed = Vec::new();
        while let Some(Look { item, below }) = search.upcoming()
            && !is_ended.load(Ordering::Relaxed)
        {
            if !self.has_data(below.start * GROUP..below.end.saturating_mul(GROUP))? {
                search.skip();
                continue;
            }
            while self.above.last().is_some_and(|above| above.end <= below.start) {
                self.above.pop();
            }
            match item {
                Item::Pair(at) => {
                    let pair = self.pair(at)?;
                    if search.accept(&pair) {
                        self.above.push(Above { end: below.end, at, pair, is_taken: false });
                    }
                }
                Item::Data(range) => {
                    let length = (range.end - range.start) as usize;
                    if below.start != self.run.0.end || self.run.1.len() + length > RUN {
                        self.write_run()?;
                        self.run.0 = below.start..below.start;
                    }
                    let start = self.run.1.len();
                    self.run.1.resize(start + length, 0);
                    self.files.data.read_at(range.start, &mut self.run.1[start..])?;
                    sealed.clear();
                    sealed.extend_from_slice(&self.run.1[start..]);
                    if let Some(key) = self.files.key {
                        key.apply(range.start, &mut sealed);
                    }
                    if search.accept(&sealed) {
                        self.take(below.end);
                    } else {
                        self.run.1.truncate(start);
                    }
                }
            }
        }
        self.write_run()
    }

    /// Whether there is more than a hole in a range; each one asked for begins where the one before
    /// did, or behind it.
    fn has_data(&mut self, range: Range<u64>) -> io::Result<bool> {
        if self.solid.end <= range.start {
            self.solid = self.files.data.data_from(range.start)?;
        }
        Ok(self.solid.start < range.end && !self.solid.is_empty())
    }

    fn pair(&mut self, at: u64) -> io::Result<[u8; PAIR]> {
        let (start, bytes) = &mut self.window;
        let end = at + PAIR as u64;
        if at < *start || end > *start + bytes.len() as u64 {
            bytes.resize(WINDOW.min(self.tree_size.saturating_sub(at)) as usize, 0);
            *start = at;
            self.files.tree.read_at(at, bytes)?;
        }
        let from = (at - *start) as usize;
        let pair = bytes.get(from..from + PAIR).and_then(|pair| pair.try_into().ok());
        pair.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Adds the group that was read last, and the pairs above it, to the run.
    fn take(&mut self, end: u64) {
        self.run.0.end = end;
        for above in self.above.iter_mut().filter(|above| !above.is_taken) {
            above.is_taken = true;
            self.pairs.push((above.at, above.pair));
        }
    }

    /// Writes the run again; it is found then.
    fn write_run(&mut self) -> io::Result<()> {
        let mut row = Vec::new();
        for run in self.pairs.chunk_by(|(at, _), (next, _)| at + PAIR as u64 == *next) {
            row.clear();
            run.iter().for_each(|(_, pair)| row.extend_from_slice(pair));
            self.files.tree.write_at(run[0].0, &row)?;
        }
        self.pairs.clear();
        let (groups, bytes) = &mut self.run;
        if !bytes.is_empty() {
            self.files.data.write_at(groups.start * GROUP, bytes)?;
            self.found.insert(groups.clone());
            bytes.clear();
        }
        groups.start = groups.end;
        Ok(())
    }
}
