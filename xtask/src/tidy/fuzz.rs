//! Every fuzz target can be run, and its corpus is replayed by a test.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Problem;
use crate::workspace;

const TARGETS: &str = "fuzz/fuzz_targets";
const CORPUS: &str = "fuzz/corpus";
const MANIFEST: &str = "fuzz/Cargo.toml";

pub(super) fn check(files: &[PathBuf]) -> Result<Vec<Problem>> {
    let manifest = workspace::read(MANIFEST)?;
    let mut tests = Vec::new();
    for path in files.iter().filter(|path| path.starts_with("crates") && is_rust(path)) {
        tests.push(workspace::read(path)?);
    }
    Ok(files
        .iter()
        .filter(|path| path.starts_with(TARGETS))
        .flat_map(|path| check_one(path, files, &manifest, &tests))
        .collect())
}

fn check_one(
    path: &Path,
    files: &[PathBuf],
    manifest: &str,
    tests: &[String],
) -> impl Iterator<Item = Problem> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let corpus = Path::new(CORPUS).join(&name);
    let quoted = format!("\"{name}\"");
    let missing = [
        (!manifest.contains(&format!("name = {quoted}"))).then(|| format!("{MANIFEST} lacks it")),
        (!files.iter().any(|file| file.starts_with(&corpus)))
            .then(|| "it has no corpus".to_owned()),
        (!tests.iter().any(|test| test.contains(&quoted)))
            .then(|| "no test replays its corpus".to_owned()),
    ];
    let path = path.to_owned();
    missing.into_iter().flatten().map(move |text| Problem::new(&path, 0, text))
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "rs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_line_a_corpus_and_a_test() {
        let path = Path::new("fuzz/fuzz_targets/a.rs");
        let problems = |manifest: &str, corpus: &str, test: &str| {
            let files = [path.to_owned(), PathBuf::from(corpus)];
            check_one(path, &files, manifest, &[test.to_owned()]).count()
        };
        let (manifest, corpus, test) = ("name = \"a\"", "fuzz/corpus/a/seed", "replay(\"a\", …)");
        assert_eq!(problems(manifest, corpus, test), 0);
        assert_eq!(problems("name = \"ab\"", corpus, test), 1);
        assert_eq!(problems(manifest, "fuzz/corpus/ab/seed", test), 1);
        assert_eq!(problems(manifest, corpus, "replay(\"ab\")"), 1);
    }
}
