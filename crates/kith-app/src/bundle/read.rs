//! A bundle, open.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek};
use std::sync::Arc;

use zip::ZipReadOptions;
use zip::read::OwnedZipFileEntry;

use super::check::{check, is_fault_of_content};
use super::{BundleError, Limits, MAX_ICON};
use crate::manifest::MAX_MANIFEST;
use crate::{Manifest, ManifestError, content_type};

const MANIFEST: &str = "manifest.toml";
/// As webxdc has it: a PNG, or else a JPEG.
const ICONS: [&str; 2] = ["icon.png", "icon.jpg"];

/// An app's files, whose directory has been checked. Its index can be shared: a clone costs a
/// clone of the reader.
#[derive(Clone)]
pub struct Bundle<R> {
    reader: R,
    index: Arc<Index>,
}

struct Index {
    files: BTreeMap<String, OwnedZipFileEntry>,
    manifest: Manifest,
}

impl<R: Read + Seek> Bundle<R> {
    /// Reads and checks the directory of a bundle, and its manifest.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn open(mut reader: R, limits: &Limits) -> Result<Self, BundleError> {
        let mut files = BTreeMap::new();
        for (path, entry) in check(&mut reader, limits)? {
            files.insert(path, OwnedZipFileEntry::from(entry));
        }
        let manifest = match files.get(MANIFEST) {
            None => Manifest::parse(b"").map_err(BundleError::Manifest)?,
            Some(entry) => {
                let size = entry.size();
                if size > MAX_MANIFEST as u64 {
                    let found = usize::try_from(size).unwrap_or(usize::MAX);
                    return Err(BundleError::Manifest(ManifestError::TooLarge { found }));
                }
                let bytes = read(&mut reader, MANIFEST, entry)?;
                Manifest::parse(&bytes).map_err(BundleError::Manifest)?
            }
        };
        Ok(Self { reader, index: Arc::new(Index { files, manifest }) })
    }

    /// The bytes of a file, unpacked, which then have exactly the size and the checksum that the
    /// bundle's directory says.
    ///
    /// # Errors
    /// [`BundleError::NotFound`], [`BundleError::WrongSize`], [`BundleError::Damaged`],
    /// [`BundleError::Io`].
    pub fn file(&mut self, path: &str) -> Result<Vec<u8>, BundleError> {
        let entry = self
            .index
            .files
            .get(path)
            .ok_or_else(|| BundleError::NotFound(path.escape_debug().collect()))?;
        read(&mut self.reader, path, entry)
    }

    /// Unpacks every file once and throws it away, so that damage and lies about sizes are found
    /// before the bundle is believed. Takes about a second at the limits.
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn check_files(&mut self) -> Result<(), BundleError> {
        for (path, entry) in &self.index.files {
            read(&mut self.reader, path, entry)?;
        }
        Ok(())
    }

    /// The icon with its content type: `icon.png` or `icon.jpg`, where it is not over
    /// [`MAX_ICON`].
    ///
    /// # Errors
    /// As [`Self::file`].
    pub fn icon(&mut self) -> Result<Option<(&'static str, Vec<u8>)>, BundleError> {
        for path in ICONS {
            if self.size(path).is_some_and(|size| size <= MAX_ICON) {
                return Ok(Some((content_type(path), self.file(path)?)));
            }
        }
        Ok(None)
    }
}

impl<R> Bundle<R> {
    /// What the bundle says about itself; the defaults where it has no manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.index.manifest
    }

    /// The paths of its files and their sizes unpacked, in the order of the paths. Folders and
    /// `webxdc.js` are not among them.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.index.files.iter().map(|(path, entry)| (path.as_str(), entry.size()))
    }

    /// The size of a file, unpacked, where the bundle has it.
    pub fn size(&self, path: &str) -> Option<u64> {
        self.index.files.get(path).map(OwnedZipFileEntry::size)
    }

    /// The same bundle read from elsewhere: the very same bytes, through another reader.
    pub fn with_reader<S>(&self, reader: S) -> Bundle<S> {
        Bundle { reader, index: Arc::clone(&self.index) }
    }
}

impl<R> fmt::Debug for Bundle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("files", &self.index.files.len())
            .field("manifest", &self.index.manifest)
            .finish_non_exhaustive()
    }
}

fn read<R: Read + Seek>(
    reader: &mut R,
    path: &str,
    entry: &OwnedZipFileEntry,
) -> Result<Vec<u8>, BundleError> {
    let declared = entry.size();
    let damaged = |error: std::io::Error| {
        if is_fault_of_content(&error) {
            BundleError::Damaged(path.into())
        } else {
            BundleError::Io(error)
        }
    };
    let file =
        entry.as_ref().with_reader(reader, ZipReadOptions::new()).map_err(|error| match error {
            zip::result::ZipError::Io(error) => damaged(error),
            _ => BundleError::Damaged(path.into()),
        })?;
    let mut bytes = Vec::new();
    // One byte over the declared size is enough to know that it lies.
    file.take(declared + 1).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 != declared {
        return Err(BundleError::WrongSize { path: path.into(), declared });
    }
    Ok(bytes)
}
