//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::shell;

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the repository")
}

/// Cargo's own description of the workspace, its members only.
pub(crate) fn metadata() -> Result<serde_json::Value> {
    let text = shell::output(shell::cargo().args([
        "metadata",
        "--format-version",
        "1",
        "--no-deps",
        "--offline",
    ]))?;
    serde_json::from_str(&text).context("cargo metadata printed something else than JSON")
}

/// Cargo's target folder.
pub(crate) fn target_dir(metadata: &serde_json::Value) -> Result<PathBuf> {
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target")?;
    Ok(PathBuf::from(dir))
}

/// Files that git tracks, or would: paths from the root, those that are gone left out.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let text = shell::output(shell::program("git").args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "-z",
    ]))?;
    let mut files: Vec<PathBuf> =
        text.split('\0').filter(|p| !p.is_empty()).map(PathBuf::from).collect();
    files.retain(|path| root().join(path).is_file());
    files.sort();
    files.dedup();
    Ok(files)
}

/// The text of a file of the repository.
pub(crate) fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    std::fs::read_to_string(root().join(path))
        .with_context(|| format!("reading {}", path.display()))
}
