//! What Unix and Windows do differently.

#[cfg(unix)]
pub(super) use unix::{
    bytes_of_path, clone_bytes, create_private_dir, data_from, follow_nothing, free, identity,
    inode, make_private, path_of_bytes, read_exact_at, rename_new, sync_dir, taken, write_all_at,
};
#[cfg(not(unix))]
pub(super) use windows::{
    bytes_of_path, clone_bytes, create_private_dir, data_from, follow_nothing, free, identity,
    inode, make_private, path_of_bytes, read_exact_at, rename_new, sync_dir, taken, write_all_at,
};

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::ops::Range;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
    use std::path::{Path, PathBuf};
    use std::time::UNIX_EPOCH;

    use rustix::fs::OFlags;

    use crate::store::disk::FileIdentity;

    pub(in crate::store) fn create_private_dir(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(in crate::store) fn make_private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub(in crate::store) fn sync_dir(dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    pub(in crate::store) fn identity(metadata: &Metadata) -> Option<FileIdentity> {
        let born = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        let origin = born.map_or_else(|| u128::from(metadata.dev()), |born| born.as_nanos());
        Some(FileIdentity { inode: metadata.ino(), origin })
    }

    pub(in crate::store) fn inode(metadata: &Metadata) -> u64 {
        metadata.ino()
    }

    /// A link is not followed, and a pipe does not keep one waiting for its other end.
    pub(in crate::store) fn follow_nothing(options: &mut OpenOptions) {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }

    pub(in crate::store) fn bytes_of_path(path: &Path) -> Vec<u8> {
        path.as_os_str().as_bytes().to_vec()
    }

    pub(in crate::store) fn path_of_bytes(bytes: &[u8]) -> Option<PathBuf> {
        Some(OsStr::from_bytes(bytes).into())
    }

    /// `Unsupported` where the file system can't.
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    pub(in crate::store) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            renamed => Ok(renamed?),
        }
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    pub(in crate::store) fn rename_new(_from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(target_os = "linux")]
    pub(in crate::store) fn clone_bytes(from: &File, to: &File) -> io::Result<()> {
        Ok(rustix::fs::ioctl_ficlone(to, from)?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(in crate::store) fn clone_bytes(_from: &File, _to: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The first bytes of a range that are no hole.
    #[cfg(target_os = "linux")]
    pub(in crate::store) fn data_from(file: &File, range: Range<u64>) -> io::Result<Range<u64>> {
        use rustix::fs::{SeekFrom, seek};
        use rustix::io::Errno;
        let start = match seek(file, SeekFrom::Data(range.start)) {
            Ok(start) => start.min(range.end),
            Err(Errno::NXIO) => return Ok(range.end..range.end),
            // This file system knows of no holes.
            Err(Errno::INVAL | Errno::NOTSUP) => return Ok(range),
            Err(error) => return Err(error.into()),
        };
        let end = seek(file, SeekFrom::Hole(start)).unwrap_or(range.end);
        Ok(start..end.clamp(start, range.end))
    }

    #[cfg(not(target_os = "linux"))]
    pub(in crate::store) fn data_from(_file: &File, range: Range<u64>) -> io::Result<Range<u64>> {
        Ok(range)
    }

    pub(in crate::store) fn free(folder: &Path) -> io::Result<Option<u64>> {
        let disk = rustix::fs::statvfs(folder)?;
        // Without a size of its own, as some of memory and of the network are, it can't tell.
        let is_known = disk.f_blocks > 0;
        Ok(is_known.then(|| disk.f_bavail.saturating_mul(disk.f_frsize)))
    }

    pub(in crate::store) fn taken(metadata: &Metadata) -> Option<u64> {
        const SECTOR: u64 = 512;
        Some(metadata.blocks().saturating_mul(SECTOR))
    }

    pub(in crate::store) fn read_exact_at(file: &File, at: u64, out: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(file, out, at)
    }

    pub(in crate::store) fn write_all_at(file: &File, at: u64, data: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(file, data, at)
    }
}

#[cfg(not(unix))]
mod windows {
    use std::ffi::OsString;
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::ops::Range;
    use std::os::windows::ffi::{OsStrExt, OsStringExt};
    use std::os::windows::fs::{FileExt, OpenOptionsExt};
    use std::path::{Path, PathBuf};
    use std::time::UNIX_EPOCH;

    use crate::store::disk::FileIdentity;

    /// `FILE_FLAG_OPEN_REPARSE_POINT`: a link is opened itself, and then found to be no plain file.
    const OPEN_REPARSE_POINT: u32 = 0x0020_0000;

    /// Below the person's profile, folders are readable by that person alone.
    pub(in crate::store) fn create_private_dir(path: &Path) -> io::Result<()> {
        std::fs::create_dir_all(path)
    }

    pub(in crate::store) fn make_private(_options: &mut OpenOptions) {}

    /// NTFS writes names to its journal by itself, and folders can't be synced.
    pub(in crate::store) fn sync_dir(_dir: &Path) -> io::Result<()> {
        Ok(())
    }

    /// The file's number is not stable API yet: when it was made tells copies apart.
    pub(in crate::store) fn identity(metadata: &Metadata) -> Option<FileIdentity> {
        let born = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(FileIdentity { inode: 0, origin: born.as_nanos() })
    }

    /// The file's number is not stable API yet: size and time tell that it was changed.
    pub(in crate::store) fn inode(_metadata: &Metadata) -> u64 {
        0
    }

    pub(in crate::store) fn follow_nothing(options: &mut OpenOptions) {
        options.custom_flags(OPEN_REPARSE_POINT);
    }

    pub(in crate::store) fn bytes_of_path(path: &Path) -> Vec<u8> {
        path.as_os_str().encode_wide().flat_map(u16::to_le_bytes).collect()
    }

    pub(in crate::store) fn path_of_bytes(bytes: &[u8]) -> Option<PathBuf> {
        let (units, []) = bytes.as_chunks() else { return None };
        let units: Vec<_> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        Some(OsString::from_wide(&units).into())
    }

    pub(in crate::store) fn rename_new(_from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::store) fn clone_bytes(_from: &File, _to: &File) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in crate::store) fn data_from(_file: &File, range: Range<u64>) -> io::Result<Range<u64>> {
        Ok(range)
    }

    /// Not in the standard library: that a disk is full is told when it is.
    pub(in crate::store) fn free(_folder: &Path) -> io::Result<Option<u64>> {
        Ok(None)
    }

    pub(in crate::store) fn taken(_metadata: &Metadata) -> Option<u64> {
        None
    }

    pub(in crate::store) fn read_exact_at(
        file: &File,
        mut at: u64,
        mut out: &mut [u8],
    ) -> io::Result<()> {
        while !out.is_empty() {
            match file.seek_read(out, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    out = &mut out[read..];
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(in crate::store) fn write_all_at(
        file: &File,
        mut at: u64,
        mut data: &[u8],
    ) -> io::Result<()> {
        while !data.is_empty() {
            match file.seek_write(data, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    data = &data[written..];
                    at += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
