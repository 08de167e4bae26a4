//! The bytes of a folder's blob: what they hold, and writing them.
//!
//! ```text
//! | u8 = 1 | varint count | blobs | varint count | files |
//! ```
//!
//! A folder may have millions of files, so both directions are streams: a [`FolderWriter`] takes,
//! and a [`FolderReader`](super::FolderReader) yields, one file at a time. The list of blobs is
//! held in memory.

use std::io;

use super::{FileKey, FolderPath, MAX_FILE_SIZE, MAX_FOLDER_MANIFEST};
use crate::Error;
use crate::codec::put_varint;

/// Most files of a folder. With paths that have little in common, its blob's greatest size comes
/// first.
pub const MAX_FOLDER_FILES: u64 = 4 * 1024 * 1024;
/// Most blobs of a folder. Bounds what a reader holds in memory at 80 MB.
pub const MAX_FOLDER_BLOBS: u64 = 1024 * 1024;
/// Smallest file that a writer makes a blob of its own, in bytes: below, a request for each file
/// costs more than its bytes.
pub const OWN_BLOB_SIZE: u64 = 256 * 1024;
/// Most bytes of small files that a writer puts into one blob. Bounds what is sent again where one
/// of them has changed.
pub const MAX_PACK_SIZE: u64 = 16 * 1024 * 1024;

/// The format's version.
pub(super) const VERSION: u8 = 1;
/// The flag of a file that can be executed.
pub(super) const EXECUTABLE: u8 = 1;

/// A blob that a folder's files are ranges of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderBlob {
    /// The BLAKE3 hash of the blob, as it is sent.
    pub hash: [u8; 32],
    /// The blob's size in bytes, [`MAX_FILE_SIZE`] at most.
    pub size: u64,
    /// What opens the blob; `None` where it is not sealed.
    pub key: Option<FileKey>,
}

/// A file of a folder, or a folder with nothing in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderFile {
    /// Where the file is in the folder.
    pub path: FolderPath,
    /// Whether the file can be executed.
    pub executable: bool,
    /// How many bytes it has.
    pub size: u64,
    /// Which of the folder's blobs has them, from 0. Means nothing for a file of no bytes.
    pub blob: u32,
    /// Where they begin in the blob, opened.
    pub offset: u64,
}

/// A folder that can't be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The bytes, or what should be written, break a rule of the format.
    #[error(transparent)]
    Format(#[from] Error),
}

/// Writes a folder's blob.
///
/// Files come in ascending order of their paths, compared as bytes. That is not the order of a walk
/// that sorts each folder by name: `a.txt` stands before `a/b`. One that sorts each folder by
/// name, with a `/` after the names of folders, is right.
#[derive(Debug)]
pub struct FolderWriter<W> {
    out: Limited<W>,
    /// The sizes of the blobs.
    blobs: Vec<u64>,
    order: PathOrder,
    /// How many files are still to come.
    missing: u64,
    /// What one file is encoded into.
    buffer: Vec<u8>,
}

impl<W: io::Write> FolderWriter<W> {
    /// Begins a folder of so many files, which are ranges of these blobs. Writes in small pieces:
    /// `out` should be buffered.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than the limits allow, and what `out` fails with.
    pub fn new(out: W, blobs: &[FolderBlob], files: u64) -> Result<Self, FolderError> {
        check_blob_count(blobs.len() as u64)?;
        check_file_count(files)?;
        let mut out = Limited { out, left: MAX_FOLDER_MANIFEST };
        let mut buffer = vec![VERSION];
        put_varint(&mut buffer, blobs.len() as u64);
        for blob in blobs {
            check_size(blob.size)?;
            buffer.extend(blob.hash);
            put_varint(&mut buffer, blob.size);
            buffer.push(u8::from(blob.key.is_some()));
            buffer.extend(blob.key.iter().flat_map(|key| key.as_bytes()));
            out.write(&buffer)?;
            buffer.clear();
        }
        put_varint(&mut buffer, files);
        out.write(&buffer)?;
        let blobs = blobs.iter().map(|blob| blob.size).collect();
        Ok(Self { out, blobs, order: PathOrder::default(), missing: files, buffer })
    }

    /// Writes one file. After an error nothing more can be written.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a path out of order, a range that its blob does not have, or a file
    /// too many; [`Error::TooLarge`] where the limit of the whole is reached; and what the
    /// writer fails with.
    pub fn write(&mut self, file: &FolderFile) -> Result<(), FolderError> {
        self.missing = self
            .missing
            .checked_sub(1)
            .ok_or(Error::Malformed("a folder with more files than it says"))?;
        check_file(file, &self.blobs)?;
        let path = file.path.as_str().as_bytes();
        let kept = self.order.next(path)?;
        let buffer = &mut self.buffer;
        buffer.clear();
        put_varint(buffer, kept as u64);
        put_varint(buffer, (path.len() - kept) as u64);
        buffer.extend(&path[kept..]);
        buffer.push(if file.executable { EXECUTABLE } else { 0 });
        let (blob, offset) = if file.size == 0 { (0, 0) } else { (file.blob, file.offset) };
        put_varint(buffer, file.size);
        put_varint(buffer, u64::from(blob));
        put_varint(buffer, offset);
        self.out.write(buffer)
    }

    /// Ends the folder, and gives back what it was written to.
    ///
    /// # Errors
    /// [`Error::Malformed`] where files are missing.
    pub fn finish(self) -> Result<W, FolderError> {
        if self.missing > 0 {
            return Err(Error::Malformed("a folder with fewer files than it says").into());
        }
        Ok(self.out.out)
    }
}

/// A writer that takes so many bytes and no more.
#[derive(Debug)]
struct Limited<W> {
    out: W,
    left: u64,
}

impl<W: io::Write> Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), FolderError> {
        let len = bytes.len() as u64;
        self.left = self.left.checked_sub(len).ok_or(manifest_too_large())?;
        Ok(self.out.write_all(bytes)?)
    }
}

/// Holds the order of paths: each greater than the one before, none in the place of another's
/// folder.
#[derive(Debug, Default)]
pub(super) struct PathOrder {
    /// The path before; empty at first.
    last: Vec<u8>,
    /// The lengths, ascending, of the files' paths that `last` goes on from: the only ones that a
    /// path to come can have as its folder, for what stands between a path and a longer one that
    /// begins with it begins with it, too.
    beginnings: Vec<usize>,
}

impl PathOrder {
    /// The path before.
    pub(super) fn last(&self) -> &[u8] {
        &self.last
    }

    /// Takes the path that comes next, and returns how many bytes it shares with the one before.
    pub(super) fn next(&mut self, path: &[u8]) -> Result<usize, Error> {
        let kept = self.last.iter().zip(path).take_while(|(a, b)| a == b).count();
        match (self.last.get(kept), path.get(kept)) {
            (None, Some(_)) => {}
            (Some(before), Some(byte)) if byte > before => {}
            _ => return Err(Error::Malformed("paths that are not in ascending order")),
        }
        if !self.last.is_empty() {
            self.beginnings.push(self.last.len());
        }
        while self.beginnings.last().is_some_and(|len| *len > kept) {
            self.beginnings.pop();
        }
        // Only a beginning of just this length can be new to a `/` after it: what follows a shorter
        // one was so in the path before.
        let goes_on = self.beginnings.last() == Some(&kept);
        if goes_on && (path[kept] == b'/' || path[kept - 1] == b'/') {
            return Err(Error::Malformed("a path that is the folder of another one"));
        }
        self.last.truncate(kept);
        self.last.extend(&path[kept..]);
        Ok(kept)
    }
}

/// Checks what a file says of its bytes.
pub(super) fn check_file(file: &FolderFile, blobs: &[u64]) -> Result<(), Error> {
    if file.path.is_folder() && (file.size > 0 || file.executable) {
        return Err(Error::Malformed("an empty folder that is not empty"));
    }
    if file.size == 0 {
        return Ok(());
    }
    let blob = blobs.get(file.blob as usize).ok_or(Error::Malformed("a file of no blob"))?;
    match file.offset.checked_add(file.size) {
        Some(end) if end <= *blob => Ok(()),
        _ => Err(Error::Malformed("a file that goes on after its blob's end")),
    }
}

pub(super) fn check_blob_count(count: u64) -> Result<(), Error> {
    check_limit("the number of a folder's blobs", count, MAX_FOLDER_BLOBS)
}

pub(super) fn check_file_count(count: u64) -> Result<(), Error> {
    check_limit("the number of a folder's files", count, MAX_FOLDER_FILES)
}

pub(super) fn check_size(size: u64) -> Result<(), Error> {
    check_limit("a blob's size", size, MAX_FILE_SIZE)
}

/// What a blob of a folder is that has more bytes than the limit.
pub(super) fn manifest_too_large() -> Error {
    let limit = MAX_FOLDER_MANIFEST;
    Error::TooLarge { what: "a folder's blob", value: limit + 1, limit }
}

fn check_limit(what: &'static str, value: u64, limit: u64) -> Result<(), Error> {
    if value > limit { Err(Error::TooLarge { what, value, limit }) } else { Ok(()) }
}
