//! Where the bytes of a blob are.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::store::disk::Stamp;
use crate::store::error::StoreError;
use crate::store::platform::{bytes_of_path, path_of_bytes};

/// Where the bytes of a blob are. Its tree is in the folder of blobs, wherever they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the folder of blobs.
    Own,
    /// In a file of the person's, which is believed while it is as it was.
    Outside(Outside),
    /// On the way to a file of the person's.
    Coming(Coming),
}

/// A file of the person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    pub(super) path: PathBuf,
    /// What it was when it was hashed, or when all of it had come.
    pub(super) stamp: Stamp,
}

/// A file that is to be the person's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Coming {
    /// The file that it is written to, in the same folder.
    pub(super) part: PathBuf,
    /// That file's number on its file system.
    pub(super) inode: u64,
    /// The name that it is to have, if that is free.
    pub(super) wanted: PathBuf,
    /// The name that it is being given, where its file has no number.
    pub(super) moving: Option<PathBuf>,
}

/// A [`Place`] as its row has it.
#[derive(Serialize, Deserialize)]
pub(super) enum PlaceRow {
    Own,
    Outside { path: Vec<u8>, size: u64, modified: i64, inode: u64 },
    Coming { part: Vec<u8>, inode: u64, wanted: Vec<u8>, moving: Option<Vec<u8>> },
}

impl Place {
    pub(super) fn to_row(&self) -> PlaceRow {
        match self {
            Self::Own => PlaceRow::Own,
            Self::Outside(Outside { path, stamp }) => PlaceRow::Outside {
                path: bytes_of_path(path),
                size: stamp.size,
                modified: stamp.modified,
                inode: stamp.inode,
            },
            Self::Coming(Coming { part, inode, wanted, moving }) => PlaceRow::Coming {
                part: bytes_of_path(part),
                inode: *inode,
                wanted: bytes_of_path(wanted),
                moving: moving.as_deref().map(bytes_of_path),
            },
        }
    }

    pub(super) fn of_row(row: PlaceRow) -> Result<Self, StoreError> {
        let path =
            |bytes: Vec<u8>| path_of_bytes(&bytes).ok_or_else(|| StoreError::bad_row("blobs"));
        Ok(match row {
            PlaceRow::Own => Self::Own,
            PlaceRow::Outside { path: bytes, size, modified, inode } => {
                let stamp = Stamp { size, modified, inode };
                Self::Outside(Outside { path: path(bytes)?, stamp })
            }
            PlaceRow::Coming { part, inode, wanted, moving } => Self::Coming(Coming {
                part: path(part)?,
                inode,
                wanted: path(wanted)?,
                moving: moving.map(path).transpose()?,
            }),
        })
    }
}
