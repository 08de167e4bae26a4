//! What a crate must not name.

use std::path::Path;

use super::Problem;
use super::source::Source;

/// A rule for the files of some folders.
struct Absence {
    /// Folders, from the root; all where there is none.
    under: &'static [&'static str],
    /// Paths that must not be named. A name fits where it ends like one of these, or goes on after
    /// it, at a `::`.
    names: &'static [&'static str],
    /// Whether tests are held to it too.
    in_tests: bool,
    why: &'static str,
}

/// Crates that are pure: bytes, time and randomness come in.
const LEAVES: &[&str] =
    &["crates/kith-app/", "crates/kith-log/", "crates/kith-api/", "crates/kith-dht/"];

const ABSENCES: &[Absence] = &[
    Absence {
        under: &[],
        names: &["unbounded_channel", "mpsc::unbounded", "std::sync::mpsc::channel"],
        in_tests: false,
        why: "every queue has a named limit",
    },
    Absence {
        under: &[],
        names: &["todo!", "unimplemented!", "#ignore"],
        in_tests: true,
        why: "what is not done yet is an issue, not code",
    },
    Absence {
        under: LEAVES,
        names: &["Instant::now", "SystemTime::now", "thread::sleep", "tokio", "n0_future"],
        in_tests: false,
        why: "time is handed in",
    },
    Absence {
        under: LEAVES,
        names: &["getrandom", "rand::rng", "rand::random", "thread_rng", "OsRng", "SysRng"],
        in_tests: false,
        why: "randomness is handed in",
    },
    Absence {
        under: LEAVES,
        names: &[
            "std::thread",
            "std::fs",
            "std::env",
            "std::process",
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "RandomState",
        ],
        in_tests: false,
        why: "a leaf does no I/O and starts nothing",
    },
    Absence {
        under: &["crates/kith-overlay/"],
        names: &[
            "tokio::spawn",
            "tokio::task",
            "tokio::time",
            "tokio::net",
            "tokio::fs",
            "std::time::Instant",
            "std::time::SystemTime",
            "SystemTime::now",
            "std::thread",
            "std::fs",
            "std::env",
        ],
        in_tests: false,
        why: "the overlay runs in a browser tab too: time and tasks are n0_future's",
    },
];

pub(super) fn check(rust: &[Source]) -> Vec<Problem> {
    rust.iter().flat_map(check_one).collect()
}

fn check_one(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for absence in ABSENCES.iter().filter(|absence| absence.holds_for(&source.path)) {
        for name in source.names.iter().filter(|name| absence.in_tests || !name.in_tests) {
            if let Some(banned) = absence.names.iter().find(|banned| is(&name.text, banned)) {
                let text = format!("`{banned}` must not be here: {}", absence.why);
                problems.push(Problem::new(&source.path, name.line, text));
            }
        }
    }
    problems.dedup();
    problems
}

impl Absence {
    fn holds_for(&self, path: &Path) -> bool {
        self.under.is_empty() || self.under.iter().any(|folder| path.starts_with(folder))
    }
}

/// Whether a path names `banned` or something in it, by whole segments.
fn is(name: &str, banned: &str) -> bool {
    let name: Vec<&str> = name.split("::").collect();
    let banned: Vec<&str> = banned.split("::").collect();
    name.windows(banned.len()).any(|window| window == banned)
}

#[cfg(test)]
mod tests {
    use super::super::source::parse;
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        check_one(&parse(Path::new(path), text).unwrap()).into_iter().map(|p| p.text).collect()
    }

    #[test]
    fn a_clock_in_a_leaf_is_a_problem_and_in_its_tests_is_not() {
        let clock = "fn f() { let t = std::time::Instant::now(); }";
        assert_eq!(problems("crates/kith-log/src/a.rs", clock).len(), 1);
        assert!(problems("crates/kith-node/src/a.rs", clock).is_empty());
        assert!(problems("crates/kith-log/tests/a.rs", clock).is_empty());
        let tests = format!("#[cfg(test)]\nmod tests {{ {clock} }}");
        assert!(problems("crates/kith-log/src/a.rs", &tests).is_empty());
    }

    #[test]
    fn an_import_counts_as_a_name() {
        let text = "use tokio::{sync::mpsc, time::sleep};";
        assert_eq!(problems("crates/kith-overlay/src/a.rs", text).len(), 1);
    }

    #[test]
    fn words_that_only_begin_alike_are_no_problem() {
        assert!(is("tokio::time::sleep", "tokio::time"));
        assert!(!is("tokio::timeout", "tokio::time"));
        assert!(!is("my_getrandom", "getrandom"));
        assert!(
            problems("crates/kith-app/src/a.rs", "/// No `getrandom` here.\nfn f() {}").is_empty()
        );
    }
}
