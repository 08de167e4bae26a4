//! What can be wrong with a file's name, its type, or its path in a folder.

use super::{MAX_NAME_LEN, MAX_PATH_LEN, MAX_PATH_NAMES, MAX_TYPE_LEN};

/// Why a text can't be a file's name, type or path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A name of no characters.
    #[error("a file's name is empty")]
    NameEmpty,
    /// A name longer than [`MAX_NAME_LEN`].
    #[error("a file's name has {0} bytes, and {MAX_NAME_LEN} are allowed")]
    NameTooLong(usize),
    /// `.` or `..`, which name a folder already.
    #[error("a file can not be named “.” or “..”")]
    NameReserved,
    /// A name with `/` or `\`.
    #[error("a file's name contains “{0}”, which separates folders")]
    NameSeparator(char),
    /// A name with a character below U+0020, or U+007F.
    #[error("a file's name contains the control character {0:#04x}")]
    NameControl(u32),
    /// A name whose bytes are not UTF-8.
    #[error("a file's name is not UTF-8")]
    NameEncoding,
    /// A path longer than [`MAX_PATH_LEN`].
    #[error("a path has {0} bytes, and {MAX_PATH_LEN} are allowed")]
    PathTooLong(usize),
    /// A path of more than [`MAX_PATH_NAMES`].
    #[error("a path has {0} names, and {MAX_PATH_NAMES} are allowed")]
    PathTooDeep(usize),
    /// A type longer than [`MAX_TYPE_LEN`].
    #[error("a media type has {0} bytes, and {MAX_TYPE_LEN} are allowed")]
    TypeTooLong(usize),
    /// A type that is not `type/subtype` in lower case.
    #[error("a media type is “type/subtype” in lower case, without parameters")]
    TypeForm,
}
