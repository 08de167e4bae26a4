//! `cargo xtask types`: the contract's TypeScript types.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::workspace;

/// Where the types are kept for authors of apps, and for `tsc`.
const FILE: &str = "sdk/kith-api.d.ts";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only say whether the file is up to date.
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.check {
        return Ok(match check() {
            None => ExitCode::SUCCESS,
            Some(problem) => {
                eprintln!("{problem}");
                ExitCode::FAILURE
            }
        });
    }
    let path = workspace::root().join(FILE);
    let folder = path.parent().context("the file has a folder")?;
    std::fs::create_dir_all(folder)?;
    std::fs::write(&path, kith_api::typescript()).with_context(|| format!("writing {FILE}"))?;
    println!("{FILE}");
    Ok(ExitCode::SUCCESS)
}

/// What is wrong with the file that is there.
pub(crate) fn check() -> Option<String> {
    let there = workspace::read(FILE).unwrap_or_default();
    (there != kith_api::typescript())
        .then(|| format!("{FILE} is not what kith-api says: run `cargo xtask types`"))
}
