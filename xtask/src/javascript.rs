//! `cargo xtask javascript`: the types of the JavaScript, by `tsc --checkJs`.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::{shell, test, workspace};

pub(crate) fn run() -> Result<ExitCode> {
    test::bring(&["node", "npm"])?;
    test::install_npm()?;
    let tsc = workspace::root().join(test::BROWSER_TESTS).join("node_modules/.bin/tsc");
    let mut projects = workspace::files()?;
    projects.retain(|path| path.file_name().is_some_and(|name| name == "tsconfig.json"));
    if projects.is_empty() {
        bail!("there is no tsconfig.json");
    }
    for project in projects {
        shell::run(shell::program(&tsc).args(["--checkJs", "--noEmit", "--project"]).arg(project))?;
    }
    Ok(ExitCode::SUCCESS)
}
