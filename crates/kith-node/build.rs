//! Lists the files of the bundled apps, so that the binary holds them and no list is kept by hand.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root =
        Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../apps");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut out = String::from("&[\n");
    for app in sorted(&root)? {
        let mut files = Vec::new();
        walk(&app, "", &mut files)?;
        let name = app.file_name().expect("a folder below apps/").to_string_lossy();
        let _ = writeln!(out, "    ({name:?}, &[");
        for (path, file) in files {
            let _ = writeln!(out, "        ({path:?}, include_bytes!({file:?})),");
        }
        out.push_str("    ]),\n");
    }
    out.push_str("]\n");
    let dir = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&dir).join("bundled.rs"), out)
}

fn walk(dir: &Path, below: &str, files: &mut Vec<(String, String)>) -> io::Result<()> {
    for path in sorted(dir)? {
        let name = format!("{below}{}", path.file_name().expect("an entry").to_string_lossy());
        if path.is_dir() {
            walk(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, fs::canonicalize(&path)?.to_string_lossy().into_owned()));
        }
    }
    Ok(())
}

fn sorted(dir: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let mut paths =
        fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
