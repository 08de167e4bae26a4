//! The rules that a bundle's directory must keep, before anything is unpacked.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use zip::CompressionMethod;
use zip::read::{ArchiveOffset, Config, ZipFileEntry};
use zip::result::ZipError;
use zip::unstable::read::ZipIterable;

use super::names::{Name, check_collisions};
use super::{BundleError, Limits, RATIO_GRACE};
use crate::check_path;

/// A file of the bundle, checked.
pub(super) type Entry = ZipFileEntry<'static>;

/// Bytes of a local header without name and extra fields (APPNOTE 4.3.7).
const LOCAL_HEADER: u64 = 30;
/// Bytes of an entry of the directory without name, extra fields and comment (APPNOTE 4.3.12).
const CENTRAL_HEADER: u64 = 46;
/// The bits of a Unix mode that say what a file is, and its values for plain files and folders.
const S_IFMT: u32 = 0o170_000;
const S_IFREG: u32 = 0o100_000;
const S_IFDIR: u32 = 0o040_000;
/// Served by kith; a bundle's own copy, there for development, is never looked at.
const WEBXDC_JS: &str = "webxdc.js";

/// Reads the directory of the archive, and checks it. Returns the files by their paths.
pub(super) fn check<R: Read + Seek>(
    reader: &mut R,
    limits: &Limits,
) -> Result<BTreeMap<String, Entry>, BundleError> {
    let size = reader.seek(SeekFrom::End(0)).map_err(BundleError::Io)?;
    if size > limits.bundle {
        return Err(BundleError::TooLarge { size, limit: limits.bundle });
    }
    // Nothing may stand in front of the archive: programs disagree about where it then begins.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipIterable::try_new(reader, config).map_err(unreadable)?;
    if archive.len() > limits.files {
        return Err(BundleError::TooManyFiles { found: archive.len(), limit: limits.files });
    }
    let mut names = Vec::new();
    let mut ranges = Vec::new();
    let (mut total, mut beside, mut after_name) = (0u64, 0u64, None);
    let mut files = BTreeMap::new();
    for entry in archive.files().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let (path, is_folder) = check_entry(&entry, limits)?;
        names.push(Name::new(&path, is_folder));
        // What stands beside the last one is not counted: 128 KiB at most.
        let header = entry.central_header_start();
        beside += after_name.map_or(0, |end| header.saturating_sub(end));
        after_name = Some(header + CENTRAL_HEADER + entry.name_raw().len() as u64);
        if beside > limits.beside {
            return Err(BundleError::TooMuchBeside { limit: limits.beside });
        }
        total = total.saturating_add(entry.size());
        if total > limits.total {
            return Err(BundleError::TotalTooLarge { limit: limits.total });
        }
        let (start, name) = (entry.header_start(), entry.name_raw().len() as u64);
        let end = start.saturating_add(LOCAL_HEADER + name).saturating_add(entry.compressed_size());
        ranges.push((start, end, path.clone()));
        if !is_folder && path != WEBXDC_JS {
            files.insert(path, entry);
        }
    }
    check_collisions(names)?;
    check_overlap(&mut ranges)?;
    // A second pass compares each local header with the directory, and says where files really end:
    // extra fields stand in front of their bytes, of which the directory says nothing.
    let mut archive = archive.enforce_header_consistency(true);
    let entries = archive.files().map_err(unreadable)?;
    let mut extra = BTreeMap::new();
    while let Some(entry) = entries.next() {
        let start = entry.map_err(contradiction)?.header_start();
        extra.insert(start, local_extra(entries.reader_mut(), start).map_err(BundleError::Io)?);
    }
    for (start, end, _) in &mut ranges {
        *end = end.saturating_add(extra.get(start).copied().unwrap_or_default());
    }
    check_overlap(&mut ranges)?;
    if !files.contains_key("index.html") {
        return Err(BundleError::NoIndex);
    }
    Ok(files)
}

/// Refuses files that share bytes, each by where it begins and ends.
fn check_overlap(ranges: &mut [(u64, u64, String)]) -> Result<(), BundleError> {
    ranges.sort();
    match ranges.windows(2).find(|pair| pair[1].0 < pair[0].1) {
        Some(pair) => Err(BundleError::Overlap(pair[1].2.clone())),
        None => Ok(()),
    }
}

/// How many bytes of extra fields a local header has (APPNOTE 4.3.7).
fn local_extra<R: Read + Seek>(reader: &mut R, header: u64) -> io::Result<u64> {
    let mut length = [0; 2];
    reader.seek(SeekFrom::Start(header + LOCAL_HEADER - 2))?;
    reader.read_exact(&mut length)?;
    Ok(u16::from_le_bytes(length).into())
}

fn is_bomb(entry: &Entry, limits: &Limits) -> bool {
    entry.size() > RATIO_GRACE && entry.size() / limits.ratio > entry.compressed_size()
}

/// The names of all files in an archive of ours that grow too much when they are unpacked.
pub(super) fn bombs<R: Read + Seek>(reader: R, limits: &Limits) -> Result<Vec<String>, ZipError> {
    let mut archive = ZipIterable::try_new(reader, Config::default())?;
    let mut found = Vec::new();
    for entry in archive.files()? {
        let entry = entry?;
        if is_bomb(&entry, limits) {
            found.push(String::from_utf8_lossy(entry.name_raw()).into_owned());
        }
    }
    Ok(found)
}

/// Checks one entry by itself; returns its path without a trailing slash, and whether it is a
/// folder.
fn check_entry(entry: &Entry, limits: &Limits) -> Result<(String, bool), BundleError> {
    let name = std::str::from_utf8(entry.name_raw())
        .map_err(|_| BundleError::NameNotText(String::from_utf8_lossy(entry.name_raw()).into()))?;
    let (path, is_folder) = match name.strip_suffix('/') {
        Some(folder) if !folder.is_empty() => (folder, true),
        _ => (name, false),
    };
    let path = path.to_owned();
    check_path(&path)
        .map_err(|fault| BundleError::Path { path: path.escape_debug().collect(), fault })?;
    let kind = entry.unix_mode().map_or(0, |mode| mode & S_IFMT);
    // Some programs give folders the mode of files; a folder is only its name here.
    let plain = matches!(kind, 0 | S_IFREG) || (is_folder && kind == S_IFDIR);
    if !plain || (is_folder && entry.size() > 0) {
        return Err(BundleError::Special(path));
    }
    if entry.encrypted() {
        return Err(BundleError::Encrypted(path));
    }
    match entry.compression() {
        CompressionMethod::Stored | CompressionMethod::Deflated => {}
        other => return Err(BundleError::Compression { path, method: other.to_string() }),
    }
    let size = entry.size();
    if size > limits.file {
        return Err(BundleError::FileTooLarge { path, size, limit: limits.file });
    }
    if is_bomb(entry, limits) {
        return Err(BundleError::Bomb { path, limit: limits.ratio });
    }
    Ok((path, is_folder))
}

/// An error of the archive as a whole. One that only says that the bytes end too early is the
/// bundle's fault, not the disk's.
fn unreadable(error: ZipError) -> BundleError {
    match error {
        ZipError::Io(error) if !is_fault_of_content(&error) => BundleError::Io(error),
        other => BundleError::NotABundle(other.to_string()),
    }
}

fn contradiction(error: ZipError) -> BundleError {
    match error {
        ZipError::Io(error) if !is_fault_of_content(&error) => BundleError::Io(error),
        other => BundleError::Contradiction(other.to_string()),
    }
}

/// Whether an I/O error comes from what the bytes say, not from the medium.
pub(super) fn is_fault_of_content(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::InvalidData
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::Other
    )
}
