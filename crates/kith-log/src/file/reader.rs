//! Reading a folder's blob.

use std::io::{self, BufReader, Read};

use super::folder::{
    EXECUTABLE, PathOrder, VERSION, check_blob_count, check_file, check_file_count, check_size,
    manifest_too_large,
};
use super::{
    FileError, FileKey, FolderBlob, FolderError, FolderFile, FolderPath, MAX_FOLDER_MANIFEST,
    MAX_PATH_LEN,
};
use crate::Error;
use crate::codec::read_varint;

/// How much is read at once, in bytes.
const BUFFER: usize = 64 * 1024;

/// Reads a folder's blob, opened: first its blobs, then its files, one by one. Ends after the last
/// file or the first error. What it yields keeps all rules of the format.
#[derive(Debug)]
pub struct FolderReader<R: Read> {
    input: Input<R>,
    blobs: Vec<FolderBlob>,
    sizes: Vec<u64>,
    files: u64,
    /// How many files are still to come; `None` after the end.
    missing: Option<u64>,
    order: PathOrder,
}

impl<R: Read> FolderReader<R> {
    /// Reads up to the first file. Buffers by itself.
    ///
    /// # Errors
    /// [`FolderError::Format`] for what breaks a rule: the fault of who made the folder.
    pub fn new(input: R) -> Result<Self, FolderError> {
        Self::with_limit(input, MAX_FOLDER_MANIFEST)
    }

    fn with_limit(input: R, limit: u64) -> Result<Self, FolderError> {
        // One more than the limit, so that what goes on after it is seen.
        let mut input = Input(BufReader::with_capacity(BUFFER, input.take(limit + 1)));
        match input.u8()? {
            VERSION => {}
            version => return Err(Error::Version { what: "a folder", version }.into()),
        }
        let count = input.varint()?;
        check_blob_count(count)?;
        // Grows by what was read: a count alone reserves nothing.
        let mut blobs = Vec::new();
        for _ in 0..count {
            blobs.push(input.blob()?);
        }
        let files = input.varint()?;
        check_file_count(files)?;
        let sizes = blobs.iter().map(|blob| blob.size).collect();
        let order = PathOrder::default();
        Ok(Self { input, blobs, sizes, files, missing: Some(files), order })
    }

    /// The blobs that the files are ranges of.
    pub fn blobs(&self) -> &[FolderBlob] {
        &self.blobs
    }

    /// How many files the folder has, those that were read included.
    pub fn file_count(&self) -> u64 {
        self.files
    }

    fn file(&mut self) -> Result<FolderFile, FolderError> {
        let kept = self.input.varint()?;
        let last = self.order.last();
        let kept = match usize::try_from(kept) {
            Ok(kept) if kept <= last.len() => kept,
            _ => return Err(Error::Malformed("a path that keeps more than there was").into()),
        };
        let len = self.input.varint()?;
        if len > (MAX_PATH_LEN - kept) as u64 {
            let found = usize::try_from(len).unwrap_or(usize::MAX).saturating_add(kept);
            return Err(Error::from(FileError::PathTooLong(found)).into());
        }
        let mut path = last[..kept].to_vec();
        path.resize(kept + len as usize, 0);
        self.input.fill(&mut path[kept..])?;
        if self.order.next(&path)? != kept {
            return Err(Error::Malformed("a path that keeps less than it shares").into());
        }
        let path = String::from_utf8(path).map_err(|_| Error::from(FileError::NameEncoding))?;
        let path = FolderPath::try_from(path).map_err(Error::from)?;
        let executable = match self.input.u8()? {
            0 => false,
            EXECUTABLE => true,
            _ => return Err(Error::Malformed("a file with flags that have no meaning").into()),
        };
        let (size, blob, offset) =
            (self.input.varint()?, self.input.varint()?, self.input.varint()?);
        if size == 0 && (blob, offset) != (0, 0) {
            return Err(Error::Malformed("a file of no bytes that is somewhere").into());
        }
        let blob = u32::try_from(blob).map_err(|_| Error::Malformed("a file of no blob"))?;
        let file = FolderFile { path, executable, size, blob, offset };
        check_file(&file, &self.sizes)?;
        Ok(file)
    }
}

impl<R: Read> Iterator for FolderReader<R> {
    type Item = Result<FolderFile, FolderError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (next, missing) = match self.missing? {
            0 => (self.input.end().err().map(Err), None),
            missing => {
                let file = self.file();
                let missing = file.is_ok().then(|| missing - 1);
                (Some(file), missing)
            }
        };
        self.missing = missing;
        next
    }
}

/// Takes fields from a reader that is stopped one byte after the limit.
#[derive(Debug)]
struct Input<R: Read>(BufReader<io::Take<R>>);

impl<R: Read> Input<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), FolderError> {
        match self.0.read_exact(bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.check_limit()?;
                Err(Error::Truncated("a folder").into())
            }
            read => Ok(read?),
        }
    }

    fn check_limit(&self) -> Result<(), Error> {
        if self.0.get_ref().limit() == 0 { Err(manifest_too_large()) } else { Ok(()) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], FolderError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn u8(&mut self) -> Result<u8, FolderError> {
        Ok(self.array::<1>()?[0])
    }

    fn varint(&mut self) -> Result<u64, FolderError> {
        read_varint(|| self.u8())
    }

    fn blob(&mut self) -> Result<FolderBlob, FolderError> {
        let (hash, size) = (self.array()?, self.varint()?);
        check_size(size)?;
        let key = match self.u8()? {
            0 => None,
            1 => Some(FileKey::from_bytes(self.array()?)),
            _ => return Err(Error::Malformed("a flag that is neither 0 nor 1").into()),
        };
        Ok(FolderBlob { hash, size, key })
    }

    fn end(&mut self) -> Result<(), FolderError> {
        match self.0.read(&mut [0])? {
            0 => Ok(self.check_limit()?),
            _ => Err(Error::Trailing("a folder").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], limit: u64) -> Result<Vec<FolderFile>, FolderError> {
        FolderReader::with_limit(bytes, limit)?.collect()
    }

    #[test]
    fn a_folder_ends_at_its_limit() {
        let bytes = [&[VERSION, 0, 2][..], &[0, 1, b'a', 0, 0, 0, 0], &[0, 1, b'b', 0, 0, 0, 0]];
        let bytes = bytes.concat();
        assert_eq!(read(&bytes, bytes.len() as u64).unwrap().len(), 2);
        for limit in 0..bytes.len() as u64 {
            let error = read(&bytes, limit).unwrap_err();
            let FolderError::Format(Error::TooLarge { .. }) = error else { panic!("{error}") };
        }
    }
}
