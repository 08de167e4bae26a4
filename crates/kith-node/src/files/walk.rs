//! The files below a folder, in the order in which a shared folder lists them.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use kith_log::file::FileName;

/// Folders in folders, as a shared folder may have.
const MAX_DEPTH: usize = 64;
/// Bytes of a path, as a shared folder may have.
const MAX_PATH: usize = 1_024;
/// Names of what was left out that are told; of more, only how many.
const MAX_TOLD: usize = 100;

/// A file, or a folder with nothing in it.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path in the shared folder, with `/`; one of an empty folder ends with it.
    pub(super) path: String,
    /// Where it is.
    pub(super) at: PathBuf,
    /// Bytes; 0 for a folder.
    pub(super) size: u64,
    /// Whether it can be executed.
    pub(super) executable: bool,
}

/// What was not taken, each with its reason.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    told: Vec<String>,
    more: usize,
}

impl LeftOut {
    pub(super) fn add(&mut self, path: &Path, why: &str) {
        if self.told.len() < MAX_TOLD {
            self.told.push(format!("{}: {why}", path.display()));
        } else {
            self.more += 1;
        }
    }

    pub(super) fn into_lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("{} more", self.more));
        }
        self.told
    }
}

/// Walks a folder: depth first, in the order of the paths' bytes. Holds the names of the folders on
/// the way, one folder's at a time each. Links, and what is no plain file, are left out.
#[derive(Debug)]
pub(super) struct Walk {
    levels: Vec<Level>,
    pub(super) left_out: LeftOut,
}

#[derive(Debug)]
struct Level {
    /// Its path in the shared folder, with a slash at its end unless it is the root.
    path: String,
    at: PathBuf,
    /// Names, last one first; a folder's ends with a slash.
    names: Vec<String>,
}

impl Walk {
    /// Begins with a folder.
    ///
    /// # Errors
    /// Where it can't be read.
    pub(super) fn new(root: &Path) -> std::io::Result<Self> {
        let mut walk = Self { levels: Vec::new(), left_out: LeftOut::default() };
        walk.enter(String::new(), root.to_owned())?;
        Ok(walk)
    }

    fn enter(&mut self, path: String, at: PathBuf) -> std::io::Result<bool> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&at)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.parse::<FileName>().is_ok()) else {
                self.left_out.add(&entry.path(), "its name can't be shared");
                continue;
            };
            if path.len() + name.len() + 1 > MAX_PATH {
                self.left_out.add(&entry.path(), "its path has more than 1,024 bytes");
            } else if kind.is_dir() && self.levels.len() + 1 >= MAX_DEPTH {
                self.left_out.add(&entry.path(), "it lies more than 64 folders deep");
            } else if kind.is_dir() {
                // Compared as the paths below it are.
                names.push(format!("{name}/"));
            } else if kind.is_file() {
                names.push(name.to_owned());
            } else {
                let why = if kind.is_symlink() { "a link" } else { "no plain file" };
                self.left_out.add(&entry.path(), why);
            }
        }
        let any = !names.is_empty();
        names.sort_unstable_by(|a, b| b.as_bytes().cmp(a.as_bytes()));
        if any || self.levels.is_empty() {
            self.levels.push(Level { path, at, names });
        }
        Ok(any)
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let level = self.levels.last_mut()?;
            let Some(name) = level.names.pop() else {
                self.levels.pop();
                continue;
            };
            let path = format!("{}{name}", level.path);
            let at = level.at.join(name.trim_end_matches('/'));
            if name.ends_with('/') {
                match self.enter(path.clone(), at.clone()) {
                    Ok(true) => continue,
                    Ok(false) => return Some(Found { path, at, size: 0, executable: false }),
                    Err(error) => {
                        self.left_out.add(&at, &error.to_string());
                        continue;
                    }
                }
            }
            // It may have gone, or become something else, since its folder was read.
            match at.symlink_metadata() {
                Ok(data) if data.is_file() => {
                    let executable = is_executable(&data);
                    return Some(Found { path, at, size: data.len(), executable });
                }
                Ok(_) => self.left_out.add(&at, "no plain file"),
                Err(error) => self.left_out.add(&at, &error.to_string()),
            }
        }
    }
}

#[cfg(unix)]
fn is_executable(data: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    data.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &Metadata) -> bool {
    false
}

/// Makes a file one that can be executed by whoever may read it.
#[cfg(unix)]
pub(super) fn make_executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
}

/// Makes a file one that can be executed by whoever may read it.
#[cfg(not(unix))]
pub(super) fn make_executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_the_order_of_their_paths() {
        let dir = tempfile::tempdir().unwrap();
        for path in ["a/x", "a-b/y", "a.txt", "b/c/d", "é"] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"four").unwrap();
        }
        fs::create_dir_all(dir.path().join("b/empty")).unwrap();
        let walk = Walk::new(dir.path()).unwrap();
        let found: Vec<_> = walk.map(|found| (found.path, found.size)).collect();
        let expected =
            [("a-b/y", 4), ("a.txt", 4), ("a/x", 4), ("b/c/d", 4), ("b/empty/", 0), ("é", 4)];
        assert_eq!(found, expected.map(|(path, size)| (path.to_owned(), size)));
        assert!(found.is_sorted_by(|a, b| a.0.as_bytes() < b.0.as_bytes()));
    }

    #[cfg(unix)]
    #[test]
    fn what_can_not_be_shared_is_left_out_and_told() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("plain"), b"1").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
        fs::write(dir.path().join(OsStr::from_bytes(b"latin-\xe9")), b"1").unwrap();
        fs::write(dir.path().join("new\nline"), b"1").unwrap();
        fs::write(dir.path().join("run"), b"1").unwrap();
        make_executable(&dir.path().join("run")).unwrap();
        let mut walk = Walk::new(dir.path()).unwrap();
        let found: Vec<_> = walk.by_ref().map(|found| (found.path, found.executable)).collect();
        assert_eq!(found, [("plain".to_owned(), false), ("run".to_owned(), true)]);
        let lines = walk.left_out.into_lines();
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("link: a link")), "{lines:?}");
    }

    #[test]
    fn an_empty_folder_has_no_files() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Walk::new(dir.path()).unwrap().count(), 0);
    }
}
