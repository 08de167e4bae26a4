//! How large a bundle may be.

/// Largest bundle, in bytes: 64 MiB. What a person on a slow line may wait for, and what is held in
/// memory while it is checked.
pub const MAX_BUNDLE: u64 = 64 << 20;
/// Most files and folders in a bundle. Bounds the index in memory at about 4 MB.
pub const MAX_FILES: usize = 10_000;
/// Most bytes of comments and extra fields in a bundle's directory: 1 MiB. Programs write under 64
/// for a file; an extra field of four bytes takes some seventy in the index.
pub const MAX_BESIDE: u64 = 1 << 20;
/// Largest file in a bundle, in bytes uncompressed: 64 MiB. It is held in memory to be served.
pub const MAX_FILE: u64 = 64 << 20;
/// Most bytes of all files uncompressed: 256 MiB. Bounds the time of [`crate::Bundle::check_files`]
/// at about a second.
pub const MAX_TOTAL: u64 = 256 << 20;
/// Most bytes that one compressed byte may become. Text compresses up to 20 times; what goes beyond
/// 200 is zeros, made to fill a machine (deflate reaches 1,032).
pub const MAX_RATIO: u64 = 200;
/// Bytes of a file to which [`MAX_RATIO`] does not apply: 1 MiB, so that small repetitive files pass.
pub const RATIO_GRACE: u64 = 1 << 20;
/// Largest icon, in bytes: 256 KiB. It is held in memory and sent to the dashboard; an app with a
/// larger one is shown without.
pub const MAX_ICON: u64 = 256 << 10;

/// The limits of a bundle. The default is what every kith holds to; a bundle over it would be
/// refused by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// See [`MAX_BUNDLE`].
    pub bundle: u64,
    /// See [`MAX_FILES`].
    pub files: usize,
    /// See [`MAX_BESIDE`].
    pub beside: u64,
    /// See [`MAX_FILE`].
    pub file: u64,
    /// See [`MAX_TOTAL`].
    pub total: u64,
    /// See [`MAX_RATIO`].
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bundle: MAX_BUNDLE,
            files: MAX_FILES,
            beside: MAX_BESIDE,
            file: MAX_FILE,
            total: MAX_TOTAL,
            ratio: MAX_RATIO,
        }
    }
}
