//! The tests in a real browser, by node's own runner.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::count::Count;
use super::provision::by_sudo;
use super::{Plan, Way};
use crate::{shell, workspace};

/// Where they are, with their `package.json`.
pub(crate) const FOLDER: &str = "tests/browser";

/// The oldest node that runs them.
const NODE: u32 = 20;

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
pub(crate) fn run(plan: &Plan, filter: Option<&str>) -> Result<Count> {
    let mut count = Count::default();
    for way in [Way::Plainly, Way::BySudo] {
        let files = files(plan, way)?;
        if files.is_empty() {
            continue;
        }
        check_version()?;
        install()?;
        let node = if way == Way::BySudo { by_sudo("node") } else { shell::program("node") };
        count += run_files(node, &files, filter)?;
    }
    Ok(count)
}

fn run_files(mut node: Command, files: &[PathBuf], filter: Option<&str>) -> Result<Count> {
    let binary = workspace::target_dir(&workspace::metadata()?)?.join("debug").join("kith");
    let tap = tempfile::NamedTempFile::new().context("making a file for node's counts")?;
    // One file at a time: each has a browser and several nodes of its own.
    node.args(["--test", "--test-concurrency=1"])
        .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
        .arg("--test-reporter=tap")
        .arg(format!("--test-reporter-destination={}", tap.path().display()))
        .env("KITH_BIN", binary);
    if let Some(filter) = filter {
        node.arg(format!("--test-name-pattern={filter}"));
    }
    let succeeded = shell::succeeds(node.args(files))?;
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

/// Older ones lack what the tests use, and say so in riddles.
fn check_version() -> Result<()> {
    let version = shell::output(shell::program("node").arg("--version"))?;
    let major = version.trim().trim_start_matches('v').split('.').next();
    if major.and_then(|major| major.parse().ok()).is_none_or(|major: u32| major < NODE) {
        bail!("the browser tests need node {NODE} or newer, and this is {}", version.trim());
    }
    Ok(())
}

/// How many tests stand in the files left out, at least: node can't list them without running
/// them, and one that stands in a loop counts once.
pub(crate) fn count_left(plan: &Plan, filter: Option<&str>) -> Result<u64> {
    let files = files(plan, Way::Not)?.into_iter();
    files.map(|file| Ok(count(&workspace::read(file)?, filter.unwrap_or_default()))).sum()
}

fn count(text: &str, filter: &str) -> u64 {
    let is_test = |line: &&str| line.trim_start().starts_with("test(") && line.contains(filter);
    text.lines().filter(is_test).count() as u64
}

/// The files of tests that are run this way.
fn files(plan: &Plan, way: Way) -> Result<Vec<PathBuf>> {
    let mut files = workspace::files()?;
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.starts_with(FOLDER) && name.ends_with(".test.mjs") && plan.way(&name) == way
    });
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_in_a_loop_counts() {
        let text = "test('a', () => {});\nfor (const b of c) {\n  test(`b ${b}`, () => {\n    await t.test(d);\n  });\n}\n";
        assert_eq!(count(text, ""), 2);
        assert_eq!(count(text, "'a'"), 1);
    }
}
