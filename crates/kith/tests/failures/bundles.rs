//! Bundles that were cut, changed, stretched or made to do harm, by `kith open` and `kith publish`.

use std::path::{Path, PathBuf};

use crate::archive::{Entry, archive, index};
use crate::support::assert_clear;
use crate::unharmed::Witness;

/// Largest bundle, in bytes: what the format allows.
const MAX_BUNDLE: u64 = 64 << 20;

/// A bundle that is good, with something in it that does not compress away.
fn good() -> Vec<u8> {
    let noise: Vec<u8> =
        (0..4_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    archive(&[index(), Entry::stored("noise.bin", &noise), Entry::deflated("a.svg", b"<svg/>")])
}

fn bad() -> Vec<(&'static str, Vec<u8>)> {
    let good = good();
    let at = good.windows(9).position(|name| name == b"noise.bin").expect("it is in there");
    let mut flipped = good.clone();
    flipped[at + 1_000] ^= 1;
    let zeros = vec![0; 4 << 20];
    let with = |entry: Entry| archive(&[index(), entry]);
    let mut bad = vec![
        ("nothing", Vec::new()),
        ("no archive", b"<!doctype html>".repeat(100)),
        ("a flipped bit", flipped),
        ("cut at its end", good[..good.len() - 1].to_vec()),
        ("cut in its middle", good[..good.len() / 2].to_vec()),
        ("only its end", good[good.len() / 2..].to_vec()),
        ("no index.html", archive(&[Entry::stored("a.html", b"")])),
        ("a path that leaves it", with(Entry::stored("../escaped.txt", b"x"))),
        ("a path from the root", with(Entry::stored("/tmp/escaped.txt", b"x"))),
        ("a path of Windows", with(Entry::stored("..\\escaped.txt", b"x"))),
        ("a symbolic link", with(Entry::stored("passwd", b"/etc/passwd").mode(0o120_777))),
        ("a doubled name", archive(&[index(), index()])),
        ("a bomb", with(Entry::deflated("bomb.bin", &zeros))),
        ("a broken manifest", with(Entry::stored("manifest.toml", b"name = "))),
    ];
    bad.push(("a name that is no text", with(Entry::stored([b'a', 0xff], b"x"))));
    bad
}

fn refused_by_all(witness: &Witness, what: &str, file: &Path) {
    let file = file.to_str().expect("a path in UTF-8");
    for args in [&["open", file, "--yes", "--no-open"][..], &["open", file], &["publish", file]] {
        let refused = witness.refused(args);
        assert_eq!(refused["code"], "bad_bundle", "{what}: {refused}");
        assert_clear(&refused, "bad_bundle");
        let why = refused["why"].as_str().unwrap_or_default();
        assert!(why.len() > "It is refused: .".len(), "{what}: {refused}");
    }
}

#[test]
fn broken_bundles_are_refused_and_leave_nothing_behind() {
    let witness = Witness::new();
    let folder = tempfile::tempdir().unwrap();
    let held = files(witness.dir.path());
    for (number, (what, bytes)) in bad().into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.xdc"));
        std::fs::write(&file, bytes).unwrap();
        refused_by_all(&witness, what, &file);
    }
    // Over the limit, by its size alone: such a file takes no room.
    let large = folder.path().join("large.xdc");
    std::fs::File::create(&large).unwrap().set_len(MAX_BUNDLE + 1).unwrap();
    refused_by_all(&witness, "over-long", &large);

    assert!(!folder.path().join("escaped.txt").exists() && !Path::new("/tmp/escaped.txt").exists());
    assert!(!witness.dir.path().join("escaped.txt").exists());
    assert_eq!(files(witness.dir.path()), held, "no file came");
    assert_eq!(witness.node.json(&["key"]).len(), 0, "no key was made for it");
    witness.unharmed();
}

#[test]
fn folders_that_make_no_bundle_are_refused() {
    let witness = Witness::new();
    let root = tempfile::tempdir().unwrap();
    let folder = |name: &str| {
        let folder = root.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    };
    let without_index = folder("without-index");
    let with_link = folder("with-link");
    std::fs::write(with_link.join("index.html"), "<!doctype html>").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", with_link.join("passwd")).unwrap();
    // Elsewhere it takes a right of its own to make one.
    #[cfg(not(unix))]
    std::fs::remove_dir_all(&with_link).unwrap();
    for folder in [without_index, with_link].into_iter().filter(|folder| folder.exists()) {
        let refused = witness.refused(&["publish", folder.to_str().unwrap()]);
        assert_clear(&refused, "bad_bundle");
    }
    let refused = witness.refused(&["publish", root.path().join("nowhere").to_str().unwrap()]);
    assert_clear(&refused, "not_found");
    let refused = witness.refused(&["open", "nothing.xdc"]);
    assert_clear(&refused, "not_found");
    witness.unharmed();
}

/// The same doors take a good one.
#[test]
fn a_good_bundle_is_taken() {
    let witness = Witness::new();
    let file = witness.dir.path().join("good.xdc");
    std::fs::write(&file, good()).unwrap();
    let file = file.to_str().unwrap();
    let published = witness.node.json(&["publish", file]).remove(0);
    let opened = witness.node.json(&["open", file, "--yes", "--no-open"]).remove(0);
    assert_eq!(opened["app"], published["app"]);
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it can be listed").flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
