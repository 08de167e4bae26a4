//! What a file is called, and what kind of file its author says it is.

use std::fmt;
use std::str::FromStr;

use super::FileError;

/// Longest name, in bytes of UTF-8: what file systems allow for one part of a path.
pub const MAX_NAME_LEN: usize = 255;
/// Longest media type, in bytes: what RFC 6838, section 4.2 allows for one of its two halves, and
/// more than any registered type has for both.
pub const MAX_TYPE_LEN: usize = 127;

/// A file's name: one part of a path, 1 to [`MAX_NAME_LEN`] bytes, neither `.` nor `..`, with no
/// `/`, `\` or control character. A system that can't write it writes another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for FileName {
    type Error = FileError;

    fn try_from(name: String) -> Result<Self, FileError> {
        check_name(&name)?;
        Ok(Self(name))
    }
}

impl FromStr for FileName {
    type Err = FileError;

    fn from_str(name: &str) -> Result<Self, FileError> {
        name.to_owned().try_into()
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<FileName> for String {
    fn from(name: FileName) -> Self {
        name.0
    }
}

/// Checks one part of a path.
pub(crate) fn check_name(name: &str) -> Result<(), FileError> {
    if name.is_empty() {
        return Err(FileError::NameEmpty);
    }
    if name.len() > MAX_NAME_LEN {
        return Err(FileError::NameTooLong(name.len()));
    }
    if matches!(name, "." | "..") {
        return Err(FileError::NameReserved);
    }
    // All of these are one byte in UTF-8, and no byte of another character.
    match name.bytes().find(|byte| matches!(byte, b'/' | b'\\' | 0..b' ' | 0x7f)) {
        None => Ok(()),
        Some(byte @ (b'/' | b'\\')) => Err(FileError::NameSeparator(byte.into())),
        Some(byte) => Err(FileError::NameControl(byte.into())),
    }
}

/// A file's media type: `type/subtype` (RFC 6838, section 4.2) in lower case, without parameters,
/// [`MAX_TYPE_LEN`] bytes at most; or empty where it is not known. A claim of the author's.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaType(String);

impl MediaType {
    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the type is not known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<String> for MediaType {
    type Error = FileError;

    fn try_from(text: String) -> Result<Self, FileError> {
        if text.len() > MAX_TYPE_LEN {
            return Err(FileError::TypeTooLong(text.len()));
        }
        let valid = match text.split_once('/') {
            None => text.is_empty(),
            Some((kind, subtype)) => is_restricted_name(kind) && is_restricted_name(subtype),
        };
        if valid { Ok(Self(text)) } else { Err(FileError::TypeForm) }
    }
}

impl FromStr for MediaType {
    type Err = FileError;

    fn from_str(text: &str) -> Result<Self, FileError> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 6838's `restricted-name`, in lower case.
fn is_restricted_name(text: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (head, rest) = match text.as_bytes() {
        [head, rest @ ..] => (*head, rest),
        [] => return false,
    };
    first(head) && rest.iter().all(|&byte| first(byte) || b"!#$&-^_.+".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_part_of_a_path() {
        let long = "a".repeat(MAX_NAME_LEN + 1);
        for (name, fault) in [
            ("", FileError::NameEmpty),
            (long.as_str(), FileError::NameTooLong(MAX_NAME_LEN + 1)),
            (".", FileError::NameReserved),
            ("..", FileError::NameReserved),
            ("a/b", FileError::NameSeparator('/')),
            ("..\\b", FileError::NameSeparator('\\')),
            ("a\0", FileError::NameControl(0)),
            ("a\nb", FileError::NameControl(10)),
            ("a\u{7f}", FileError::NameControl(0x7f)),
        ] {
            assert_eq!(name.parse::<FileName>(), Err(fault), "{name:?}");
        }
        for name in ["a", "…", "...", " ", "CON", "a.", "Füße.txt", ".hidden", &long[1..]] {
            assert_eq!(name.parse::<FileName>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn a_type_has_two_halves_in_lower_case_and_nothing_else() {
        for text in ["", "video/mp4", "image/svg+xml", "application/vnd.ms-excel", "a/0!#$&-^_.+"] {
            assert_eq!(text.parse::<MediaType>().unwrap().as_str(), text);
        }
        let long = format!("a/{}", "b".repeat(MAX_TYPE_LEN));
        for text in ["/", "a/", "/a", "text", "Text/plain", "text/plain;charset=utf-8", "a/b/c"] {
            assert_eq!(text.parse::<MediaType>(), Err(FileError::TypeForm), "{text}");
        }
        for text in [" a/b", "a/b ", "a/b\r\nx: y", "a/-b", "a/é"] {
            assert_eq!(text.parse::<MediaType>(), Err(FileError::TypeForm), "{text:?}");
        }
        assert_eq!(long.parse::<MediaType>(), Err(FileError::TypeTooLong(MAX_TYPE_LEN + 2)));
    }
}
