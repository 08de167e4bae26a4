//! `cargo xtask tidy`: the rules that no compiler checks.
//!
//! - [`sizes`]: files to 600 lines beside their tests, functions to 70, and [`exceptions`], a list
//!   that may only shrink.
//! - [`arrows`]: which crate may depend on which.
//! - [`absences`]: what a crate must not name: clocks, threads and random sources in the leaves,
//!   tokio's own time and tasks in the overlay, queues without limits anywhere.
//! - [`manifests`]: every crate under the workspace's lints, every dependency with its reason.
//! - [`links`]: links between pages lead somewhere.
//! - [`fuzz`]: every fuzz target has its corpus, and a test that replays it.
//!
//! [`source`] is a Rust file as these see it. Each check returns the [`Problem`]s that it found.

mod absences;
mod arrows;
mod exceptions;
mod fuzz;
mod links;
mod manifests;
mod sizes;
mod source;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::{types, workspace};

/// Something that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Problem {
    path: PathBuf,
    /// From 1; 0 for the file as a whole.
    line: usize,
    text: String,
}

impl Problem {
    fn new(path: impl Into<PathBuf>, line: usize, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, text: text.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.text)
    }
}

pub(crate) fn run() -> Result<ExitCode> {
    let files = workspace::files()?;
    let rust = source::parse_all(&files)?;
    let mut problems = Vec::new();
    problems.extend(sizes::check(&files, &rust)?);
    problems.extend(absences::check(&rust));
    problems.extend(arrows::check(&files)?);
    problems.extend(manifests::check(&files)?);
    problems.extend(links::check(&files)?);
    problems.extend(fuzz::check(&files)?);
    problems.extend(types::check().map(|text| Problem::new("sdk", 0, text)));
    problems.sort();
    for problem in &problems {
        println!("{problem}");
    }
    Ok(match problems.len() {
        0 => ExitCode::SUCCESS,
        count => {
            eprintln!("{count} problems");
            ExitCode::FAILURE
        }
    })
}
