//! `cargo xtask bench`: runs every bench of the workspace and writes docs/benchmarks.md.
//!
//! A bench is a cargo bench without a harness, or one in a browser (`*.bench.mjs` beside the browser
//! tests). It prints one JSON object per line on stdout, a [`Figure`]; all else it says goes to
//! stderr. Medians and ratios are made here.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{shell, test, workspace};

const FILE: &str = "docs/benchmarks.md";
/// Fewest samples that a median is taken of.
const MIN_SAMPLES: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only benches whose name contains this; then nothing is written.
    filter: Option<String>,
}

/// One thing that was measured.
#[derive(Deserialize)]
struct Figure {
    /// What: `start to ready, warm`.
    what: String,
    /// `ms`, `MB`, `x payload`.
    unit: String,
    /// What it must reach, in words: `<= 150 ms`.
    #[serde(default)]
    goal: String,
    /// As measured; five at least.
    samples: Vec<f64>,
    /// What it is measured against, in the same run and unit.
    #[serde(default)]
    anchor: Option<Anchor>,
}

#[derive(Deserialize)]
struct Anchor {
    what: String,
    samples: Vec<f64>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let wanted = |name: &str| options.filter.as_ref().is_none_or(|filter| name.contains(filter));
    let mut figures = Vec::new();
    for (package, bench) in benches()? {
        if wanted(&bench) {
            let mut cargo = shell::cargo();
            cargo.args(["bench", "--package", &package, "--bench", &bench]);
            figures.extend(measure(&mut cargo)?);
        }
    }
    for bench in browser_benches()? {
        if wanted(&bench.to_string_lossy()) {
            figures.extend(measure(&mut in_browser(&bench)?)?);
        }
    }
    let table = table(&figures);
    print!("{table}");
    if options.filter.is_none() {
        let page = format!("{}{}\n{table}", include_str!("bench.md"), machine());
        std::fs::write(workspace::root().join(FILE), page)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a bench and reads its figures.
fn measure(bench: &mut Command) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for line in shell::output(bench)?.lines().filter(|line| line.starts_with('{')) {
        let figure: Figure =
            serde_json::from_str(line).with_context(|| format!("a bench printed {line}"))?;
        if figure.samples.len() < MIN_SAMPLES {
            bail!("{}: fewer than {MIN_SAMPLES} samples", figure.what);
        }
        figures.push(figure);
    }
    Ok(figures)
}

/// The benches that need a browser.
fn browser_benches() -> Result<Vec<PathBuf>> {
    let mut files = workspace::files()?;
    files.retain(|path| {
        path.starts_with(test::BROWSER_TESTS) && path.to_string_lossy().ends_with(".bench.mjs")
    });
    Ok(files)
}

/// One of them, ready to run against the release build.
fn in_browser(file: &PathBuf) -> Result<Command> {
    for needed in ["node", "npm", "chromium"] {
        if shell::find(needed).is_none() {
            bail!("there is no {needed} here; `cargo xtask test` installs what is missing");
        }
    }
    test::install_npm()?;
    shell::run(shell::cargo().args(["build", "--release", "--package", "kith"]))?;
    let binary = workspace::target_dir(&workspace::metadata()?)?.join("release").join("kith");
    let mut node = shell::program("node");
    node.arg(file).env("KITH_BIN", binary);
    Ok(node)
}

/// Packages and names of cargo's benches.
fn benches() -> Result<Vec<(String, String)>> {
    let metadata = workspace::metadata()?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().context("metadata without packages")? {
        let name = package["name"].as_str().context("a package without a name")?;
        for target in package["targets"].as_array().context("a package without targets")? {
            if target["kind"][0] == "bench" {
                let bench = target["name"].as_str().context("a target without a name")?;
                found.push((name.to_owned(), bench.to_owned()));
            }
        }
    }
    Ok(found)
}

fn table(figures: &[Figure]) -> String {
    let mut out = String::from(
        "| what | median | least to most | goal | against | ratio |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for figure in figures {
        let (median, least, most) = spread(&figure.samples);
        let (against, ratio) = match &figure.anchor {
            None => (String::new(), String::new()),
            Some(anchor) => {
                let (of_anchor, ..) = spread(&anchor.samples);
                let against = format!("{}: {of_anchor:.2} {}", anchor.what, figure.unit);
                (against, format!("{:.2}", median / of_anchor))
            }
        };
        let _ = writeln!(
            out,
            "| {} | {median:.2} {} | {least:.2} to {most:.2} (n = {}) | {} | {against} | {ratio} |",
            figure.what,
            figure.unit,
            figure.samples.len(),
            figure.goal,
        );
    }
    out
}

/// Median, least and most.
fn spread(samples: &[f64]) -> (f64, f64, f64) {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else {
        return (f64::NAN, f64::NAN, f64::NAN);
    };
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    };
    (median, least, most)
}

/// What it was measured on, in a line.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let system = shell::output(shell::program("uname").args(["-srm"])).unwrap_or_default();
    let rust = shell::output(shell::program("rustc").arg("--version")).unwrap_or_default();
    format!("Last run on {cores} cores, {}, {}.\n", system.trim(), rust.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), (2.5, 1.0, 4.0));
    }

    #[test]
    fn a_row_has_the_ratio_to_its_anchor() {
        let figure = Figure {
            what: "message".into(),
            unit: "ms".into(),
            goal: "<= 2 ms".into(),
            samples: vec![1.0; 5],
            anchor: Some(Anchor { what: "gossip".into(), samples: vec![0.5; 5] }),
        };
        assert!(table(&[figure]).ends_with("| gossip: 0.50 ms | 2.00 |\n"));
    }
}
