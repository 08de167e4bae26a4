//! Files: what an entry says of a blob, and the key that opens it.
//!
//! `docs/protocol/file.md` says what the bytes mean. An [`Attachment`] stands in an entry's
//! [`Body`](crate::Body); it is checked while it is read, so one that exists can be trusted to have
//! a name that is one part of a path and sizes within limits. That the blob's bytes are what its
//! author meant is proven by its hash alone.
//!
//! A folder's blob lists files: a [`FolderWriter`] writes it, a [`FolderReader`] reads it.

mod attachment;
mod error;
mod folder;
mod key;
mod name;
mod path;
mod reader;

pub use attachment::{Attachment, MAX_ATTACHMENTS, MAX_FILE_SIZE, MAX_FOLDER_MANIFEST};
pub(crate) use attachment::{decode_attachments, encode_attachments};
pub use error::FileError;
pub use folder::{
    FolderBlob, FolderError, FolderFile, FolderWriter, MAX_FOLDER_BLOBS, MAX_FOLDER_FILES,
    MAX_PACK_SIZE, OWN_BLOB_SIZE,
};
pub use key::FileKey;
pub use name::{FileName, MAX_NAME_LEN, MAX_TYPE_LEN, MediaType};
pub use path::{FolderPath, MAX_PATH_LEN, MAX_PATH_NAMES};
pub use reader::FolderReader;
