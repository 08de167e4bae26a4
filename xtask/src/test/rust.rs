//! Rust's tests, by cargo's own runner: it is on every machine.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::count::Count;
use super::provision::SUDO;
use super::{Plan, Way};
use crate::{shell, workspace};

/// Runs all tests but those left out, documentation's included.
pub(crate) fn run(plan: &Plan, filter: Option<&str>) -> Result<Count> {
    // Everything is built first, so that what does not build is said before anything runs, and so
    // that the kith binary is there for the other runners.
    shell::run(shell::cargo().args(["test", "--workspace", "--no-run", "--quiet"]))?;
    let names = integration_tests()?;
    if names.iter().all(|name| plan.way(name) == Way::Plainly) {
        return counted(cargo_test(&["--workspace"]), filter);
    }
    let mut plainly = cargo_test(&["--workspace", "--lib", "--bins"]);
    plainly.args(of(&names, plan, Way::Plainly));
    let mut count = counted(plainly, filter)?;
    let by_sudo = of(&names, plan, Way::BySudo);
    if !by_sudo.is_empty() {
        let mut cargo = cargo_test(&["--workspace"]);
        cargo.args(by_sudo);
        // Only the tests become root: what cargo writes stays this person's.
        cargo.env(runner_variable()?, format!("sudo {}", SUDO.join(" ")));
        count += counted(cargo, filter)?;
    }
    count += counted(cargo_test(&["--workspace", "--doc"]), filter)?;
    Ok(count)
}

/// How many tests stand in the files left out.
pub(crate) fn count_left(plan: &Plan, filter: Option<&str>) -> Result<u64> {
    let out = of(&integration_tests()?, plan, Way::Not);
    if out.is_empty() {
        return Ok(0);
    }
    let mut cargo = cargo_test(&["--workspace", "--quiet"]);
    cargo.args(out).args(filter).args(["--", "--list", "--format", "terse"]);
    let list = shell::output(&mut cargo)?;
    Ok(list.lines().filter(|line| line.ends_with(": test")).count() as u64)
}

/// Arguments that name the files which are run this way.
fn of(names: &[String], plan: &Plan, way: Way) -> Vec<String> {
    let chosen = names.iter().filter(|name| plan.way(name) == way);
    chosen.flat_map(|name| ["--test".to_owned(), name.clone()]).collect()
}

/// The variable by which cargo is told what starts a program of this machine.
fn runner_variable() -> Result<String> {
    let version = shell::output(shell::program("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc names no host")?.to_uppercase().replace(['-', '.'], "_");
    Ok(format!("CARGO_TARGET_{host}_RUNNER"))
}

fn cargo_test(which: &[&str]) -> Command {
    let mut cargo = shell::cargo();
    cargo.args(["test", "--no-fail-fast"]).args(which);
    cargo
}

/// Runs it, passes on what it prints, and adds up the closing lines.
fn counted(mut cargo: Command, filter: Option<&str>) -> Result<Count> {
    cargo.args(filter).stdout(Stdio::piped());
    let mut child = cargo.spawn().context("starting cargo test")?;
    let stdout = child.stdout.take().context("cargo's stdout is piped")?;
    let mut count = Count::default();
    let mut here = std::io::stdout().lock();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        here.write_all(&line)?;
        here.write_all(b"\n")?;
        if let Some(part) = std::str::from_utf8(&line).ok().and_then(Count::of_libtest) {
            count += part;
        }
    }
    let status = child.wait()?;
    if !status.success() && count.failed == 0 {
        // A test program that was killed writes no closing line.
        eprintln!("cargo test ended with {status}, though no test said that it failed");
        count.failed += 1;
    }
    Ok(count)
}

/// The names of all files in `tests/` folders, without their endings.
fn integration_tests() -> Result<Vec<String>> {
    let metadata = workspace::metadata()?;
    let mut names = Vec::new();
    for package in metadata["packages"].as_array().context("metadata without packages")? {
        for target in package["targets"].as_array().context("a package without targets")? {
            if target["kind"][0] == "test" {
                names.push(target["name"].as_str().context("a target without a name")?.to_owned());
            }
        }
    }
    names.sort();
    names.dedup();
    Ok(names)
}
