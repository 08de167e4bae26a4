//! `cargo xtask bench`: runs every bench of the workspace and writes docs/benchmarks.md.
//!
//! A bench is a cargo bench without a harness that prints one JSON object per line on stdout, a
//! [`Figure`]; all else it says goes to stderr. Medians and ratios are made here.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{shell, workspace};

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
    let mut figures = Vec::new();
    for (package, bench) in benches()? {
        if options.filter.as_ref().is_some_and(|filter| !bench.contains(filter.as_str())) {
            continue;
        }
        let mut cargo = shell::cargo();
        cargo.args(["bench", "--package", &package, "--bench", &bench]);
        for line in shell::output(&mut cargo)?.lines().filter(|line| line.starts_with('{')) {
            let figure: Figure =
                serde_json::from_str(line).with_context(|| format!("{bench} printed {line}"))?;
            if figure.samples.len() < MIN_SAMPLES {
                bail!("{}: fewer than {MIN_SAMPLES} samples", figure.what);
            }
            figures.push(figure);
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

/// Packages and names of all benches.
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
