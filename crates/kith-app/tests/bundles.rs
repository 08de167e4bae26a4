//! What is packed can be read again; a bundle's own `webxdc.js` is ignored.

use std::io::Cursor;

use kith_app::{Bundle, BundleError, Limits, PathFault, pack};
use proptest::prelude::*;

fn open(bytes: &[u8]) -> Bundle<Cursor<&[u8]>> {
    Bundle::open(Cursor::new(bytes), &Limits::default()).expect("a good bundle")
}

#[test]
fn files_icon_and_manifest() {
    let bytes = pack([
        ("index.html", b"<!doctype html>".as_slice()),
        ("icon.png", b"\x89PNG"),
        ("icon.jpg", b"\xff\xd8"),
        ("webxdc.js", b"window.webxdc = {}"),
        ("manifest.toml", b"name = 'Test'"),
        ("js/app.js", b"let x"),
    ])
    .unwrap();
    let mut bundle = open(&bytes);
    let paths: Vec<_> = bundle.files().map(|(path, _)| path.to_owned()).collect();
    assert_eq!(paths, ["icon.jpg", "icon.png", "index.html", "js/app.js", "manifest.toml"]);
    assert_eq!(bundle.manifest().name.as_deref(), Some("Test"));
    assert_eq!(bundle.icon().unwrap(), Some(("image/png", b"\x89PNG".to_vec())));
    assert_eq!(bundle.file("js/app.js").unwrap(), b"let x");
    assert_eq!(bundle.size("js/app.js"), Some(5));
    for missing in ["webxdc.js", "js", "js/", "", "/index.html", "../x"] {
        assert!(matches!(bundle.file(missing), Err(BundleError::NotFound(_))), "{missing}");
    }
    let mut other = bundle.with_reader(Cursor::new(bytes.clone()));
    assert_eq!(other.file("js/app.js").unwrap(), b"let x");
}

#[test]
fn the_same_files_give_the_same_bytes_in_any_order() {
    let mut files = vec![
        ("index.html", b"<!doctype html>".repeat(20)),
        ("a/b.css", b"* { color: red }".to_vec()),
        ("icon.png", vec![7; 500]),
    ];
    let first = pack(files.clone()).unwrap();
    files.reverse();
    assert_eq!(pack(files).unwrap(), first);
    // A change here is a change of every published folder's hash: say so in the changelog.
    assert_eq!(
        blake3::hash(&first).to_hex().as_str(),
        "d2d0fa3f49e51059ab648eef69162d074f5bf4f62508172ec3c04b4e6a6101f7"
    );
}

#[test]
fn honest_files_that_compress_too_well_are_found_in_one_pass() {
    let zeros = vec![0; (1 << 20) + 1024];
    let names: Vec<_> = (0..40).map(|n| format!("{n}.bin")).collect();
    let files = names.iter().map(|name| (name.as_str(), zeros.as_slice()));
    let bytes = pack(files.chain([("index.html", b"x".as_slice())])).unwrap();
    assert!(bytes.len() > names.len() * zeros.len());
    assert_eq!(open(&bytes).file("39.bin").unwrap(), zeros);
}

#[test]
fn an_honest_file_that_compresses_too_well_is_carried_as_it_is() {
    let zeros = vec![0; 2 << 20];
    let bytes = pack([("index.html", b"x".as_slice()), ("zeros.bin", &zeros)]).unwrap();
    assert!(bytes.len() > zeros.len());
    assert_eq!(open(&bytes).file("zeros.bin").unwrap(), zeros);
}

#[test]
fn what_would_be_refused_is_not_packed() {
    let page = ("index.html", b"x".to_vec());
    let fault =
        |path: &str, bytes: &[u8]| pack([page.clone(), (path, bytes.to_vec())]).unwrap_err();
    assert!(matches!(pack([("a", b"x")]), Err(BundleError::NoIndex)));
    assert!(matches!(fault("index.html", b""), BundleError::Duplicate(_)));
    assert!(matches!(fault("Index.html", b""), BundleError::DiffersInCase { .. }));
    assert!(matches!(fault("../x", b""), BundleError::Path { fault: PathFault::Escapes, .. }));
    assert!(matches!(fault("manifest.toml", b"name = 1"), BundleError::Manifest(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn packing_and_reading_are_inverse(
        files in prop::collection::btree_map(
            "[a-z]{1,3}/[a-zäö ]{1,5}(\\.(png|js))?", prop::collection::vec(any::<u8>(), 0..300), 0..8,
        ),
    ) {
        let mut files = files;
        files.insert("index.html".into(), b"<!doctype html>".to_vec());
        let packed = pack(files.iter().map(|(path, bytes)| (path.clone(), bytes))).unwrap();
        let mut bundle = open(&packed);
        bundle.check_files().unwrap();
        prop_assert_eq!(bundle.files().count(), files.len());
        for (path, bytes) in &files {
            prop_assert_eq!(&bundle.file(path).unwrap(), bytes);
        }
    }
}
