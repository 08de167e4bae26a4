//! A second implementation, in Python, written from `docs/protocol` alone, agrees with every vector:
//! `docs/protocol/check`. It runs on Debian's Python with Debian's `python3-cryptography`.

use std::path::Path;
use std::process::Command;

/// Where Debian puts it; another Python of this machine's may lack the package.
const PYTHON: &str = "/usr/bin/python3";

/// Runs the checker; returns what it prints.
fn check(arguments: &[&str]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol/check");
    let output = Command::new(PYTHON)
        .arg("-B")
        .arg(folder)
        .args(arguments)
        .output()
        .expect("Debian's python3 is installed");
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{}", text.concat());
    text.concat()
}

/// The number in front of `what` in the checker's last line.
fn count(text: &str, what: &str) -> u32 {
    let line = text.lines().last().expect("the checker prints a line");
    let (number, rest) = line.split_once(' ').expect("it begins with a number");
    assert!(rest.starts_with(what), "{line}");
    number.parse().expect("a number")
}

#[test]
fn a_second_implementation_agrees_with_every_vector() {
    assert!(count(&check(&[]), "vectors checked") >= 300);
}

/// So that agreeing means something: not one value of a vector can be changed unnoticed.
#[test]
fn a_second_implementation_notices_every_change() {
    assert!(count(&check(&["--mutate"]), "changes tried") >= 700);
}
