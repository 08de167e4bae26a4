//! Where a file is in a folder.

use std::fmt;
use std::str::FromStr;

use super::FileError;
use super::name::check_name;

/// Longest path in a folder, in bytes of UTF-8. What is left of the 4,096 that Linux takes is for
/// where the folder is written.
pub const MAX_PATH_LEN: usize = 1024;
/// Most names of a path in a folder. Bounds how deep folders lie in each other.
pub const MAX_PATH_NAMES: usize = 64;

/// A path in a folder: [names](super::FileName) with `/` between them, [`MAX_PATH_NAMES`] and
/// [`MAX_PATH_LEN`] bytes at most. One that ends with `/` is a folder with nothing in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FolderPath(String);

impl FolderPath {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a folder with nothing in it.
    pub fn is_folder(&self) -> bool {
        self.0.ends_with('/')
    }

    /// The names, from the outermost folder to the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.strip_suffix('/').unwrap_or(&self.0).split('/')
    }
}

impl TryFrom<String> for FolderPath {
    type Error = FileError;

    fn try_from(path: String) -> Result<Self, FileError> {
        if path.len() > MAX_PATH_LEN {
            return Err(FileError::PathTooLong(path.len()));
        }
        let path = Self(path);
        path.names().try_for_each(check_name)?;
        match path.names().count() {
            names if names > MAX_PATH_NAMES => Err(FileError::PathTooDeep(names)),
            _ => Ok(path),
        }
    }
}

impl FromStr for FolderPath {
    type Err = FileError;

    fn from_str(path: &str) -> Result<Self, FileError> {
        path.to_owned().try_into()
    }
}

impl fmt::Display for FolderPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<FolderPath> for String {
    fn from(path: FolderPath) -> Self {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_names_and_nothing_that_leads_elsewhere() {
        let (long, deep) = ("a".repeat(255), ["a"; MAX_PATH_NAMES + 1].join("/"));
        let long = [long.as_str(); 5].join("/");
        for (path, fault) in [
            ("", FileError::NameEmpty),
            ("/", FileError::NameEmpty),
            ("/etc/passwd", FileError::NameEmpty),
            ("a//b", FileError::NameEmpty),
            ("a//", FileError::NameEmpty),
            ("../a", FileError::NameReserved),
            ("a/../../b", FileError::NameReserved),
            ("a/./b", FileError::NameReserved),
            ("a/..", FileError::NameReserved),
            ("a\\..\\b", FileError::NameSeparator('\\')),
            ("a/b\0", FileError::NameControl(0)),
            (long.as_str(), FileError::PathTooLong(5 * 255 + 4)),
            (deep.as_str(), FileError::PathTooDeep(MAX_PATH_NAMES + 1)),
        ] {
            assert_eq!(path.parse::<FolderPath>(), Err(fault), "{path:?}");
        }
        for path in ["a", "a/b.c", "a/", "a/b/", "…/ /...", "C:/x", &long[..1023], &deep[2..]] {
            assert_eq!(path.parse::<FolderPath>().unwrap().as_str(), path);
        }
        let empty: FolderPath = "a/b/".parse().unwrap();
        assert!(empty.is_folder());
        assert_eq!(empty.names().collect::<Vec<_>>(), ["a", "b"]);
    }
}
