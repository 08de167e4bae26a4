//! Killed in the middle, on either side: what was written is not fetched again.

use std::fs;
use std::path::Path;

use crate::liar::Liar;
use crate::support::eventually;
use crate::{Person, link, noise};

/// Bytes of the file: more than twice what is written before a transfer's row says so.
const SIZE: usize = 160 * 1024 * 1024;
/// Bytes of the file that three send.
const SIZE_OF_THREE: usize = 64 * 1024 * 1024;
/// Bytes that may come beside those that are written once: a part of 256 KiB of each of three requests
/// that are under way when the process is killed, the file's tree of 640 KiB, and some entries. 2 MiB.
const BESIDE: u64 = 2 * 1024 * 1024;
/// As [`BESIDE`], for three senders: of each three requests, and of the liar's what was on its way when
/// his first wrong byte was seen. 6 MiB.
const BESIDE_OF_THREE: u64 = 6 * 1024 * 1024;

/// How much of the hidden file is as in the whole one, in groups of 16 KiB.
fn written(part: &Path, bytes: &[u8]) -> u64 {
    let part = fs::read(part).unwrap_or_default();
    let groups = part.chunks(16 * 1024).zip(bytes.chunks(16 * 1024));
    groups.filter(|(part, whole)| part == whole).map(|(part, _)| part.len() as u64).sum()
}

/// Bytes of the disk that a file has; none, where it is missing.
#[cfg(unix)]
fn taken(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).map_or(0, |metadata| metadata.blocks() * 512)
}

/// Bytes of a file; none, where it is missing.
#[cfg(not(unix))]
fn taken(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn a_get_that_was_killed_on_either_side_goes_on() {
    let (mut ada, mut bob) = (Person::new(), Person::new());
    let bytes = noise(9, SIZE);
    let size = SIZE as u64;
    fs::write(ada.file("film.mp4"), &bytes).unwrap();
    let shared = ada.share(&[ada.file("film.mp4").to_str().unwrap()]);
    let to = bob.file("to");
    let part = to.join(".film.mp4.kith-part");
    let mut get = bob.begin_get(link(&shared), &to);
    eventually("a quarter is here", || taken(&part) > size / 4);
    ada.kill_and_start();
    eventually("half is here", || taken(&part) > size / 2);
    let before = bob.received();
    bob.kill();
    let here = written(&part, &bytes);
    assert!(before <= here + BESIDE, "{before} bytes were fetched, and {here} are here");
    assert!(here < size, "it was killed too late");
    bob.start_again(&[]);
    // The command lost its node.
    assert!(!get.wait().unwrap().success());
    let got = bob.get(link(&shared), &to);
    assert_eq!(got["files"][0]["size"], SIZE);
    assert!(fs::read(to.join("film.mp4")).unwrap() == bytes, "not the same file");
    let after = bob.received();
    assert!(here + after <= size + BESIDE, "{here} bytes were here, and {after} were fetched");
    assert_eq!(fs::read_dir(&to).unwrap().count(), 1, "something is left");
}

/// Two have the file, a third one sends wrong bytes, and everybody is killed once.
#[test]
fn a_get_from_three_of_whom_one_lies_goes_on() {
    let (mut ada, mut bob, mut carol) = (Person::new(), Person::new(), Person::new());
    let bytes = noise(10, SIZE_OF_THREE);
    let size = SIZE_OF_THREE as u64;
    fs::write(ada.file("film.mp4"), &bytes).unwrap();
    let shared = ada.share(&[ada.file("film.mp4").to_str().unwrap()]);
    bob.get(link(&shared), &bob.file("to"));
    let to = carol.file("to");
    let part = to.join(".film.mp4.kith-part");
    let peer = bob.node.said("addr").to_owned();
    carol.kill();
    carol.start_again(&[&peer]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let liar = runtime.block_on(Liar::join(link(&shared), size));
    let meet = |carol: &Person| runtime.block_on(async { liar.meet(carol.node.said("addr")) });
    meet(&carol);
    let mut get = carol.begin_get(link(&shared), &to);
    let mut here = 0;
    for (number, share) in [size / 5, size / 2].into_iter().enumerate() {
        eventually("some of it is here", || taken(&part) > share);
        carol.kill();
        let other = if number == 0 { &mut ada } else { &mut bob };
        other.kill();
        let was = std::mem::replace(&mut here, written(&part, &bytes));
        assert!(here < size, "it was killed too late");
        assert!(here > was, "{was} bytes were here, and then {here}");
        assert!(!get.wait().unwrap().success());
        other.start_again(&[]);
        carol.start_again(&[&peer]);
        meet(&carol);
        get = carol.begin_get(link(&shared), &to);
    }
    assert!(get.wait().unwrap().success());
    assert!(fs::read(to.join("film.mp4")).unwrap() == bytes, "not the same file");
    assert!(liar.was_asked() > 0, "nobody lied");
    let last = carol.received();
    assert!(here + last <= size + BESIDE_OF_THREE, "{here} bytes were here, and {last} came");
    runtime.block_on(liar.close());
}
