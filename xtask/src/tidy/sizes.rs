//! Files to 600 lines beside their tests, functions to 70.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Problem;
use super::exceptions::{self, Exceptions};
use super::source::Source;
use crate::workspace;

/// Most lines of a file beside its tests: what one can keep in mind.
const FILE_LINES: usize = 600;
/// Most lines of a function: two screens.
const FUNCTION_LINES: usize = 70;
/// Endings of files written by hand, beside Rust's.
const OTHER_ENDINGS: [&str; 5] = ["js", "mjs", "css", "html", "py"];
/// Folders of files that others wrote.
const VENDORED: &str = "vendor";

/// Something whose size has a limit.
struct Sized {
    path: PathBuf,
    function: Option<String>,
    line: usize,
    lines: usize,
}

impl Sized {
    fn limit(&self) -> usize {
        if self.function.is_some() { FUNCTION_LINES } else { FILE_LINES }
    }
}

pub(super) fn check(files: &[PathBuf], rust: &[Source]) -> Result<Vec<Problem>> {
    let exceptions = Exceptions::read()?;
    let mut problems = exceptions::only_shrank(&exceptions)?;
    problems.extend(compare(&measure(files, rust)?, &exceptions));
    Ok(problems)
}

fn measure(files: &[PathBuf], rust: &[Source]) -> Result<Vec<Sized>> {
    let mut sized = Vec::new();
    for source in rust {
        let path = source.path.clone();
        sized.push(Sized { path, function: None, line: 0, lines: source.lines_outside_tests });
        sized.extend(source.functions.iter().map(|function| Sized {
            path: source.path.clone(),
            function: Some(function.name.clone()),
            line: function.line,
            lines: function.lines,
        }));
    }
    for path in files.iter().filter(|path| is_written_by_hand(path)) {
        let lines = workspace::read(path)?.lines().count();
        sized.push(Sized { path: path.clone(), function: None, line: 0, lines });
    }
    Ok(sized)
}

fn is_written_by_hand(path: &Path) -> bool {
    path.extension().is_some_and(|ending| OTHER_ENDINGS.iter().any(|other| ending == *other))
        && !path.components().any(|part| part.as_os_str() == VENDORED)
}

/// Every size must be within its limit, or exactly what its exception says.
fn compare(sized: &[Sized], exceptions: &Exceptions) -> Vec<Problem> {
    let mut problems = Vec::new();
    for thing in sized {
        let name = match &thing.function {
            Some(function) => format!("the function `{function}`"),
            None => "the file".to_owned(),
        };
        let allowed = exceptions.allowed(&thing.path, thing.function.as_deref());
        let (limit, lines) = (thing.limit(), thing.lines);
        let text = match allowed {
            None if lines > limit => format!("{name} has {lines} lines, {limit} at most"),
            Some(allowed) if lines > allowed => {
                format!("{name} grew to {lines} lines; its exception allows {allowed}")
            }
            Some(_) if lines <= limit => format!("{name} needs its exception no more: remove it"),
            Some(allowed) if lines < allowed => {
                format!("{name} shrank to {lines} lines: lower its exception from {allowed}")
            }
            None | Some(_) => continue,
        };
        problems.push(Problem::new(&thing.path, thing.line, text));
    }
    for exception in exceptions.iter() {
        let exists = sized.iter().any(|thing| {
            thing.path == exception.path
                && thing.function.as_deref() == exception.function.as_deref()
        });
        if !exists {
            problems.push(Problem::new(
                exceptions::FILE,
                0,
                format!("{} is no more: remove its exception", exception.path.display()),
            ));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(lines: usize) -> [Sized; 1] {
        [Sized { path: "a.rs".into(), function: Some("f".into()), line: 7, lines }]
    }

    fn exception(lines: usize) -> Exceptions {
        toml::from_str(&format!(
            "[[exception]]\npath = \"a.rs\"\nfunction = \"f\"\nlines = {lines}"
        ))
        .unwrap()
    }

    #[test]
    fn a_long_function_is_a_problem() {
        let none = Exceptions::default();
        assert!(compare(&function(70), &none).is_empty());
        let problems = compare(&function(71), &none);
        assert_eq!(problems[0].to_string(), "a.rs:7: the function `f` has 71 lines, 70 at most");
    }

    #[test]
    fn an_exception_fits_exactly() {
        assert!(compare(&function(90), &exception(90)).is_empty());
        for lines in [91, 89, 70] {
            assert_eq!(compare(&function(lines), &exception(90)).len(), 1, "{lines}");
        }
        assert_eq!(compare(&[], &exception(90)).len(), 1);
    }
}
