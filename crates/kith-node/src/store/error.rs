//! What can go wrong with the disk, in a person's words.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_api::ErrorCode;

/// Why the store could not do what it was asked for. Nothing that was acknowledged is lost by any
/// of these.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory.
    #[error("the data directory {} is in use by another process", dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// The other process, where it is known.
        pid: Option<u32>,
    },
    /// No room is left.
    #[error("the disk is full")]
    DiskFull,
    /// Less room is left than what is about to come takes.
    #[error("{} has room for {free} bytes, and {needed} are needed", folder.display())]
    NoRoom {
        /// Where it was to come to.
        folder: PathBuf,
        /// Bytes that it takes yet.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// It can be read, not written.
    #[error("{} can't be written", path.display())]
    ReadOnly {
        /// What can't be written.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// The database holds what kith never wrote.
    #[error("the database is damaged: {detail}")]
    Corrupt {
        /// What was found.
        detail: String,
    },
    /// A newer kith wrote it.
    #[error("the database has format {found}, and this kith knows formats up to {known}")]
    NewerSchema {
        /// The format found.
        found: u32,
        /// The newest known here.
        known: u32,
    },
    /// The system refused in another way.
    #[error("can't {doing} {}: {source}", path.display())]
    Io {
        /// A verb.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// The system's words.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk failed under another call while this one was reading; trying again may do.
    #[error("the disk failed meanwhile")]
    Interrupted,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// What was named is not here.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// It is here already.
    #[error("there is such a {0} already")]
    Exists(&'static str),
    /// A lower version never replaces a higher one.
    #[error("version {installed} is installed already")]
    OlderVersion {
        /// The installed version.
        installed: u64,
    },
    /// More than the named limit.
    #[error("over the limit: {0}")]
    Limit(&'static str),
    /// It, or a part of it, is not here (any more).
    #[error("it is not held here")]
    NotHeld,
    /// Its files are being put in place or removed; soon it is known what became of it.
    #[error("it is being put in place or removed")]
    Claimed,
    /// A run that does not join what is held of its log.
    #[error("the run does not join the log")]
    Apart,
    /// A blob's file was changed, or a part can't be of its blob.
    #[error("the file is not what was stored")]
    Damaged,
    /// Somebody said that a file has another size than it has.
    #[error("the file has another size than whoever named it here said")]
    OtherSize,
    /// A folder, a link, a pipe or a device, where a file is needed.
    #[error("{} is not a plain file", path.display())]
    NotPlain {
        /// Its path.
        path: PathBuf,
    },
    /// A person's file was changed while it was being read.
    #[error("{} was changed while it was being read", path.display())]
    Changed {
        /// Its path.
        path: PathBuf,
    },
    /// An entry that can't be written.
    #[error("the entry can't be written: {0}")]
    Entry(#[source] kith_log::Error),
}

impl StoreError {
    /// As [`Self::io`], for a person's file.
    pub(super) fn plain(doing: &'static str, path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::Unsupported => Self::NotPlain { path: path.into() },
            io::ErrorKind::UnexpectedEof => Self::Changed { path: path.into() },
            _ => Self::io(doing, path, error),
        }
    }

    /// Sorts a system's error by what a person can do about it.
    pub(super) fn io(doing: &'static str, path: &Path, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly { path: path.into(), why: error.to_string() }
            }
            _ => Self::Io { doing, path: path.into(), source: Arc::new(error) },
        }
    }

    fn database(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                Self::Corrupt { detail: error.to_string() }
            }
            redb::Error::Io(error) => {
                Self::io("read or write", Path::new(super::DATABASE_FILE), error)
            }
            redb::Error::PreviousIo | redb::Error::DatabaseClosed => Self::Interrupted,
            error => Self::Corrupt { detail: error.to_string() },
        }
    }

    /// A row that does not decode.
    pub(super) fn bad_row(table: &str) -> Self {
        Self::Corrupt { detail: format!("a row of “{table}” can't be read") }
    }

    /// Whether the caller was refused, and the disk has nothing to do with it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::NotFound(_)
                | Self::Exists(_)
                | Self::OlderVersion { .. }
                | Self::Limit(_)
                | Self::Entry(_)
                | Self::NotHeld
                | Self::Claimed
                | Self::Apart
                | Self::Damaged
                | Self::OtherSize
                | Self::NotPlain { .. }
                | Self::Changed { .. }
        )
    }
}

macro_rules! from_redb {
    ($($error:ident)+) => {$(
        impl From<redb::$error> for StoreError {
            fn from(error: redb::$error) -> Self {
                Self::database(error.into())
            }
        }
    )+};
}

from_redb! { DatabaseError TransactionError TableError CommitError StorageError }

impl From<StoreError> for kith_api::Error {
    fn from(error: StoreError) -> Self {
        let new = |code, what: String| kith_api::Error::new(code, what);
        match error {
            StoreError::Locked { dir, pid } => locked(&dir, pid),
            StoreError::DiskFull => new(ErrorCode::DiskFull, "Nothing could be saved.".into())
                .why("The disk is full.")
                .todo("Make room and try again. All that was saved before is safe."),
            StoreError::NoRoom { folder, needed, free } => no_room(&folder, needed, free),
            StoreError::ReadOnly { path, why } => {
                new(ErrorCode::ReadOnly, format!("{} can't be written.", path.display()))
                    .why(format!("{why}."))
                    .todo("Make it writable for you, or give another directory by --data-dir.")
            }
            StoreError::Corrupt { detail } => {
                new(ErrorCode::Storage, "The database can't be read.".into())
                    .why(format!("It is damaged: {detail}."))
                    .todo(
                        "Put back a copy of the data directory, or move the directory away and \
                         start anew: what the others in your spaces have comes back from them.",
                    )
            }
            StoreError::NewerSchema { found, known } => {
                new(ErrorCode::Storage, "This kith is too old for its data directory.".into())
                    .why(format!(
                        "A newer one wrote it: it has format {found}, this one knows up to {known}."
                    ))
                    .todo("Install the newer kith again, or give another directory by --data-dir.")
            }
            StoreError::Io { .. } | StoreError::Interrupted => {
                new(ErrorCode::Storage, "The disk could not be read or written.".into())
                    .why(format!("{error}."))
                    .todo("Look whether the disk is there and sound, then try again.")
            }
            StoreError::Closed => new(ErrorCode::Stopping, "kith is stopping.".into()),
            StoreError::NotFound(_)
            | StoreError::NotHeld
            | StoreError::Claimed
            | StoreError::Apart
            | StoreError::OtherSize => new(ErrorCode::NotFound, sentence(&error)),
            StoreError::Exists(_) => new(ErrorCode::AlreadyExists, sentence(&error)),
            StoreError::OlderVersion { .. } => {
                new(ErrorCode::OlderVersion, "An older version never replaces a newer one.".into())
                    .why(sentence(&error))
            }
            StoreError::Limit(_) => new(ErrorCode::TooMany, sentence(&error)),
            StoreError::Entry(kith_log::Error::TooLarge { .. }) => {
                new(ErrorCode::TooLarge, sentence(&error))
            }
            StoreError::Damaged => new(ErrorCode::Storage, "A stored file can't be used.".into())
                .why("Something else than kith changed it, or the disk is failing.")
                .todo("Get it again from somebody who has it."),
            StoreError::NotPlain { .. } => new(ErrorCode::InvalidParams, sentence(&error))
                .why("Only files can be shared, and folders with files in them.")
                .todo("Give the path of the file itself, not of a link to it."),
            StoreError::Changed { .. } => new(ErrorCode::Storage, sentence(&error))
                .why("Another program is writing to it.")
                .todo("Try again when that program is done, or share a copy."),
            StoreError::Entry(_) => new(ErrorCode::Internal, sentence(&error)),
        }
    }
}

fn locked(dir: &Path, pid: Option<u32>) -> kith_api::Error {
    let who = pid.map_or_else(
        || "Another process has it.".to_owned(),
        |pid| format!("Process {pid} has it."),
    );
    let what = format!("The data directory {} is in use.", dir.display());
    kith_api::Error::new(ErrorCode::Storage, what)
        .why(who)
        .todo("Stop that process by “kith stop”, or give another directory by --data-dir.")
}

fn no_room(folder: &Path, needed: u64, free: u64) -> kith_api::Error {
    let what = format!("{} has too little room.", folder.display());
    kith_api::Error::new(ErrorCode::DiskFull, what)
        .why(format!("{} are needed, and {} are free.", readable(needed), readable(free)))
        .todo("Make room, or get it to another disk. What came of it is kept.")
}

/// An amount as a person reads it: “16.4 MB”, rounded down.
fn readable(bytes: u64) -> String {
    const UNITS: [(&str, u64); 4] =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} bytes"),
    }
}

/// The error's text as a sentence.
fn sentence(error: &StoreError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}
