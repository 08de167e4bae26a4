//! `cargo xtask windows`: everything compiles for Windows. Nothing is linked or run.

use std::process::ExitCode;

use anyhow::Result;

use crate::{shell, test, workspace};

const TARGET: &str = "x86_64-pc-windows-gnu";
/// ring and blake3 compile C and assembler even for a check.
const C_COMPILER: &str = "x86_64-w64-mingw32-gcc";

pub(crate) fn run() -> Result<ExitCode> {
    shell::install_target(TARGET)?;
    test::bring(&[C_COMPILER])?;
    let metadata = workspace::metadata()?;
    let mut cargo = shell::cargo();
    cargo.args(["check", "--workspace", "--all-targets", "--target", TARGET]);
    // Here nobody debugs, and the folder is half as large. It is one of its own, since other settings
    // would make the usual one build everything anew.
    cargo
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("CARGO_TARGET_DIR", workspace::target_dir(&metadata)?.join("windows"));
    shell::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
