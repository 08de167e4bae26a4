//! Every crate under the workspace's lints, every dependency with its reason, every leaf with the
//! bans of the root.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::Problem;
use crate::workspace;

/// Where each dependency has its line.
const REASONS: &str = "docs/design/dependencies.md";

/// What the tests use of npm; what pages use is vendored.
const PACKAGES: &str = "tests/browser/package.json";

/// The manifests of the workspace's crates.
pub(super) fn of_crates(files: &[PathBuf]) -> impl Iterator<Item = &Path> {
    files.iter().map(PathBuf::as_path).filter(|path| {
        let at =
            |folder: &str, depth| path.starts_with(folder) && path.components().count() == depth;
        path.file_name().is_some_and(|name| name == "Cargo.toml")
            && (at("crates", 3) || at("xtask", 2))
    })
}

pub(super) fn check(files: &[PathBuf]) -> Result<Vec<Problem>> {
    let mut problems = Vec::new();
    for path in of_crates(files) {
        if !inherits_lints(&parse(path)?) {
            problems.push(Problem::new(path, 0, "it does not say `[lints] workspace = true`"));
        }
        problems.extend(missing_bans(path)?);
    }
    let root = parse(Path::new("Cargo.toml"))?;
    let table =
        root["workspace"]["dependencies"].as_table().context("the table of dependencies")?;
    let used: BTreeSet<&str> =
        table.keys().map(String::as_str).filter(|name| !name.starts_with("kith-")).collect();
    let npm: serde_json::Value = serde_json::from_str(&workspace::read(PACKAGES)?)?;
    let npm: BTreeSet<&str> = npm["dependencies"]
        .as_object()
        .context("the table of npm packages")?
        .keys()
        .map(String::as_str)
        .filter(|name| !name.starts_with("@types/"))
        .collect();
    problems.extend(reasons(&used, &npm, &workspace::read(REASONS)?));
    Ok(problems)
}

fn parse(path: &Path) -> Result<toml::Table> {
    toml::from_str(&workspace::read(path)?).with_context(|| format!("reading {}", path.display()))
}

fn inherits_lints(manifest: &toml::Table) -> bool {
    manifest.get("lints").and_then(|lints| lints.get("workspace"))
        == Some(&toml::Value::Boolean(true))
}

/// Clippy reads the nearest clippy.toml only, so one of a crate repeats what the root's says.
fn missing_bans(manifest: &Path) -> Result<Vec<Problem>> {
    let own = manifest.with_file_name("clippy.toml");
    if !workspace::root().join(&own).is_file() {
        return Ok(Vec::new());
    }
    let (root, here) = (parse(Path::new("clippy.toml"))?, parse(&own)?);
    let missing = root.iter().filter(|(key, value)| match (here.get(*key), value) {
        (Some(toml::Value::Array(here)), toml::Value::Array(root)) => {
            !root.iter().all(|entry| here.contains(entry))
        }
        (here, value) => here != Some(*value),
    });
    Ok(missing
        .map(|(key, _)| {
            Problem::new(&own, 0, format!("`{key}` lacks what the root's clippy.toml says"))
        })
        .collect())
}

/// Every dependency has a row in the table of its kind, and every row of Rust's a dependency.
fn reasons(used: &BTreeSet<&str>, npm: &BTreeSet<&str>, page: &str) -> Vec<Problem> {
    let (crates, packages) = (rows(page, "| crate |"), rows(page, "| package |"));
    let without = used.difference(&crates).chain(npm.difference(&packages));
    let without = without.map(|name| format!("`{name}` has no line here"));
    let left =
        crates.difference(used).map(|name| format!("`{name}` is in no table of dependencies"));
    without.chain(left).map(|text| Problem::new(REASONS, 0, text)).collect()
}

/// The names in the first column of the table with this heading.
fn rows<'a>(page: &'a str, heading: &str) -> BTreeSet<&'a str> {
    page.lines()
        .skip_while(|line| !line.starts_with(heading))
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_needs_its_reason() {
        let used = BTreeSet::from(["serde", "tokio"]);
        let npm = BTreeSet::from(["ws", "htm"]);
        let page = "| crate | why |\n| `serde` | data |\n| `left` | - |\n\n\
                    | package | why |\n| `preact`, `htm` | drawing |\n";
        let problems = reasons(&used, &npm, page);
        let texts: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "`tokio` has no line here",
                "`ws` has no line here",
                "`left` is in no table of dependencies"
            ]
        );
    }

    #[test]
    fn a_crate_inherits_the_lints() {
        let inherits = |text: &str| inherits_lints(&toml::from_str(text).unwrap());
        assert!(inherits("[lints]\nworkspace = true"));
        assert!(!inherits("[lints.rust]\nmissing_docs = \"allow\""));
        assert!(!inherits(""));
    }
}
