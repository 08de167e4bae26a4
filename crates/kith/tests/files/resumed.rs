//! Killed in the middle, on either side.

use std::fs;

use crate::support::eventually;
use crate::{Person, link, noise};

/// Bytes of the file: several times what a crash may cost.
const SIZE: usize = 160 * 1024 * 1024;
/// What a crash costs at most: what was not synced yet, on its way and in requests under way.
const LOST: u64 = 48 * 1024 * 1024;

#[test]
fn a_get_that_was_killed_on_either_side_goes_on() {
    let (mut ada, mut bob) = (Person::new(), Person::new());
    let bytes = noise(9, SIZE);
    fs::write(ada.file("film.mp4"), &bytes).unwrap();
    let shared = ada.share(&[ada.file("film.mp4").to_str().unwrap()]);
    let to = bob.file("to");
    let mut get = bob.begin_get(link(&shared), &to);
    eventually("a quarter is here", || bob.received() > SIZE as u64 / 4);
    ada.kill_and_start();
    eventually("half is here", || bob.received() > SIZE as u64 / 2);
    let before = bob.received();
    bob.kill_and_start();
    // The command lost its node.
    assert!(!get.wait().unwrap().success());
    let got = bob.get(link(&shared), &to);
    assert_eq!(got["files"][0]["size"], SIZE);
    assert!(fs::read(to.join("film.mp4")).unwrap() == bytes, "not the same file");
    let fetched = before + bob.received();
    assert!(fetched < SIZE as u64 + LOST, "{fetched} of {SIZE} bytes were fetched");
}
