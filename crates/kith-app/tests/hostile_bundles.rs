//! Each fault of a bundle is found, and called by its own name.

mod archive;

use std::io::Cursor;

use archive::{Entry, archive, index};
use kith_app::{Bundle, BundleError, Limits, MAX_MANIFEST, MAX_PATH, ManifestError, PathFault};

fn open_with(limits: &Limits, bytes: &[u8]) -> Result<(), BundleError> {
    Bundle::open(Cursor::new(bytes), limits)?.check_files()
}

fn fault(entries: &[Entry]) -> BundleError {
    fault_of(&archive(entries))
}

fn fault_of(bytes: &[u8]) -> BundleError {
    open_with(&Limits::default(), bytes).expect_err("the bundle is broken")
}

macro_rules! assert_fault {
    ($found:expr, $expected:pat $(if $condition:expr)?) => {
        let found = $found;
        assert!(matches!(&found, $expected $(if $condition)?), "{found:?}");
    };
}

#[test]
fn a_plain_bundle_is_accepted() {
    let entries = [
        index(),
        Entry::stored("img/", b"").mode(0o040_755),
        Entry::deflated("img/a.svg", b"<svg/>"),
        Entry::stored("no-mode", b"x").mode(0),
    ];
    open_with(&Limits::default(), &archive(&entries)).unwrap();
}

#[test]
fn no_index() {
    assert_fault!(fault(&[Entry::stored("a/index.html", b"")]), BundleError::NoIndex);
    assert_fault!(fault(&[Entry::stored("Index.html", b"")]), BundleError::NoIndex);
    assert_fault!(fault(&[]), BundleError::NoIndex);
}

#[test]
fn names_that_lead_elsewhere() {
    let long = "a".repeat(MAX_PATH + 1);
    for (name, expected) in [
        ("", PathFault::Empty),
        ("/", PathFault::Absolute),
        ("/etc/passwd", PathFault::Absolute),
        ("C:/Windows/x", PathFault::Drive),
        ("../x", PathFault::Escapes),
        ("a/../../x", PathFault::Escapes),
        ("../", PathFault::Escapes),
        ("a//b", PathFault::EmptyPart),
        ("./a", PathFault::EmptyPart),
        ("a\\b", PathFault::Backslash),
        ("a\\", PathFault::Backslash),
        ("index.html\0.png", PathFault::Control(0)),
        ("a\nb", PathFault::Control(10)),
        (".kith/kith.js", PathFault::Reserved),
        (&long, PathFault::TooLong { found: MAX_PATH + 1 }),
    ] {
        let found = fault(&[index(), Entry::stored(name, b"x")]);
        assert_fault!(found, BundleError::Path { fault, .. } if *fault == expected);
    }
}

#[test]
fn a_name_that_is_not_text() {
    assert_fault!(fault(&[index(), Entry::stored(b"a\xff", b"")]), BundleError::NameNotText(_));
}

#[test]
fn names_that_collide() {
    let file = |name: &str| Entry::stored(name, b"");
    assert_fault!(
        fault(&[index(), file("a"), file("a")]),
        BundleError::Duplicate(path) if path == "a"
    );
    assert_fault!(fault(&[index(), index()]), BundleError::Duplicate(_));
    assert_fault!(
        fault(&[index(), file("webxdc.js"), file("webxdc.js")]),
        BundleError::Duplicate(_)
    );
    assert_fault!(fault(&[index(), file("a/"), file("a/")]), BundleError::Duplicate(_));
    for (first, second) in [("a", "A"), ("ä/x", "Ä/y"), ("index.html", "INDEX.html"), ("b/", "B/")]
    {
        assert_fault!(fault(&[file(first), file(second)]), BundleError::DiffersInCase { .. });
    }
    for (first, second) in [("a", "a/b"), ("a/b", "a"), ("a", "a/"), ("a/", "a")] {
        assert_fault!(
            fault(&[index(), file(first), file(second)]),
            BundleError::FileAndFolder(path) if path == "a"
        );
    }
}

#[test]
fn links_and_special_files() {
    for mode in [0o120_777, 0o060_644, 0o020_644, 0o010_644, 0o140_644, 0o040_755] {
        let entry = Entry::stored("a", b"/etc/passwd").mode(mode);
        assert_fault!(fault(&[index(), entry]), BundleError::Special(path) if path == "a");
    }
    assert_fault!(fault(&[index(), Entry::stored("a/", b"content")]), BundleError::Special(_));
}

#[test]
fn encryption_and_other_compression() {
    let entry = Entry { flags: 1, ..Entry::stored("a", b"0123456789ab") };
    assert_fault!(fault(&[index(), entry]), BundleError::Encrypted(path) if path == "a");
    for method in [1, 6, 9, 12, 14, 93, 95, 99, 0xffff] {
        let entry = Entry { method, ..Entry::stored("a", b"x") };
        // Method 99 is AES, and the archive is refused as a whole where its extra field is missing.
        assert_fault!(
            fault(&[index(), entry]),
            BundleError::Compression { .. } | BundleError::NotABundle(_)
        );
    }
}

#[test]
fn sizes_over_the_limits() {
    let limits = Limits { bundle: 400, files: 3, file: 20, total: 45, ..Limits::default() };
    let file = |name: &str, size: usize| Entry::stored(name, &vec![b'x'; size]);
    let fault = |entries: &[Entry]| open_with(&limits, &archive(entries)).unwrap_err();
    open_with(&limits, &archive(&[index(), file("a", 20), file("b", 10)])).unwrap();
    assert_fault!(fault(&[index(), file("a", 300)]), BundleError::TooLarge { limit: 400, .. });
    assert_fault!(
        fault(&[index(), file("a", 1), file("b", 1), file("c", 1)]),
        BundleError::TooManyFiles { found: 4, limit: 3 }
    );
    assert_fault!(
        fault(&[index(), file("a", 21)]),
        BundleError::FileTooLarge { size: 21, limit: 20, .. }
    );
    assert_fault!(
        fault(&[index(), file("a", 20), file("b", 20)]),
        BundleError::TotalTooLarge { limit: 45 }
    );
}

#[test]
fn bombs_by_what_they_say() {
    let entry = Entry::deflated("zeros", &vec![0; 4 << 20]);
    assert_fault!(fault(&[index(), entry.clone()]), BundleError::Bomb { path, limit: 200 } if path == "zeros");
    let entry = Entry { size: u32::MAX - 1, ..entry };
    assert_fault!(fault(&[index(), entry]), BundleError::FileTooLarge { .. });
}

#[test]
fn bombs_that_lie_about_their_size() {
    let honest = Entry::deflated("zeros", &vec![0; 4 << 20]);
    let small = Entry { size: 1_000, ..honest.clone() };
    assert_fault!(
        fault(&[index(), small]),
        BundleError::WrongSize { declared: 1_000, .. } | BundleError::Damaged(_)
    );
    let large = Entry { size: 16, ..Entry::deflated("a", b"short") };
    assert_fault!(
        fault(&[index(), large]),
        BundleError::WrongSize { declared: 16, .. } | BundleError::Damaged(_)
    );
}

#[test]
fn files_that_share_bytes() {
    let kernel = Entry::deflated("kernel", &[b'x'; 5_000]);
    let first = Entry { name: b"first".into(), ..kernel.clone() };
    let second = Entry {
        offset: Some(0),
        name: b"secnd".into(),
        local_name: Some(b"first".into()),
        ..kernel
    };
    assert_fault!(fault(&[first, second, index()]), BundleError::Overlap(_));
}

/// The second file's header is inside of an extra field of the first one, and both have their bytes
/// behind that.
#[test]
fn files_that_share_bytes_behind_an_extra_field() {
    let second = Entry::stored("secnd", b"shared");
    let whole = archive(std::slice::from_ref(&second));
    let header = &whole[..30 + 5];
    let payload = [vec![0; 100], header.to_vec()].concat();
    let field = [&[0xfe, 0xca], &(payload.len() as u16).to_le_bytes()[..], &payload].concat();
    let offset = (30 + 5 + field.len() - header.len()) as u32;
    let first = Entry { local_extra: field, ..Entry::stored("first", b"shared") };
    // The directory lists the second one, which has no place of its own in the archive.
    let mut bytes = archive(&[first.clone(), Entry { offset: Some(offset), ..second }, index()]);
    let found = open_with(&Limits::default(), &bytes).unwrap_err();
    assert_fault!(found, BundleError::Overlap(_));
    bytes = archive(&[first, index()]);
    open_with(&Limits::default(), &bytes).expect("an extra field is no fault");
}

#[test]
fn a_packed_size_that_no_file_has() {
    for packed in [u64::MAX, u64::MAX - 40, 1 << 40] {
        let extra = [&[1, 0, 8, 0][..], &packed.to_le_bytes()].concat();
        let local_extra = extra.clone();
        let entry = Entry { compressed: u32::MAX, extra, local_extra, ..Entry::stored("a", b"x") };
        for entries in [[index(), entry.clone()], [entry, index()]] {
            assert_fault!(
                fault(&entries),
                BundleError::Overlap(_)
                    | BundleError::NotABundle(_)
                    | BundleError::Contradiction(_)
                    | BundleError::Damaged(_)
            );
        }
    }
}

#[test]
fn headers_that_contradict_the_directory() {
    let entry = Entry { local_name: Some(b"b".into()), ..Entry::stored("a", b"x") };
    assert_fault!(fault(&[index(), entry]), BundleError::Contradiction(_));
    let entry = Entry { offset: Some(40), ..Entry::stored("a", b"x") };
    assert_fault!(fault(&[Entry::stored("index.html", &[0; 200]), entry]), BundleError::Overlap(_));
}

#[test]
fn damaged_files() {
    let entry = Entry { crc: 7, ..Entry::stored("a", b"x") };
    assert_fault!(fault(&[index(), entry]), BundleError::Damaged(path) if path == "a");
    let mut entry = Entry::deflated("a", b"some text, long enough to be compressed, text, text");
    entry.data[0] = 0xff;
    assert_fault!(fault(&[index(), entry]), BundleError::Damaged(_));
}

#[test]
fn not_an_archive() {
    let whole = archive(&[index()]);
    for bytes in
        [b"".as_slice(), b"PK", b"<!doctype html>", &[0; 100_000], &whole[..whole.len() - 1]]
    {
        assert_fault!(fault_of(bytes), BundleError::NotABundle(_));
    }
    let prefixed = [b"#!/bin/sh\n", whole.as_slice()].concat();
    assert_fault!(fault_of(&prefixed), BundleError::NotABundle(_));
}

#[test]
fn manifests_that_can_not_be_used() {
    let with = |text: &[u8]| fault(&[index(), Entry::stored("manifest.toml", text)]);
    assert_fault!(with(b"name = "), BundleError::Manifest(ManifestError::Toml(_)));
    assert_fault!(with(b"\xff"), BundleError::Manifest(ManifestError::NotText));
    assert_fault!(
        with(&vec![b' '; MAX_MANIFEST + 1]),
        BundleError::Manifest(ManifestError::TooLarge { .. })
    );
    assert_fault!(
        with(b"[kith]\npermissions = ['root']"),
        BundleError::Manifest(ManifestError::UnknownPermission(name)) if name == "root"
    );
}

#[test]
fn every_truncation_and_every_changed_byte_is_survived() {
    let bytes = archive(&[
        index(),
        Entry::deflated("a/b.js", b"let a = 1; let b = 2; let c = 3;"),
        Entry::stored("manifest.toml", b"name = 'Test'"),
    ]);
    for end in 0..bytes.len() {
        assert!(open_with(&Limits::default(), &bytes[..end]).is_err(), "cut at {end}");
    }
    for at in 0..bytes.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            let _ = open_with(&Limits::default(), &changed);
        }
    }
}
