//! `cargo xtask wasm`: what a browser tab runs compiles for it.

use std::process::ExitCode;

use anyhow::Result;

use crate::{shell, test, workspace};

/// The crates that the node in a browser tab is made of.
const CRATES: [&str; 4] = ["kith-app", "kith-log", "kith-api", "kith-overlay"];
const TARGET: &str = "wasm32-unknown-unknown";
/// Of the usual ones, the one that knows this target.
const C_COMPILER: &str = "clang";

pub(crate) fn run() -> Result<ExitCode> {
    shell::install_target(TARGET)?;
    test::bring(&[C_COMPILER])?;
    let metadata = workspace::metadata()?;
    let mut cargo = shell::cargo();
    cargo.args(["check", "--target", TARGET]);
    for name in CRATES {
        cargo.args(["--package", name]);
    }
    // ring compiles C even for a check; getrandom wants to be told where randomness comes from. A
    // target folder of its own, since other flags would make the usual one build everything anew.
    cargo
        .env("CC_wasm32_unknown_unknown", C_COMPILER)
        .env("RUSTFLAGS", "--cfg getrandom_backend=\"wasm_js\"")
        .env("CARGO_TARGET_DIR", workspace::target_dir(&metadata)?.join("wasm"));
    shell::run(&mut cargo)?;
    Ok(ExitCode::SUCCESS)
}
