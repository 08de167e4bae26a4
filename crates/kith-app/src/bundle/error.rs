//! What can be wrong with a bundle.

use std::io;

use crate::{ManifestError, PathFault};

/// Why a bundle can't be used. Each says what is wrong, and with which file, in a person's words.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The file is over the limit.
    #[error("the bundle has {size} bytes, and {limit} are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// Not a ZIP, or a broken one.
    #[error("this is not a bundle, or it was cut off: {0}")]
    NotABundle(String),
    /// More files than the limit.
    #[error("the bundle has {found} files, and {limit} are allowed")]
    TooManyFiles {
        /// How many there are.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A file's name is not UTF-8.
    #[error("the name of a file, “{0}”, is not UTF-8")]
    NameNotText(String),
    /// A file's name leads out of the bundle, or can't be one.
    #[error("the bundle has a file “{path}” that can't be in one: {fault}")]
    Path {
        /// The name.
        path: String,
        /// What is wrong with it.
        fault: PathFault,
    },
    /// A symbolic link, a device or the like.
    #[error("“{0}” is a link or a special file; a bundle has plain files only")]
    Special(String),
    /// Two files of one name.
    #[error("the bundle has two files “{0}”")]
    Duplicate(String),
    /// Two files whose names differ in capitals only, which are one file on some systems.
    #[error("“{first}” and “{second}” differ in capitals only")]
    DiffersInCase {
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// A name that is both a file and a folder.
    #[error("“{0}” is both a file and a folder")]
    FileAndFolder(String),
    /// A file is encrypted.
    #[error("“{0}” is encrypted")]
    Encrypted(String),
    /// A file is compressed in a way that bundles don't use.
    #[error("“{path}” is compressed by {method}; bundles use deflate or none")]
    Compression {
        /// The file.
        path: String,
        /// The method's name or number.
        method: String,
    },
    /// More comments and extra fields than the limit.
    #[error("the bundle has over {limit} bytes of comments and extra fields, which is the limit")]
    TooMuchBeside {
        /// The limit.
        limit: u64,
    },
    /// A file says that it is over the limit.
    #[error("“{path}” has {size} bytes unpacked, and {limit} are allowed")]
    FileTooLarge {
        /// The file.
        path: String,
        /// Its size in bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// All files together say that they are over the limit.
    #[error("the bundle has over {limit} bytes unpacked, which is the limit")]
    TotalTooLarge {
        /// The limit.
        limit: u64,
    },
    /// A file unpacks to far more than it holds: made to fill a machine.
    #[error("“{path}” grows over {limit} times when it is unpacked: it was made to do harm")]
    Bomb {
        /// The file.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// Files share bytes of the archive: made to grow when unpacked.
    #[error("“{0}” shares its bytes with another file: the bundle was made to do harm")]
    Overlap(String),
    /// The archive says two different things about a file, so that programs would disagree.
    #[error("the bundle contradicts itself: {0}")]
    Contradiction(String),
    /// A file unpacks to another size than it says.
    #[error("“{path}” should have {declared} bytes unpacked, and has others")]
    WrongSize {
        /// The file.
        path: String,
        /// The size that it says.
        declared: u64,
    },
    /// A file's bytes are damaged.
    #[error("“{0}” is damaged")]
    Damaged(String),
    /// There is no `index.html`.
    #[error("there is no “index.html” at the top of the bundle")]
    NoIndex,
    /// The manifest can't be used.
    #[error("manifest.toml can't be used: {0}")]
    Manifest(ManifestError),
    /// The bundle has no such file.
    #[error("the bundle has no file “{0}”")]
    NotFound(String),
    /// The bundle's file can't be read from disk.
    #[error("the bundle can't be read: {0}")]
    Io(#[source] io::Error),
}
