//! Writing bundles.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Write};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, System, ZipWriter};

use super::check::bombs;
use super::{Bundle, BundleError, Limits};
use crate::check_path;

/// Level of deflate, 0 to 9: the best. A bundle is packed once and carried many times.
const LEVEL: i64 = 9;
/// Endings of files that are compressed already.
const COMPRESSED: &[&str] = &[
    "png", "apng", "jpg", "jpeg", "gif", "webp", "avif", "woff", "woff2", "mp3", "ogg", "oga",
    "opus", "m4a", "aac", "flac", "mp4", "webm", "ogv", "zip", "gz", "xdc",
];

/// Packs files, given by path and bytes, into a bundle. The same files give the same bytes, in
/// whatever order they come, on every system: names are sorted, times and modes fixed.
///
/// # Errors
/// What [`Bundle::open`] would say of the result.
pub fn pack<P, B>(files: impl IntoIterator<Item = (P, B)>) -> Result<Vec<u8>, BundleError>
where
    P: Into<String>,
    B: AsRef<[u8]>,
{
    let limits = Limits::default();
    let mut sorted = BTreeMap::new();
    let mut total = 0u64;
    for (path, bytes) in files {
        let path = path.into();
        check_path(&path)
            .map_err(|fault| BundleError::Path { path: path.escape_debug().collect(), fault })?;
        let size = bytes.as_ref().len() as u64;
        if size > limits.file {
            return Err(BundleError::FileTooLarge { path, size, limit: limits.file });
        }
        total += size;
        if total > limits.total {
            return Err(BundleError::TotalTooLarge { limit: limits.total });
        }
        if sorted.contains_key(&path) {
            return Err(BundleError::Duplicate(path));
        }
        sorted.insert(path, bytes);
        if sorted.len() > limits.files {
            return Err(BundleError::TooManyFiles { found: sorted.len(), limit: limits.files });
        }
    }
    let failed = |error: ZipError| BundleError::NotABundle(error.to_string());
    let mut packed = write(&sorted, &BTreeSet::new()).map_err(failed)?;
    // Honest files that compress too well are carried as they are.
    let plain = bombs(Cursor::new(packed.as_slice()), &limits).map_err(failed)?;
    if !plain.is_empty() {
        packed = write(&sorted, &plain.into_iter().collect()).map_err(failed)?;
    }
    Bundle::open(Cursor::new(packed.as_slice()), &limits)?;
    Ok(packed)
}

/// Writes the archive; those in `plain` are not compressed.
fn write<B: AsRef<[u8]>>(
    files: &BTreeMap<String, B>,
    plain: &BTreeSet<String>,
) -> Result<Vec<u8>, ZipError> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
        let is_compressed = COMPRESSED.iter().any(|known| known.eq_ignore_ascii_case(ending));
        let options = SimpleFileOptions::default()
            .system(System::Unix)
            .unix_permissions(0o644)
            .last_modified_time(DateTime::DEFAULT);
        let options = if is_compressed || plain.contains(path) {
            options.compression_method(CompressionMethod::Stored)
        } else {
            options.compression_method(CompressionMethod::Deflated).compression_level(Some(LEVEL))
        };
        writer.start_file(path.as_str(), options)?;
        writer.write_all(bytes.as_ref())?;
    }
    Ok(writer.finish()?.into_inner())
}
