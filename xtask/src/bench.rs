//! `cargo xtask bench`: runs every bench of the workspace and writes docs/benchmarks.md.
//!
//! A bench is a cargo bench without a harness, or one in a browser (`*.bench.mjs` beside the browser
//! tests). It prints one JSON object per line on stdout: a [`Figure`], or `{"part": "NAME"}` before the
//! figures of a part, which can be run alone by the variable `KITH_BENCH_PART`. All else it says goes
//! to stderr. Medians, ratios and the [`page`] are made here.

mod page;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{shell, test, workspace};

const FILE: &str = "docs/benchmarks.md";
/// Fewest samples that a median is taken of, but for what takes minutes.
const MIN_SAMPLES: usize = 5;
/// The variable that tells a bench to run one part of it alone.
const PART: &str = "KITH_BENCH_PART";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Only benches whose name contains this; then nothing is written, unless by --write.
    filter: Option<String>,
    /// Only this part of them.
    #[arg(requires = "filter")]
    part: Option<String>,
    /// Put what was measured into docs/benchmarks.md, in place of the same parts of it.
    #[arg(long, requires = "filter")]
    write: bool,
}

/// One thing that was measured.
#[derive(Deserialize)]
struct Figure {
    /// What: `start to ready, warm`.
    what: String,
    /// `ms`, `MB`, `x payload`.
    unit: String,
    /// What it must reach, if anything: see [`page::Goal`].
    #[serde(default)]
    goal: String,
    /// As measured; five at least.
    samples: Vec<f64>,
    /// Whether it takes so long that fewer do.
    #[serde(default)]
    few: bool,
    /// What it is measured against, in the same run and unit.
    #[serde(default)]
    anchor: Option<Anchor>,
}

#[derive(Deserialize)]
struct Anchor {
    what: String,
    samples: Vec<f64>,
}

/// What was measured together.
struct Part {
    /// `files: large`.
    name: String,
    figures: Vec<Figure>,
}

/// A line that a bench prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Part { part: String },
    Figure(Figure),
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let wanted = |name: &str| options.filter.as_ref().is_none_or(|filter| name.contains(filter));
    let (started, conditions) = (Instant::now(), page::conditions());
    let mut parts = Vec::new();
    for (package, bench) in benches()? {
        if wanted(&bench) {
            let mut cargo = shell::cargo();
            cargo.args(["bench", "--package", &package, "--bench", &bench]);
            parts.extend(measure(&bench, &mut cargo, options)?);
        }
    }
    for bench in browser_benches()? {
        let name = name_of(&bench);
        // None of them has parts.
        if wanted(&name) && options.part.is_none() {
            parts.extend(measure(&name, &mut in_browser(&bench)?, options)?);
        }
    }
    if parts.is_empty() {
        bail!("no bench is called that");
    }
    let sections: Vec<_> = parts
        .iter()
        .map(|part| Ok((part.name.clone(), page::section(&conditions, &part.figures)?)))
        .collect::<Result<_>>()?;
    sections.iter().for_each(|(name, section)| println!("## {name}\n\n{section}"));
    eprintln!("measured in {} s", started.elapsed().as_secs());
    let path = workspace::root().join(FILE);
    if options.write {
        let old = std::fs::read_to_string(&path).with_context(|| format!("reading {FILE}"))?;
        std::fs::write(path, page::merged(&old, sections))?;
    } else if options.filter.is_none() {
        std::fs::write(path, page::whole(sections))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a bench and reads its figures.
fn measure(bench: &str, command: &mut Command, options: &Options) -> Result<Vec<Part>> {
    if let Some(part) = &options.part {
        command.env(PART, part);
    }
    let printed = shell::output(command)?;
    let parts = read(bench, &printed)?;
    if parts.is_empty() {
        bail!("{bench} has no part of that name");
    }
    Ok(parts)
}

fn read(bench: &str, printed: &str) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for line in printed.lines().filter(|line| line.starts_with('{')) {
        let line = serde_json::from_str(line).with_context(|| format!("a bench printed {line}"))?;
        let figure = match line {
            Line::Part { part } => {
                parts.push(Part { name: format!("{bench}: {part}"), figures: Vec::new() });
                continue;
            }
            Line::Figure(figure) => figure,
        };
        if figure.samples.is_empty() || (!figure.few && figure.samples.len() < MIN_SAMPLES) {
            bail!("{}: fewer than {MIN_SAMPLES} samples", figure.what);
        }
        if parts.is_empty() {
            parts.push(Part { name: bench.to_owned(), figures: Vec::new() });
        }
        if let Some(part) = parts.last_mut() {
            part.figures.push(figure);
        }
    }
    Ok(parts)
}

/// The benches that need a browser.
fn browser_benches() -> Result<Vec<PathBuf>> {
    let mut files = workspace::files()?;
    files.retain(|path| {
        path.starts_with(test::BROWSER_TESTS) && path.to_string_lossy().ends_with(".bench.mjs")
    });
    Ok(files)
}

/// `film` of `tests/browser/film.bench.mjs`.
fn name_of(bench: &Path) -> String {
    let name = bench.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".bench.mjs").to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    const FIGURE: &str = r#"{"what":"w","unit":"s","samples":[1]"#;

    #[test]
    fn figures_belong_to_the_part_before_them() {
        let figure = format!(r#"{FIGURE},"few":true}}"#);
        let printed =
            format!("{{\"part\":\"a\"}}\n{figure}\nsaid\n{figure}\n{{\"part\":\"b\"}}\n{figure}");
        let parts = read("files", &printed).expect("they are read");
        let shown: Vec<_> =
            parts.iter().map(|part| (part.name.as_str(), part.figures.len())).collect();
        assert_eq!(shown, [("files: a", 2), ("files: b", 1)]);
        assert_eq!(read("film", &figure).expect("it is read")[0].name, "film");
    }

    #[test]
    fn a_median_needs_samples() {
        assert!(read("film", &format!("{FIGURE}}}")).is_err());
    }
}
