//! Paths inside a bundle.

/// Longest path of a file in a bundle, in bytes of UTF-8. What file systems allow for one name.
pub const MAX_PATH: usize = 255;

/// Why a path can't be one inside a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// No characters at all.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_PATH`].
    #[error("it has {found} bytes, and {MAX_PATH} are allowed")]
    TooLong {
        /// Its length in bytes.
        found: usize,
    },
    /// Begins with `/`.
    #[error("it begins with “/”: paths are relative to the app")]
    Absolute,
    /// Begins with a drive letter, as on Windows.
    #[error("it begins with a drive letter: paths are relative to the app")]
    Drive,
    /// Contains `..` as a part.
    #[error("“..” leads out of the app")]
    Escapes,
    /// Contains `.` or nothing as a part.
    #[error("a part between two “/” is empty or “.”")]
    EmptyPart,
    /// Contains a backslash.
    #[error("it contains “\\”, which separates folders on some systems only")]
    Backslash,
    /// Contains NUL or another control character.
    #[error("it contains the control character {0:#04x}")]
    Control(u32),
    /// Begins with `.kith`, which kith serves itself.
    #[error("“.kith/” is reserved for kith")]
    Reserved,
}

/// Checks a path inside a bundle: relative, parts separated by `/`, none of them empty, `.` or
/// `..`, no backslash, no control character, no drive letter, not in `.kith/`, at most
/// [`MAX_PATH`] bytes.
///
/// # Errors
/// See [`PathFault`].
pub fn check_path(path: &str) -> Result<(), PathFault> {
    if path.is_empty() {
        return Err(PathFault::Empty);
    }
    if path.len() > MAX_PATH {
        return Err(PathFault::TooLong { found: path.len() });
    }
    if let Some(c) = path.chars().find(|c| c.is_control()) {
        return Err(PathFault::Control(c.into()));
    }
    if path.contains('\\') {
        return Err(PathFault::Backslash);
    }
    if path.starts_with('/') {
        return Err(PathFault::Absolute);
    }
    if let [letter, b':', ..] = path.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return Err(PathFault::Drive);
    }
    for (index, part) in path.split('/').enumerate() {
        match part {
            ".." => return Err(PathFault::Escapes),
            "" | "." => return Err(PathFault::EmptyPart),
            _ if index == 0 && part.eq_ignore_ascii_case(".kith") => {
                return Err(PathFault::Reserved);
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_named() {
        let long = "a".repeat(MAX_PATH + 1);
        for (path, fault) in [
            ("", PathFault::Empty),
            (long.as_str(), PathFault::TooLong { found: MAX_PATH + 1 }),
            ("/etc/passwd", PathFault::Absolute),
            ("C:/x", PathFault::Drive),
            ("c:x", PathFault::Drive),
            ("../x", PathFault::Escapes),
            ("a/../../x", PathFault::Escapes),
            ("a/..", PathFault::Escapes),
            ("a//b", PathFault::EmptyPart),
            ("./a", PathFault::EmptyPart),
            ("a/", PathFault::EmptyPart),
            ("a\\b", PathFault::Backslash),
            ("a\0b", PathFault::Control(0)),
            ("a\u{7f}", PathFault::Control(0x7f)),
            ("a\u{85}", PathFault::Control(0x85)),
            (".kith/kith.js", PathFault::Reserved),
            (".Kith", PathFault::Reserved),
        ] {
            assert_eq!(check_path(path), Err(fault), "{path:?}");
        }
        for path in
            ["index.html", "a/b.c", "…", "a b", ".well-known/x", "a..b", ".kithx", &long[1..]]
        {
            assert_eq!(check_path(path), Ok(()), "{path:?}");
        }
    }
}
