//! `cargo xtask test`: every test, with what it needs, and one line that counts them.
//!
//! [`provision`] brings what tests need beyond Rust, [`rust`] and [`browser`] run them, and each
//! returns a [`Count`]. Tests that need root stand in files named `root_*.rs` and
//! `root-*.test.mjs`; those that need a program of somebody else's, in files whose prefix stands
//! beside that program in [`provision`]. Everything is built once, in the dev profile; the browser
//! tests start the binary that `KITH_BIN` names.

mod browser;
mod count;
mod provision;
mod rust;

use std::process::ExitCode;

use anyhow::Result;

pub(crate) use browser::{FOLDER as BROWSER_TESTS, install as install_npm};
use count::Count;
use provision::Missing;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs root, and install nothing.
    #[arg(long)]
    without_root: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// Which tests are left out, and why.
#[derive(Default)]
struct Left {
    /// Those that need root.
    root: bool,
    /// Those that need a program which is not here.
    missing: Vec<Missing>,
}

impl Left {
    /// Whether the tests of a file, by its name without the folder, are left out.
    fn out(&self, file: &str) -> bool {
        (self.root && (file.starts_with("root_") || file.starts_with("root-")))
            || self.missing.iter().any(|missing| missing.needed_by(file))
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let left = if options.without_root {
        Left { root: true, missing: provision::missing() }
    } else {
        provision::install()?;
        Left::default()
    };
    let filter = options.filter.as_deref();
    let mut count = rust::run(&left, filter)?;
    count += browser::run(&left, filter)?;
    if options.without_root {
        let not_run = rust::count_left(&left, filter)? + browser::count_left(&left)?;
        println!("{not_run} tests were not run: they need root, or a program that is not here.");
        for missing in &left.missing {
            println!("Not here: {} (Debian's package {}).", missing.file, missing.package);
        }
        count += Count { skipped: not_run, ..Count::default() };
    }
    println!("{count}");
    Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
