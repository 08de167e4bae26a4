//! Files of a space, as the gateway hands them out and takes them in.

use std::sync::Arc;

use bytes::Bytes;
use kith_log::SpaceId;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{BoxFuture, Result};

/// A file that is here, or can be had from others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct FileRef {
    /// BLAKE3 of the file as it is sent to others, in hex: its name in this space.
    pub hash: String,
    /// Its size, in bytes.
    #[ts(type = "number")]
    pub size: u64,
    /// Its name: one part of a path.
    pub name: String,
    /// Its media type, such as `image/png`; empty where it is not known.
    #[serde(rename = "type")]
    pub media_type: String,
    /// Whether it is a folder: files with their paths.
    pub folder: bool,
    /// Where the pages of its space read it, from their own origin: `/.kith/blobs/HASH-CLAIM`, by
    /// what this entry says of it, or `/.kith/blobs/HASH`, by what is believed of that blob where
    /// several entries name it. A file of a folder has its path after it.
    pub url: String,
}

/// An open file of a space.
#[derive(Clone)]
pub struct OpenFile {
    /// Its name, for a download.
    pub name: String,
    /// What its author said it is; may be empty, or a lie.
    pub media_type: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Differs where the bytes differ, as the entity tag.
    pub tag: [u8; 32],
    /// Its bytes.
    pub bytes: Arc<dyn FileBytes>,
}

/// The bytes of an open file. Some may be still with others.
pub trait FileBytes: Send + Sync {
    /// 1 to `most` bytes from `offset` on, which is below the size. Bytes that are not here are
    /// fetched first, before all others of this file, and waited for as long as it takes: dropping
    /// the future ends the wait, and that these bytes are fetched first.
    ///
    /// # Errors
    /// `NotFound` where the file is gone since, `Storage` where it can't be read.
    fn read<'a>(&'a self, offset: u64, most: usize) -> BoxFuture<'a, Result<Bytes>>;
}

/// A file that a page hands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    /// Its name, as the page said it.
    pub name: String,
    /// Its media type, as the page said it.
    pub media_type: String,
    /// Its size, where the page said it.
    pub size: Option<u64>,
}

/// Takes a file's bytes in. Dropped before its end, it keeps nothing.
pub trait FileSink: Send {
    /// Takes the next bytes; waits where the disk is slower.
    ///
    /// # Errors
    /// `TooLarge`, `DiskFull`, `ReadOnly`, `Storage`. There is no way on after one.
    fn write<'a>(&'a mut self, bytes: Bytes) -> BoxFuture<'a, Result<()>>;

    /// Ends the file. It is safe on disk once this answers, and stays for a day without an entry
    /// that names it.
    ///
    /// # Errors
    /// As of [`FileSink::write`], and `SpaceLeft`.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileRef>>;
}

/// The files of spaces.
pub trait Files: Send + Sync {
    /// Opens a file that an entry of the space names, or that a page of it handed in: `HASH` or
    /// `HASH-CLAIM`, as in [`FileRef::url`], with `/path` behind it for a file of a folder; the hash
    /// in hex and the path decoded.
    ///
    /// # Errors
    /// `NotFound` where nothing in this space names it.
    fn open_file<'a>(
        &'a self,
        space: &'a SpaceId,
        path: &'a str,
    ) -> BoxFuture<'a, Result<OpenFile>>;

    /// Begins to take a new file in.
    ///
    /// # Errors
    /// `InvalidParams` for a name or type that breaks a rule, and those of [`FileSink::write`].
    fn receive_file<'a>(
        &'a self,
        space: &'a SpaceId,
        file: NewFile,
    ) -> BoxFuture<'a, Result<Box<dyn FileSink>>>;
}
