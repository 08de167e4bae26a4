//! The list of what is over a size limit. It may only shrink.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::Problem;
use crate::{shell, workspace};

pub(super) const FILE: &str = "xtask/exceptions.toml";

/// The list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Exceptions {
    #[serde(default)]
    exception: Vec<Exception>,
}

/// A file or a function that is over its limit.
#[derive(Debug, Deserialize)]
pub(super) struct Exception {
    pub(super) path: PathBuf,
    /// Absent for the file.
    pub(super) function: Option<String>,
    lines: usize,
}

impl Exceptions {
    pub(super) fn read() -> Result<Self> {
        Self::parse(&workspace::read(FILE)?)
    }

    fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("reading {FILE}"))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Exception> {
        self.exception.iter()
    }

    pub(super) fn allowed(&self, path: &Path, function: Option<&str>) -> Option<usize> {
        self.exception
            .iter()
            .find(|exception| exception.path == path && exception.function.as_deref() == function)
            .map(|exception| exception.lines)
    }
}

/// The list that is here must allow no more than any version of it in the history.
pub(super) fn only_shrank(now: &Exceptions) -> Result<Vec<Problem>> {
    let commits = shell::output(shell::program("git").args(["log", "--format=%H", "--", FILE]))?;
    let mut problems = Vec::new();
    for commit in commits.lines() {
        let version = format!("{commit}:{FILE}");
        let text = shell::output(shell::program("git").args(["show", &version]))?;
        problems.extend(grown(&Exceptions::parse(&text)?, now));
    }
    problems.sort();
    problems.dedup();
    Ok(problems)
}

fn grown(before: &Exceptions, now: &Exceptions) -> Vec<Problem> {
    let allows_more = |exception: &&Exception| {
        before
            .allowed(&exception.path, exception.function.as_deref())
            .is_none_or(|lines| exception.lines > lines)
    };
    now.iter()
        .filter(allows_more)
        .map(|exception| {
            let path = exception.path.display();
            Problem::new(
                FILE,
                0,
                format!("the exception for {path} is new or larger: the list may only shrink"),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(&str, usize)]) -> Exceptions {
        let text: String = entries
            .iter()
            .map(|(path, lines)| format!("[[exception]]\npath = \"{path}\"\nlines = {lines}\n"))
            .collect();
        Exceptions::parse(&text).unwrap()
    }

    #[test]
    fn the_list_may_only_shrink() {
        let before = list(&[("a.rs", 700), ("b.rs", 650)]);
        assert!(grown(&before, &list(&[("a.rs", 690)])).is_empty());
        assert!(grown(&before, &before).is_empty());
        assert_eq!(grown(&before, &list(&[("a.rs", 701)])).len(), 1);
        assert_eq!(grown(&before, &list(&[("c.rs", 601)])).len(), 1);
    }
}
