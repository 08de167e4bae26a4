//! Lists the files of `web/` and `sdk/` for embedding, so that the binary needs no other file.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Names that end so are served; all else in these folders is for developers.
const SERVED: &[&str] =
    &[".html", ".js", ".mjs", ".css", ".svg", ".png", ".ico", ".woff2", ".webmanifest"];

fn main() -> io::Result<()> {
    let crate_dir = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = crate_dir.join("../..").canonicalize()?;
    let mut table = String::from("&[\n");
    for folder in ["sdk", "web"] {
        let folder_path = root.join(folder);
        println!("cargo::rerun-if-changed={}", folder_path.display());
        let mut files = Vec::new();
        collect(&folder_path, &mut files)?;
        files.sort();
        for file in files {
            let name = file.strip_prefix(&root).expect("collected below the root");
            let name = name.to_str().expect("our own names are UTF-8").replace('\\', "/");
            let _ = writeln!(table, "    ({name:?}, include_bytes!({:?})),", file.display());
        }
    }
    table.push_str("]\n");
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("embedded.rs");
    fs::write(out, table)
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') || name == "node_modules" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if SERVED.iter().any(|end| name.ends_with(end)) {
            files.push(entry.path());
        }
    }
    Ok(())
}
