//! Bundles written by other programs are read: `tests/foreign`, the same four files each time, by
//! Info-ZIP, the JDK's jar and Python's zipfile, also streamed and as ZIP64.

use std::io::Cursor;
use std::path::Path;

use kith_app::{Bundle, Limits};

#[test]
fn each_is_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign");
    let mut read = 0;
    for file in std::fs::read_dir(folder).expect("the folder is there") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("it can be read");
        let mut bundle = Bundle::open(Cursor::new(bytes), &Limits::default())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        bundle.check_files().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let names: Vec<_> = bundle.files().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["icon.png", "index.html", "js/app.js", "manifest.toml"]);
        assert_eq!(bundle.manifest().name.as_deref(), Some("Foreign"));
        assert_eq!(bundle.size("js/app.js"), Some(542));
        read += 1;
    }
    assert_eq!(read, 8);
}
