//! `cargo xtask advisories`: known vulnerabilities of dependencies.
//!
//! Apart from CI, since its database changes from day to day and needs the network.

use std::process::ExitCode;

use anyhow::Result;

use crate::shell;

pub(crate) fn run() -> Result<ExitCode> {
    if shell::find("cargo-deny").is_none() {
        println!("cargo-deny is not here: `cargo install cargo-deny --locked` brings it.");
        return Ok(ExitCode::FAILURE);
    }
    if !shell::succeeds(shell::cargo().args(["deny", "fetch", "db"]))? {
        println!("The advisory database can't be had from here, so nothing was checked.");
        return Ok(ExitCode::FAILURE);
    }
    let clean = shell::succeeds(shell::cargo().args(["deny", "check", "advisories"]))?;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
