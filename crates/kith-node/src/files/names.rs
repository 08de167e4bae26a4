//! Names as others wrote them, made into names that this system can write.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use kith_log::file::FileName;

/// Tries to find a free name, before it is given up.
const MAX_TRIES: u32 = 10_000;

/// What a system does with names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    /// Windows' reserved characters, names and endings.
    reserved: bool,
    /// Names that differ in case alone are one name.
    folds: bool,
}

impl Rules {
    /// Those of this system.
    pub(super) const HERE: Self =
        Self { reserved: cfg!(windows), folds: cfg!(any(windows, target_os = "macos")) };

    /// Those of Windows.
    #[cfg(test)]
    const WINDOWS: Self = Self { reserved: true, folds: true };

    /// The name to write for one part of a path.
    pub(super) fn written(self, name: &str) -> String {
        if !self.reserved {
            return name.to_owned();
        }
        let mut written: String =
            name.chars().map(|c| if "<>:\"|?*".contains(c) { '_' } else { c }).collect();
        if written.ends_with(['.', ' ']) {
            written.push('_');
        }
        let stem = written.split('.').next().unwrap_or_default().trim_end();
        if is_device(stem) {
            written.insert(0, '_');
        }
        written
    }

    /// Names that are one name to this system have one key.
    fn key(self, name: &str) -> String {
        if self.folds { name.to_lowercase() } else { name.to_owned() }
    }
}

/// Names of devices, whatever ends them.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_uppercase();
    let numbered = |prefix: &str| {
        let digit = stem.strip_prefix(prefix).and_then(|rest| rest.parse::<u8>().ok());
        stem.len() == prefix.len() + 1 && digit.is_some_and(|digit| digit > 0)
    };
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

/// Paths of one folder as they are written, one after the other in the order of the folder. Holds the
/// names of the folders on the way to the last one.
#[derive(Debug)]
pub(super) struct Written {
    rules: Rules,
    /// For each level, the names taken in that folder, by their keys; and the part of the last path
    /// that leads below, as shared and as written.
    levels: Vec<Level>,
}

#[derive(Debug, Default)]
struct Level {
    /// Only where names can collide: else it would hold all names of the folder.
    taken: HashMap<String, u32>,
    below: Option<(String, String)>,
}

impl Written {
    pub(super) fn new(rules: Rules) -> Self {
        Self { rules, levels: Vec::new() }
    }

    /// Where the file of a path is written, below its folder; and whether a name had to be changed.
    pub(super) fn path(&mut self, path: &str) -> (PathBuf, bool) {
        let parts: Vec<_> = path.trim_end_matches('/').split('/').collect();
        let mut out = PathBuf::new();
        let mut changed = false;
        for (depth, part) in parts.iter().enumerate() {
            let is_folder = depth + 1 < parts.len() || path.ends_with('/');
            let name = self.name(depth, part, is_folder);
            changed |= name != **part;
            out.push(name);
        }
        (out, changed)
    }

    fn name(&mut self, depth: usize, part: &str, is_folder: bool) -> String {
        if self.levels.len() <= depth {
            self.levels.resize_with(depth + 1, Level::default);
        }
        let level = &mut self.levels[depth];
        if let Some((shared, written)) = &level.below
            && is_folder
            && shared == part
        {
            return written.clone();
        }
        let mut written = self.rules.written(part);
        if self.rules.folds {
            let count = level.taken.entry(self.rules.key(&written)).or_default();
            *count += 1;
            if *count > 1 {
                written = numbered(&written, *count);
            }
        }
        level.below = is_folder.then(|| (part.to_owned(), written.clone()));
        // Whatever lies deeper belongs to the folder before.
        self.levels.truncate(depth + 1);
        written
    }
}

/// `name (2).ext`.
fn numbered(name: &str, number: u32) -> String {
    let (stem, ending) = match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    };
    format!("{stem} ({number}){ending}")
}

/// A path in `dir` that does not exist and is not taken, for what was shared by this name; none where
/// there are too many.
pub(super) fn free(dir: &Path, name: &FileName, taken: &BTreeSet<PathBuf>) -> Option<PathBuf> {
    let name = Rules::HERE.written(name.as_str());
    (1..=MAX_TRIES).find_map(|number| {
        let name = if number == 1 { name.clone() } else { numbered(&name, number) };
        let path = dir.join(name);
        // A link that leads nowhere is there, too.
        (path.symlink_metadata().is_err() && !taken.contains(&path)).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_windows_can_not_write_are_changed_there_alone() {
        for (shared, written) in [
            ("a:b?.txt", "a_b_.txt"),
            ("nul", "_nul"),
            ("Com1.tar.gz", "_Com1.tar.gz"),
            ("COM10", "COM10"),
            ("COM0", "COM0"),
            ("aux .txt", "_aux .txt"),
            ("ends.", "ends._"),
            ("ends ", "ends _"),
            ("console", "console"),
        ] {
            assert_eq!(Rules::WINDOWS.written(shared), written);
            let unix = Rules { reserved: false, folds: false };
            assert_eq!(unix.written(shared), shared);
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_do_not_overwrite_each_other() {
        let mut written = Written::new(Rules::WINDOWS);
        let mut path = |path: &str| written.path(path).0.to_str().unwrap().replace('\\', "/");
        assert_eq!(path("A/x"), "A/x");
        assert_eq!(path("README.md"), "README.md");
        assert_eq!(path("a/x"), "a (2)/x");
        assert_eq!(path("a/X"), "a (2)/X (2)");
        assert_eq!(path("a/y/z"), "a (2)/y/z");
        assert_eq!(path("readme.md"), "readme (2).md");
        assert_eq!(path("nul/"), "_nul");
    }

    #[test]
    fn a_free_name_is_found_beside_the_taken_ones() {
        let dir = tempfile::tempdir().unwrap();
        let name: FileName = "a.tar.gz".parse().unwrap();
        let none = BTreeSet::new();
        assert_eq!(free(dir.path(), &name, &none), Some(dir.path().join("a.tar.gz")));
        let taken = BTreeSet::from([dir.path().join("a.tar.gz")]);
        assert_eq!(free(dir.path(), &name, &taken), Some(dir.path().join("a.tar (2).gz")));
        std::fs::write(dir.path().join("a.tar.gz"), b"").unwrap();
        assert_eq!(free(dir.path(), &name, &none), Some(dir.path().join("a.tar (2).gz")));
        let hidden: FileName = ".profile".parse().unwrap();
        std::fs::create_dir(dir.path().join(".profile")).unwrap();
        assert_eq!(free(dir.path(), &hidden, &none), Some(dir.path().join(".profile (2)")));
    }
}
