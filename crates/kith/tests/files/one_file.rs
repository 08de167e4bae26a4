//! One file.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::fixture::{error, kith, stderr};
use crate::support::eventually;
use crate::{Person, link, noise};

#[test]
fn a_file_comes_as_it_was_and_nothing_is_written_over() {
    let (ada, bob) = (Person::new(), Person::new());
    let (small, large) = (noise(1, 10), noise(2, 3_000_001));
    fs::write(ada.file("a note.txt"), &small).unwrap();
    fs::write(ada.file("film.mp4"), &large).unwrap();
    fs::write(ada.file("empty"), b"").unwrap();
    let paths = ["a note.txt", "film.mp4", "empty"].map(|name| ada.file(name));
    let paths: Vec<_> = paths.iter().map(|path| path.to_str().unwrap()).collect();
    let shared = ada.share(&paths);
    assert_eq!(shared["files"], 3);
    assert_eq!(shared["size"], 3_000_011);
    let to = bob.file("new/folder");
    let got = bob.get(link(&shared), &to);
    assert_eq!(got["files"].as_array().unwrap().len(), 3, "{got}");
    assert_eq!(fs::read(to.join("a note.txt")).unwrap(), small);
    assert_eq!(fs::read(to.join("film.mp4")).unwrap(), large);
    assert_eq!(fs::read(to.join("empty")).unwrap(), b"");
    // Once more to the same folder finds them there, and elsewhere writes them without the network.
    let before = bob.received();
    let again = bob.get(link(&shared), &to);
    assert_eq!(again["files"], got["files"]);
    assert_eq!(fs::read_dir(&to).unwrap().count(), 3);
    let other = bob.file("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("film.mp4"), b"mine").unwrap();
    bob.get(link(&shared), &other);
    assert_eq!(fs::read(other.join("film.mp4")).unwrap(), b"mine");
    assert_eq!(fs::read(other.join("film (2).mp4")).unwrap(), large);
    assert!(bob.received() - before < 500_000, "it was fetched again");
    // Whoever got it gives it on.
    let mut carol = Person::new();
    carol.node.json(&["stop"]);
    carol.node.ended();
    let mut command = crate::fixture::up(&carol.node.dir);
    command.args(["--peer", bob.node.said("addr")]);
    carol.node = crate::fixture::Node::of(command, &carol.node.dir.clone());
    drop(ada);
    carol.get(link(&shared), &carol.file(""));
    assert_eq!(fs::read(carol.file("film.mp4")).unwrap(), large);
}

#[test]
fn standard_input_and_output() {
    let (ada, bob) = (Person::new(), Person::new());
    let bytes = noise(3, 700_000);
    let mut share = kith(&ada.node.dir)
        .args(["share", "-", "--name", "noise.bin", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("kith was built");
    share.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = share.wait_with_output().unwrap();
    let shared: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let got = bob.node.run(&["get", link(&shared), "-o", "-"]);
    assert!(got.status.success(), "{}", stderr(&got));
    assert!(got.stdout == bytes, "{} bytes", got.stdout.len());
    assert_eq!(bob.get(link(&shared), &bob.file(""))["files"][0]["name"], "noise.bin");
    assert_eq!(fs::read(bob.file("noise.bin")).unwrap(), bytes);
    for dir in [ada.node.dir.join("incoming"), bob.node.dir.join("outgoing")] {
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "something is left in {dir:?}");
    }
}

#[test]
fn a_changed_file_is_told_and_never_given() {
    let (ada, bob) = (Person::new(), Person::new());
    let path = ada.file("report.pdf");
    fs::write(&path, noise(4, 400_000)).unwrap();
    let shared = ada.share(&[path.to_str().unwrap()]);
    fs::write(&path, noise(5, 400_000)).unwrap();
    let to = bob.file("to");
    let mut get = bob.begin_get(link(&shared), &to);
    eventually("ada is told", || {
        let status = ada.node.json(&["status"]).remove(0);
        status["problems"].to_string().contains("report.pdf")
    });
    get.kill().unwrap();
    get.wait().unwrap();
    assert!(!to.join("report.pdf").exists());
    // Shared again, it is what it is now.
    let shared = ada.share(&["--copy", path.to_str().unwrap()]);
    fs::remove_file(&path).unwrap();
    bob.get(link(&shared), &to);
    assert_eq!(fs::read(to.join("report.pdf")).unwrap(), noise(5, 400_000));
}

#[test]
fn what_can_not_be_shared_or_got_says_why() {
    let ada = Person::new();
    let missing = ada.file("missing");
    let refused = ada.node.run(&["share", "--json", missing.to_str().unwrap()]);
    assert_eq!(error(&refused)["code"], "not_found");
    let refused = ada.node.run(&["share", "--json", "/dev/null"]);
    assert_eq!(error(&refused)["code"], "invalid_params");
    let refused = ada.node.run(&["get", "--json", "kith://nonsense"]);
    assert_eq!(error(&refused)["code"], "bad_link");
}
