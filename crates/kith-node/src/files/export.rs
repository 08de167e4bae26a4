//! Writing files out of the store.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use kith_api::{Error, ErrorCode, Result};
use kith_log::SpaceId;
use kith_overlay::storage::{BlobScope, MAX_BLOB_READ};
use tokio::runtime::Handle;

use super::fetch::Piece;
use super::walk::make_executable;
use crate::store::{Store, StoreError};

/// A file that is part of a blob, and where it goes.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) to: PathBuf,
    pub(super) executable: bool,
}

/// The opened bytes of a blob that is here, read one after the other. For threads that may wait.
pub(super) struct Opened {
    store: Store,
    runtime: Handle,
    scope: BlobScope,
    piece: Piece,
    window: bytes::Bytes,
    /// Where `window` ends.
    next: u64,
    end: u64,
}

impl Opened {
    pub(super) fn new(store: Store, runtime: Handle, space: SpaceId, piece: Piece) -> Self {
        let (end, scope) = (piece.size, BlobScope::Space(space));
        Self { store, runtime, scope, piece, window: bytes::Bytes::new(), next: 0, end }
    }

    /// Goes to a part of it.
    fn seek(&mut self, offset: u64, size: u64) {
        let start = self.next - self.window.len() as u64;
        self.end = offset.saturating_add(size).min(self.piece.size);
        if (start..=self.next).contains(&offset) {
            let skip = usize::try_from(offset - start).expect("inside of a window");
            self.window = self.window.slice(skip..);
        } else {
            self.window = bytes::Bytes::new();
            self.next = offset;
        }
    }

    /// Bytes of what was asked for that are left.
    fn left(&self) -> u64 {
        (self.end + self.window.len() as u64).saturating_sub(self.next)
    }
}

impl Read for Opened {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.left();
        if left == 0 || out.is_empty() {
            return Ok(0);
        }
        if self.window.is_empty() {
            // Also what lies behind the part: the next one begins there, most of the time.
            let most = (self.piece.size - self.next).min(MAX_BLOB_READ as u64);
            let most = usize::try_from(most).expect("at most 1 MiB");
            let Piece { hash, key, .. } = &self.piece;
            let read = self.store.read_opened(self.scope, hash, key.clone(), self.next, most);
            self.window = self.runtime.block_on(read).map_err(io::Error::other)?;
            self.next += self.window.len() as u64;
        }
        let length = self.window.len().min(out.len());
        let length = usize::try_from(left).map_or(length, |left| left.min(length));
        out[..length].copy_from_slice(&self.window.split_to(length));
        Ok(length)
    }
}

/// Writes parts of a blob that is here to their places, over whatever is there. For threads that may
/// wait.
///
/// # Errors
/// Where the disk fails; what was written before stays.
pub(super) fn write_parts(opened: &mut Opened, parts: &[Part]) -> Result<()> {
    for part in parts {
        let failed = |error: &io::Error| not_written(&part.to, error);
        if let Some(folder) = part.to.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        }
        let mut file = File::create(&part.to).map_err(|error| failed(&error))?;
        opened.seek(part.offset, part.size);
        copy(opened, &mut file, part).map_err(|error| failed(&error))?;
        if part.executable {
            make_executable(&part.to).map_err(|error| failed(&error))?;
        }
    }
    Ok(())
}

fn copy(opened: &mut Opened, file: &mut File, part: &Part) -> io::Result<()> {
    let copied = io::copy(opened, file)?;
    if copied == part.size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Writes a whole blob that is here to a new file: under another name first, so that a file that is
/// there is whole. `tell` is told how far it is.
///
/// # Errors
/// Where the disk fails, or the file is there.
pub(super) fn write_new(opened: &mut Opened, to: &Path, tell: impl FnMut(u64)) -> Result<()> {
    let failed = |error: io::Error| not_written(to, &error);
    // Not the file's own name, which may have all the bytes that a name can have.
    let name = super::hex(&opened.piece.hash);
    let part = to.with_file_name(format!(".{}.kith-part", &name[..16]));
    let size = opened.piece.size;
    opened.seek(0, size);
    let mut file = File::create(&part).map_err(failed)?;
    let mut told = Told { file: &mut file, bytes: 0, tell };
    let written = io::copy(opened, &mut told).and_then(|_| file.sync_all());
    // Taken first, so that nobody else's file is written over.
    let done = written.and_then(|()| OpenOptions::new().write(true).create_new(true).open(to));
    match done.and_then(|_| fs::rename(&part, to)) {
        Ok(()) => Ok(()),
        Err(error) => {
            // What can't be written can't be removed either, maybe.
            let _ = fs::remove_file(&part);
            Err(failed(error))
        }
    }
}

/// A file, and who is told how much of it is written.
struct Told<'a, F> {
    file: &'a mut File,
    bytes: u64,
    tell: F,
}

impl<F: FnMut(u64)> Write for Told<'_, F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        (self.tell)(self.bytes);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Makes all files below a folder survive a power cut.
///
/// # Errors
/// The system's.
#[cfg(target_os = "linux")]
pub(super) fn sync_below(folder: &Path) -> io::Result<()> {
    // One call for the whole file system: a hundred thousand small files have a sync each otherwise.
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Makes all files below a folder survive a power cut.
///
/// # Errors
/// The system's.
#[cfg(not(target_os = "linux"))]
pub(super) fn sync_below(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_below(&entry.path())?;
        } else {
            OpenOptions::new().write(true).open(entry.path())?.sync_all()?;
        }
    }
    Ok(())
}

/// A file could not be written.
pub(super) fn not_written(path: &Path, error: &io::Error) -> Error {
    if error.kind() == io::ErrorKind::StorageFull {
        return StoreError::DiskFull.into();
    }
    let code = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorCode::ReadOnly,
        _ => ErrorCode::Storage,
    };
    Error::new(code, format!("{} could not be written.", path.display())).why(format!("{error}."))
}
