//! docs/benchmarks.md: the goals, then a section for each part of a bench, with when, where and of what
//! it was measured. The sections can be measured one by one; the goals are those of all.

use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use super::Figure;
use crate::shell;

const HEADER: &str = "| what | median | least to most | goal | reached | against | ratio |\n\
                      | --- | --- | --- | --- | --- | --- | --- |\n";
const GOALS: &str = "Goals";

/// What a median must reach: `≤ 150 ms`, `≥ 5 MiB/s`; with `ratio` in front, what its ratio to its
/// anchor's must: `ratio ≥ 0.9`. What follows is for readers.
#[derive(Debug, PartialEq)]
pub(super) struct Goal {
    of_ratio: bool,
    at_least: bool,
    value: f64,
}

impl Goal {
    /// None where the text is empty.
    fn parse(text: &str, unit: &str) -> Result<Option<Self>> {
        if text.is_empty() {
            return Ok(None);
        }
        let (of_ratio, rest) = match text.strip_prefix("ratio ") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut words = rest.split_whitespace();
        let at_least = match words.next() {
            Some("≥") => true,
            Some("≤") => false,
            _ => bail!("no goal: {text}"),
        };
        let value = words.next().and_then(|word| word.parse().ok());
        let value = value.with_context(|| format!("a goal without a number: {text}"))?;
        let in_unit = words.next().is_some_and(|word| word.trim_end_matches(',') == unit);
        if !of_ratio && !unit.is_empty() && !in_unit {
            bail!("the goal is not in {unit}: {text}");
        }
        Ok(Some(Self { of_ratio, at_least, value }))
    }

    fn is_reached(&self, median: f64, ratio: Option<f64>) -> Result<bool> {
        let value = if self.of_ratio { ratio.context("a ratio to nothing")? } else { median };
        Ok(if self.at_least { value >= self.value } else { value <= self.value })
    }
}

/// When, where and of what: a line.
pub(super) fn conditions() -> String {
    let first = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.trim_start_matches(name).trim_start_matches([' ', '\t', ':']).to_owned()
    };
    let said = |program: &str, args: &[&str]| {
        let said = shell::output(shell::program(program).args(args)).unwrap_or_default();
        said.trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let changes = if said("git", &["status", "--porcelain"]).is_empty() { "" } else { ", changed" };
    let load = first("/proc/loadavg", "").split(' ').next().unwrap_or_default().to_owned();
    format!(
        "Measured {} of commit {}{changes}, on {cores} cores ({}), {}, {}; load before: {load}.\n",
        said("date", &["-u", "+%F %H:%M UTC"]),
        said("git", &["rev-parse", "--short", "HEAD"]),
        first("/proc/cpuinfo", "model name"),
        said("uname", &["-srm"]),
        said("rustc", &["--version"]),
    )
}

/// The text of a section, without its title.
pub(super) fn section(conditions: &str, figures: &[Figure]) -> Result<String> {
    let mut out = format!("{conditions}\n{HEADER}");
    for figure in figures {
        let (median, least, most) = spread(&figure.samples);
        let anchor = figure.anchor.as_ref().map(|anchor| (&anchor.what, spread(&anchor.samples)));
        let ratio = anchor.as_ref().map(|(_, (of_anchor, ..))| median / of_anchor);
        let against = anchor.map_or(String::new(), |(what, (median, least, most))| {
            format!("{what}: {median:.2} {} ({least:.2} to {most:.2})", figure.unit)
        });
        let reached = match Goal::parse(&figure.goal, &figure.unit)? {
            None => "",
            Some(goal) if goal.is_reached(median, ratio)? => "yes",
            Some(_) => "no",
        };
        let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:.2}"));
        let _ = writeln!(
            out,
            "| {} | {} | {least:.2} to {most:.2} (n = {}) | {} | {reached} | {against} | {ratio} |",
            figure.what,
            format!("{median:.2} {}", figure.unit).trim_end(),
            figure.samples.len(),
            figure.goal,
        );
    }
    Ok(out)
}

/// The page of these sections alone.
pub(super) fn whole(sections: Vec<(String, String)>) -> String {
    let mut page =
        format!("{}\n## {GOALS}\n\n{}", include_str!("../bench.md").trim_start(), goals(&sections));
    for (name, section) in sections {
        let _ = write!(page, "\n## {name}\n\n{}\n", section.trim_end());
    }
    page
}

/// The page with these sections in place of those of the same name, or behind the others.
pub(super) fn merged(page: &str, new: Vec<(String, String)>) -> String {
    let mut sections: Vec<(String, String)> = page
        .split("\n## ")
        .skip(1)
        .filter_map(|section| section.split_once('\n'))
        .filter(|(name, _)| *name != GOALS)
        .map(|(name, text)| (name.to_owned(), text.trim().to_owned()))
        .collect();
    for (name, text) in new {
        match sections.iter_mut().find(|(held, _)| *held == name) {
            Some((_, held)) => *held = text,
            None => sections.push((name, text)),
        }
    }
    whole(sections)
}

/// What each goal is, and whether it is reached, read from the tables.
fn goals(sections: &[(String, String)]) -> String {
    let (mut reached, mut missed) = (String::new(), String::new());
    for (name, section) in sections {
        for row in section.lines().filter(|line| line.starts_with('|')) {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let &[what, median, _, goal, is_reached, against, ratio] = cells.as_slice() else {
                continue;
            };
            let list = match is_reached {
                "yes" => &mut reached,
                "no" => &mut missed,
                _ => continue,
            };
            let measured = if goal.starts_with("ratio") {
                format!("{median}, a ratio of {ratio} to {against}")
            } else {
                median.to_owned()
            };
            let _ = writeln!(list, "- {what} ({name}): {measured}; the goal is {goal}");
        }
    }
    let list = |title: &str, list: String| {
        let list = if list.is_empty() { "- none\n".to_owned() } else { list };
        format!("{title}:\n\n{list}")
    };
    format!("{}\n{}", list("Missed", missed), list("Reached", reached))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::Anchor;

    fn figure(goal: &str, median: f64) -> Figure {
        Figure {
            what: "message".into(),
            unit: "ms".into(),
            goal: goal.into(),
            samples: vec![median; 5],
            few: false,
            anchor: Some(Anchor { what: "gossip".into(), samples: vec![0.5; 5] }),
        }
    }

    fn sections(goal: &str, median: f64) -> Vec<(String, String)> {
        let text = section("Measured then.\n", &[figure(goal, median)]).expect("a section");
        vec![("files: large".into(), text)]
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), (2.5, 1.0, 4.0));
    }

    #[test]
    fn a_row_has_its_ratio_and_whether_its_goal_is_reached() {
        let (_, text) = sections("≤ 2 ms", 1.0).remove(0);
        let row = "| message | 1.00 ms | 1.00 to 1.00 (n = 5) | ≤ 2 ms | yes | \
                   gossip: 0.50 ms (0.50 to 0.50) | 2.00 |\n";
        assert!(text.ends_with(row), "{text}");
        assert_eq!(row.trim_end().trim_matches('|').split('|').count(), 7);
    }

    #[test]
    fn goals_are_of_medians_or_of_ratios_in_the_unit_that_is_measured() {
        let goal = |text| Goal::parse(text, "ms").expect("a goal").expect("one");
        assert!(goal("≤ 2 ms").is_reached(2.0, None).expect("a median"));
        assert!(!goal("≥ 2 ms, at night").is_reached(1.9, None).expect("a median"));
        assert!(goal("ratio ≥ 0.9").is_reached(0.0, Some(0.9)).expect("a ratio"));
        assert!(goal("ratio ≥ 0.9").is_reached(1.0, None).is_err());
        assert_eq!(Goal::parse("", "ms").expect("no goal"), None);
        for bad in ["fast", "≤ soon", "≤ 2 s", "2 ms"] {
            assert!(Goal::parse(bad, "ms").is_err(), "{bad}");
        }
    }

    #[test]
    fn a_section_takes_the_place_of_the_one_before() {
        let mut all = sections("≤ 2 ms", 3.0);
        all.push(("film".into(), all[0].1.clone()));
        let page = whole(all);
        assert_eq!(page.matches("the goal is ≤ 2 ms").count(), 2);
        assert!(page.contains("Reached:\n\n- none\n"), "{page}");
        let merged_once = merged(&page, sections("≤ 2 ms", 1.0));
        assert!(merged_once.contains("Missed:\n\n- message (film): 3.00 ms; the goal is ≤ 2 ms\n"));
        assert!(merged_once.contains("Reached:\n\n- message (files: large): 1.00 ms; the goal"));
        assert_eq!(merged(&merged_once, sections("≤ 2 ms", 1.0)), merged_once);
    }
}
