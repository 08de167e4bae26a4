//! What the fuzz targets check of arbitrary bytes; `fuzz/fuzz_targets` includes this file.

use std::io::Cursor;

use kith_app::{Bundle, Invitation, Limits, Link, Manifest, SignedVersion, check_path, pack};

/// Small limits, so that the fuzzer reaches them.
const LIMITS: Limits = Limits {
    bundle: 64 << 10,
    files: 20,
    beside: 1 << 10,
    file: 64 << 10,
    total: 128 << 10,
    ratio: 50,
};

/// A link has one text.
pub(crate) fn link(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(link) = text.parse::<Link>() {
        let written = link.to_string();
        assert!(written.len() <= kith_app::MAX_LINK);
        assert_eq!(written.parse(), Ok(link));
    }
}

/// An invitation has one form.
pub(crate) fn invitation(bytes: &[u8]) {
    if let Ok(invitation) = Invitation::from_bytes(bytes) {
        assert_eq!(invitation.to_bytes(), bytes);
    }
}

/// What a person reads of a manifest is short and on one line.
pub(crate) fn manifest(bytes: &[u8]) {
    if let Ok(manifest) = Manifest::parse(bytes) {
        let name = manifest.name_or("x.xdc");
        assert!(!name.is_empty() && name.len() <= kith_app::MAX_NAME);
        assert!(!name.chars().any(char::is_control));
        assert!(manifest.description.len() <= kith_app::MAX_DESCRIPTION);
        assert!(!manifest.description.chars().any(char::is_control));
    }
}

/// A version that is accepted is written alike.
pub(crate) fn version(bytes: &[u8]) {
    if let Ok(version) = SignedVersion::from_bytes(bytes) {
        assert_eq!(version.to_bytes(), bytes);
    }
}

/// A bundle keeps its limits, and what it holds can be packed again, but for names that only the
/// directory of an archive can hold.
pub(crate) fn bundle(bytes: &[u8]) {
    let Ok(mut bundle) = Bundle::open(Cursor::new(bytes), &LIMITS) else { return };
    let names: Vec<_> = bundle.files().map(|(path, size)| (path.to_owned(), size)).collect();
    assert!(names.len() <= LIMITS.files);
    assert!(names.iter().map(|(_, size)| size).sum::<u64>() <= LIMITS.total);
    let _ = bundle.icon();
    let mut files = Vec::new();
    for (path, size) in names {
        assert_eq!(check_path(&path), Ok(()));
        if let Ok(file) = bundle.file(&path) {
            assert_eq!(file.len() as u64, size);
            files.push((path, file));
        }
    }
    if bundle.check_files().is_ok() {
        let packed = pack(files.iter().map(|(path, file)| (path.as_str(), file)));
        let packed = packed.expect("what was read is good");
        let mut again = Bundle::open(Cursor::new(packed), &Limits::default()).expect("is good");
        assert_eq!(again.files().count(), files.len());
        for (path, file) in files {
            assert_eq!(again.file(&path).expect("it was packed"), file);
        }
    }
}
