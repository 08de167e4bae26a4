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
pub(crate) use provision::bring;
use provision::{Missing, Root};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave out what needs root, and install nothing.
    #[arg(long)]
    without_root: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

/// How each test is run.
struct Plan {
    /// How those that need root become it; absent where they are left out.
    root: Option<Root>,
    /// Programs that are not here: the tests that need them are left out.
    missing: Vec<Missing>,
}

/// How the tests of a file are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Plainly,
    BySudo,
    Not,
}

impl Plan {
    /// How the tests of a file are run, by its name without the folder.
    fn way(&self, file: &str) -> Way {
        if self.missing.iter().any(|missing| missing.needed_by(file)) {
            return Way::Not;
        }
        match self.root {
            _ if !file.starts_with("root_") && !file.starts_with("root-") => Way::Plainly,
            Some(Root::Already) => Way::Plainly,
            Some(Root::Sudo) => Way::BySudo,
            None => Way::Not,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let plan = if options.without_root {
        Plan { root: None, missing: provision::missing() }
    } else {
        Plan { root: Some(provision::install()?), missing: Vec::new() }
    };
    let filter = options.filter.as_deref();
    let mut count = rust::run(&plan, filter)?;
    count += browser::run(&plan, filter)?;
    if options.without_root {
        let not_run = rust::count_left(&plan, filter)? + browser::count_left(&plan, filter)?;
        println!(
            "At least {not_run} tests were not run: they need root, or a program that is not here."
        );
        for missing in &plan.missing {
            println!("Not here: {} (Debian's package {}).", missing.file, missing.package);
        }
        count += Count { skipped: not_run, ..Count::default() };
    }
    println!("{count}");
    Ok(if count.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_root_becomes_it() {
        let plan = |root| Plan { root, missing: Vec::new() };
        for (root, way) in
            [(Some(Root::Already), Way::Plainly), (Some(Root::Sudo), Way::BySudo), (None, Way::Not)]
        {
            assert_eq!(plan(root).way("root_disk"), way);
            assert_eq!(plan(root).way("root-lan.test.mjs"), way);
            assert_eq!(plan(root).way("disk"), Way::Plainly);
        }
    }
}
