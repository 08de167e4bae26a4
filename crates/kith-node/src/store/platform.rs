//! What Unix and Windows do differently.

#[cfg(unix)]
pub(super) use unix::{
    create_private_dir, identity, make_private, read_exact_at, sync_dir, write_all_at,
};
#[cfg(not(unix))]
pub(super) use windows::{
    create_private_dir, identity, make_private, read_exact_at, sync_dir, write_all_at,
};

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
    use std::path::Path;
    use std::time::UNIX_EPOCH;

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

    pub(in crate::store) fn read_exact_at(file: &File, at: u64, out: &mut [u8]) -> io::Result<()> {
        FileExt::read_exact_at(file, out, at)
    }

    pub(in crate::store) fn write_all_at(file: &File, at: u64, data: &[u8]) -> io::Result<()> {
        FileExt::write_all_at(file, data, at)
    }
}

#[cfg(not(unix))]
mod windows {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::os::windows::fs::FileExt;
    use std::path::Path;
    use std::time::UNIX_EPOCH;

    use crate::store::disk::FileIdentity;

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
