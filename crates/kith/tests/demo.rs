//! `kith demo`: three people in one space, and nothing left of them afterwards.

mod fixture;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use fixture::kith;

#[test]
fn three_people_share_a_space_and_nothing_is_left_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let temp = dir.path().join("tmp");
    std::fs::create_dir(&temp).unwrap();
    let mut demo = kith(dir.path())
        .args(["demo", "--json"])
        .env("TMPDIR", &temp)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let people: Vec<serde_json::Value> = BufReader::new(demo.stdout.as_mut().unwrap())
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect();
    let names: Vec<&str> = people.iter().map(|person| person["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Ada", "Ben", "Cleo"]);
    for person in &people {
        let url = person["url"].as_str().unwrap();
        assert!(url.starts_with("http://") && url.contains(".localhost:"), "{url}");
    }
    let interrupt = Command::new("kill").args(["-s", "INT", &demo.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    assert!(demo.wait().unwrap().success());
    assert_eq!(std::fs::read_dir(&temp).unwrap().count(), 0);
}
