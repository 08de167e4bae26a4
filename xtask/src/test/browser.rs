//! The tests in a real browser, by node's own runner.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::Left;
use super::count::Count;
use crate::{shell, workspace};

/// Where they are, with their `package.json`.
pub(crate) const FOLDER: &str = "tests/browser";

/// Brings the npm packages, where they are not those of the lock file.
pub(crate) fn install() -> Result<()> {
    let folder = workspace::root().join(FOLDER);
    // npm writes this file last, so that it is older than a lock file which came after it.
    let modified = |file: &str| std::fs::metadata(folder.join(file)).and_then(|m| m.modified());
    let installed = modified("node_modules/.package-lock.json");
    if installed.is_ok_and(|installed| modified("package-lock.json").is_ok_and(|l| l <= installed))
    {
        return Ok(());
    }
    shell::run(
        shell::program("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(&folder),
    )
}

/// Runs all of them but those left out.
pub(crate) fn run(left: &Left, filter: Option<&str>) -> Result<Count> {
    let (_, files) = split(left)?;
    if files.is_empty() {
        return Ok(Count::default());
    }
    install()?;
    let binary = workspace::target_dir(&workspace::metadata()?)?.join("debug").join("kith");
    let tap = tempfile::NamedTempFile::new().context("making a file for node's counts")?;
    let mut node = shell::program("node");
    // One file at a time: each has a browser and several nodes of its own.
    node.args(["--test", "--test-concurrency=1"])
        .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
        .arg("--test-reporter=tap")
        .arg(format!("--test-reporter-destination={}", tap.path().display()))
        .env("KITH_BIN", binary);
    if let Some(filter) = filter {
        node.arg(format!("--test-name-pattern={filter}"));
    }
    let succeeded = shell::succeeds(node.args(&files))?;
    let mut count = Count::of_tap(&std::fs::read_to_string(tap.path())?)
        .context("node's test runner wrote no counts")?;
    if filter.is_some() {
        // node reports what a pattern leaves out as skipped.
        count.skipped = 0;
    }
    if !succeeded && count.failed == 0 {
        count.failed += 1;
    }
    Ok(count)
}

/// How many tests stand in the files left out.
pub(crate) fn count_left(left: &Left) -> Result<u64> {
    let (out, _) = split(left)?;
    let mut count = 0;
    for file in out {
        // node can't list tests without running them.
        count +=
            workspace::read(file)?.lines().filter(|line| line.starts_with("test(")).count() as u64;
    }
    Ok(count)
}

/// The files of tests: those left out, and those to run.
fn split(left: &Left) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let mut files = workspace::files()?;
    files.retain(|path| path.starts_with(FOLDER) && path.to_string_lossy().ends_with(".test.mjs"));
    Ok(files
        .into_iter()
        .partition(|path| path.file_name().is_some_and(|name| left.out(&name.to_string_lossy()))))
}
