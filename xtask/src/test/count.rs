//! How many tests passed, over all runners.

use std::fmt;
use std::ops::AddAssign;

/// A sum over runners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

impl Count {
    /// Reads libtest's closing line: `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    pub(crate) fn of_libtest(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let mut count = Self::default();
        for part in counts.split("; ") {
            let (number, what) = part.split_once(' ')?;
            match what {
                "passed" => count.passed = number.parse().ok()?,
                "failed" => count.failed = number.parse().ok()?,
                "ignored" => count.skipped = number.parse().ok()?,
                _ => {}
            }
        }
        Some(count)
    }

    /// Reads the closing comments of TAP, as node writes them: `# pass 3`.
    pub(crate) fn of_tap(text: &str) -> Option<Self> {
        let number = |what: &str| -> Option<u64> {
            text.lines().rev().find_map(|line| {
                line.strip_prefix("# ")?.strip_prefix(what)?.strip_prefix(' ')?.parse().ok()
            })
        };
        Some(Self {
            passed: number("pass")?,
            failed: number("fail")? + number("cancelled")?,
            skipped: number("skipped")? + number("todo")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_libtest() {
        let line = "test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.00s";
        assert_eq!(Count::of_libtest(line), Some(Count { passed: 3, failed: 2, skipped: 1 }));
        assert_eq!(Count::of_libtest("test result_is_kept ... ok"), None);
    }

    #[test]
    fn reads_tap() {
        let text = "ok 1 - a\n# tests 4\n# suites 0\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 3\n# todo 0\n";
        assert_eq!(Count::of_tap(text), Some(Count { passed: 2, failed: 2, skipped: 3 }));
        assert_eq!(Count::of_tap("TAP version 13\n"), None);
    }

    #[test]
    fn shows_one_line() {
        let mut count = Count { passed: 3, failed: 0, skipped: 0 };
        assert_eq!(count.to_string(), "3 passed, 0 failed");
        count += Count { passed: 1, failed: 1, skipped: 2 };
        assert_eq!(count.to_string(), "4 passed, 1 failed, 2 skipped");
    }
}
