//! The file system as the store sees it: few calls, so that a test can stand in for the disk and
//! cut its power between any two of them.

use std::fmt;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::error::StoreError;
use super::platform;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Open {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; made, readable by its owner alone, where it is missing.
    Write,
    /// A person's file, for reading. Anything else than a plain file is refused as `Unsupported`, a
    /// link to one, too: what it leads to may change, and a pipe would never end.
    Plain,
    /// A person's file, for reading and writing; it must exist, and be a plain one.
    PlainWrite,
    /// For reading and writing; made with the permissions that the person's files have. It must not
    /// exist.
    New,
}

/// What tells that a file is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its bytes.
    pub size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub modified: i64,
    /// Its number on its file system; 0 where the system has none to tell.
    pub inode: u64,
}

/// Which file it is, as the system tells apart two files of equal contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileIdentity {
    /// The file's number on its file system.
    pub inode: u64,
    /// When it was made, in nanoseconds since 1970, where the file system knows; else the number
    /// of its device. The device alone would not do: its number changes as disks come and go.
    pub origin: u128,
}

/// Held while the directory is this process's; gives it back when dropped.
pub trait Held: fmt::Debug + Send + Sync {}

/// A file system. Paths are the caller's own; nothing that comes from outside becomes one.
///
/// What is promised: written bytes survive a power cut after [`DiskFile::sync`] of their file;
/// a file made, renamed or removed does after [`Disk::sync_dir`] of its folder.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Makes a folder, readable by its owner alone, and those above it.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the folder for this process, until the value is dropped.
    ///
    /// # Errors
    /// [`StoreError::Locked`] where another process has it.
    fn lock(&self, dir: &Path) -> Result<Box<dyn Held>, StoreError>;

    /// Opens a file.
    ///
    /// # Errors
    /// The system's.
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name in its folder.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file another name in its folder, never that of a file that is there.
    ///
    /// # Errors
    /// `AlreadyExists`; the system's.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes a new file, readable by its owner alone, that has the same bytes on the disk as `from`,
    /// until one of the two is changed.
    ///
    /// # Errors
    /// `Unsupported` for most file systems; the system's. No file is made then.
    fn clone_file(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// What tells that a file is as it was, without opening it.
    ///
    /// # Errors
    /// `Unsupported` for anything but a plain file; the system's.
    fn stamp(&self, path: &Path) -> io::Result<Stamp>;

    /// Removes a file.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Visits the names of the files in a folder, in no order, until `visit` returns false. What is
    /// removed meanwhile may be visited or not.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, dir: &Path, visit: &mut dyn FnMut(String) -> bool) -> io::Result<()>;

    /// Makes what happened to the names in a folder survive a power cut.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Which file it is; `None` where the system can't tell.
    ///
    /// # Errors
    /// The system's.
    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>>;

    /// Bytes that are free to this process on the disk of a folder, `None` where the system can't tell.
    ///
    /// # Errors
    /// The system's.
    fn free(&self, _folder: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }

    /// Bytes of its disk that a file has; holes take none. `None` where the system can't tell.
    ///
    /// # Errors
    /// The system's.
    fn taken(&self, _path: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }
}

/// An open file. Calls may come from several threads at once.
pub trait DiskFile: fmt::Debug + Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// The system's.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// The system's.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `out` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` where the file ends before; else the system's.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Where the first bytes from `offset` on stand that are no hole; empty where only a hole is left.
    /// A disk that can't tell says that there are none.
    ///
    /// # Errors
    /// The system's.
    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        Ok(offset..self.len()?.max(offset))
    }

    /// Writes all of `data` at `offset`.
    ///
    /// # Errors
    /// The system's; a part may be written then.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;

    /// Cuts the file off, or extends it by zeros.
    ///
    /// # Errors
    /// The system's.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes what was written survive a power cut.
    ///
    /// # Errors
    /// The system's. What was written since the last good sync is then in doubt.
    fn sync(&self) -> io::Result<()>;

    /// As [`Self::sync`]; and its [`Stamp`] survives, too.
    ///
    /// # Errors
    /// As [`Self::sync`]'s.
    fn sync_stamp(&self) -> io::Result<()>;

    /// What tells that it is as it was.
    ///
    /// # Errors
    /// `Unsupported` for anything but a plain file; the system's.
    fn stamp(&self) -> io::Result<Stamp>;
}

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        platform::create_private_dir(path)
    }

    fn lock(&self, dir: &Path) -> Result<Box<dyn Held>, StoreError> {
        Ok(Box::new(super::lock::DirLock::acquire(dir)?))
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            Open::Read => {}
            Open::Write => {
                options.write(true).create(true).truncate(false);
                platform::make_private(&mut options);
            }
            Open::Plain => platform::follow_nothing(&mut options),
            Open::PlainWrite => {
                options.write(true);
                platform::follow_nothing(&mut options);
            }
            Open::New => {
                options.write(true).create_new(true);
            }
        }
        let is_plain = matches!(how, Open::Plain | Open::PlainWrite);
        let file = match options.open(path) {
            // Each system has its own words for what can't be opened like a file.
            Err(error) if is_plain && error.kind() != io::ErrorKind::NotFound => {
                return Err(stamp_of(&fs::symlink_metadata(path)?).err().unwrap_or(error));
            }
            opened => opened?,
        };
        if is_plain {
            stamp_of(&file.metadata()?)?;
        }
        Ok(Box::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match platform::rename_new(from, to) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                // The name is taken by an empty file of our own first.
                OpenOptions::new().write(true).create_new(true).open(to)?;
                fs::rename(from, to)
            }
            renamed => renamed,
        }
    }

    fn clone_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true);
        platform::follow_nothing(&mut options);
        let source = options.open(from)?;
        stamp_of(&source.metadata()?)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        platform::make_private(&mut options);
        let target = options.open(to)?;
        platform::clone_bytes(&source, &target).inspect_err(|_| {
            // A file that stays is swept after the next opening.
            let _ = fs::remove_file(to);
        })
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        stamp_of(&fs::symlink_metadata(path)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(String) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(dir)? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string()
                && !visit(name)
            {
                break;
            }
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        platform::sync_dir(dir)
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        Ok(platform::identity(&fs::metadata(path)?))
    }

    fn free(&self, folder: &Path) -> io::Result<Option<u64>> {
        platform::free(folder)
    }

    fn taken(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(platform::taken(&fs::symlink_metadata(path)?))
    }
}

impl DiskFile for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        platform::read_exact_at(self, offset, out)
    }

    fn data_from(&self, offset: u64) -> io::Result<Range<u64>> {
        let len = DiskFile::len(self)?.max(offset);
        platform::data_from(self, offset..len)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        platform::write_all_at(self, offset, data)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        File::set_len(self, len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn sync_stamp(&self) -> io::Result<()> {
        self.sync_all()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        stamp_of(&self.metadata()?)
    }
}

/// The stamp of a plain file.
fn stamp_of(metadata: &Metadata) -> io::Result<Stamp> {
    if !metadata.is_file() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let modified = match metadata.modified()?.duration_since(UNIX_EPOCH) {
        Ok(since) => nanos(since),
        Err(before) => -nanos(before.duration()),
    };
    Ok(Stamp { size: metadata.len(), modified, inode: platform::inode(metadata) })
}
