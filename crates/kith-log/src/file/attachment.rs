//! What an entry says of one file.

use super::{FileError, FileKey, FileName, MAX_NAME_LEN, MAX_TYPE_LEN, MediaType};
use crate::Error;
use crate::codec::{Reader, put_varint};

/// Most attachments of one entry. Bounds what one entry makes a node look up.
pub const MAX_ATTACHMENTS: usize = 64;
/// Greatest size of a file, in bytes: 2^53 - 1, the greatest integer that a page's JavaScript holds
/// exactly.
pub const MAX_FILE_SIZE: u64 = (1 << 53) - 1;
/// Greatest size of a folder's blob, in bytes.
pub const MAX_FOLDER_MANIFEST: u64 = 256 * 1024 * 1024;

const SEALED: u8 = 1;
const FOLDER: u8 = 2;

/// A blob with what its author says of it: an entry's file or folder.
///
/// ```text
/// | hash, 32 | varint size | u8 flags | key, 32, where sealed | varint len, name | varint len, type |
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The BLAKE3 hash of the blob, as it is sent.
    pub hash: [u8; 32],
    /// The blob's size in bytes, [`MAX_FILE_SIZE`] at most.
    pub size: u64,
    /// Whether the blob lists a folder's files; it has [`MAX_FOLDER_MANIFEST`] bytes at most then,
    /// and no type.
    pub folder: bool,
    /// What opens the blob; `None` where it is not sealed.
    pub key: Option<FileKey>,
    /// The file's name.
    pub name: FileName,
    /// The file's type.
    pub media_type: MediaType,
}

impl Attachment {
    fn check(&self) -> Result<(), Error> {
        let limit = if self.folder { MAX_FOLDER_MANIFEST } else { MAX_FILE_SIZE };
        if self.size > limit {
            let what = if self.folder { "a folder's blob" } else { "a file's size" };
            return Err(Error::TooLarge { what, value: self.size, limit });
        }
        if self.folder && !self.media_type.is_empty() {
            return Err(Error::Malformed("a folder with a media type"));
        }
        Ok(())
    }

    fn put(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.check()?;
        out.extend(self.hash);
        put_varint(out, self.size);
        let sealed = if self.key.is_some() { SEALED } else { 0 };
        out.push(sealed | if self.folder { FOLDER } else { 0 });
        out.extend(self.key.iter().flat_map(|key| key.as_bytes()));
        for text in [self.name.as_str(), self.media_type.as_str()] {
            put_varint(out, text.len() as u64);
            out.extend(text.as_bytes());
        }
        Ok(())
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, Error> {
        let hash = reader.array()?;
        let size = reader.varint()?;
        let flags = reader.u8()?;
        if flags & !(SEALED | FOLDER) != 0 {
            return Err(Error::Malformed("an attachment with flags that have no meaning"));
        }
        let key = match flags & SEALED {
            0 => None,
            _ => Some(FileKey::from_bytes(reader.array()?)),
        };
        let len = reader.count("the length of a file's name", MAX_NAME_LEN)?;
        let name = str::from_utf8(reader.bytes(len)?).map_err(|_| FileError::NameEncoding)?;
        let name = name.parse()?;
        let len = reader.count("the length of a media type", MAX_TYPE_LEN)?;
        let text = str::from_utf8(reader.bytes(len)?).map_err(|_| FileError::TypeForm)?;
        let media_type = text.parse()?;
        let attachment = Self { hash, size, folder: flags & FOLDER != 0, key, name, media_type };
        attachment.check()?;
        Ok(attachment)
    }
}

/// `varint count, 1 to 64 ‖ attachments`.
///
/// # Errors
/// [`Error::TooLarge`] and [`Error::Malformed`] for what [`decode_attachments`] would refuse.
pub(crate) fn encode_attachments(attachments: &[Attachment]) -> Result<Vec<u8>, Error> {
    check_count(attachments.len() as u64)?;
    let mut out = Vec::new();
    put_varint(&mut out, attachments.len() as u64);
    for attachment in attachments {
        attachment.put(&mut out)?;
    }
    Ok(out)
}

/// Reads attachments from the front of `bytes`, and returns what follows them.
///
/// # Errors
/// Whatever breaks a rule of their format: the fault of who signed the entry.
pub(crate) fn decode_attachments(bytes: &[u8]) -> Result<(Vec<Attachment>, &[u8]), Error> {
    let mut reader = Reader::new("an attachment", bytes);
    let count = reader.varint()?;
    check_count(count)?;
    let attachments =
        (0..count).map(|_| Attachment::read(&mut reader)).collect::<Result<_, _>>()?;
    Ok((attachments, reader.rest()))
}

fn check_count(count: u64) -> Result<(), Error> {
    match count {
        0 => Err(Error::Malformed("a list of no attachments")),
        count if count > MAX_ATTACHMENTS as u64 => Err(Error::TooLarge {
            what: "the number of attachments",
            value: count,
            limit: MAX_ATTACHMENTS as u64,
        }),
        _ => Ok(()),
    }
}
