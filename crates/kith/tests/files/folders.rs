//! Folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::{Person, link, noise};

/// Every file and empty folder below a folder.
fn tree(dir: &Path) -> BTreeMap<String, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(dir).expect("below").to_str().expect("text").to_owned();
            if path.is_dir() {
                found.insert(name, None);
                left.push(path);
            } else {
                found.insert(name, Some(fs::read(&path).expect("a file")));
            }
        }
    }
    found
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
    fs::write(path, bytes).expect("it can be written");
}

#[test]
fn a_folder_comes_with_all_that_is_in_it() {
    let (ada, bob) = (Person::new(), Person::new());
    let folder = ada.file("holiday");
    for n in 0..300 {
        write(&folder, &format!("photos/{}/{n}.jpg", n % 7), &noise(n, 1_000 + n as usize * 13));
    }
    write(&folder, "films/long.mp4", &noise(1_000, 1_200_000));
    write(&folder, "films/same.mp4", &noise(1_000, 1_200_000));
    write(&folder, "films/other.mp4", &noise(1_001, 300_000));
    write(&folder, "empty.txt", b"");
    write(&folder, "é/ü b.txt", b"text");
    fs::create_dir_all(folder.join("nothing/here")).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        write(&folder, "run.sh", b"#!/bin/sh\n");
        fs::set_permissions(folder.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    }
    let mut expected = tree(&folder);
    expected.remove("link");
    let shared = ada.share(&[folder.to_str().unwrap()]);
    assert_eq!(shared["left_out"].as_array().unwrap().len(), 1, "{shared}");
    let got = bob.get(link(&shared), &bob.file(""));
    assert_eq!(got["files"][0]["path"], bob.file("holiday").to_str().unwrap());
    assert!(tree(&bob.file("holiday")) == expected, "not the same folder");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &str| fs::metadata(bob.file(path)).unwrap().permissions().mode();
        assert_eq!(mode("holiday/run.sh") & 0o100, 0o100);
        assert_eq!(mode("holiday/empty.txt") & 0o111, 0);
    }
    let parts = tree(&bob.file("")).into_keys().filter(|name| name.contains("kith-part")).count();
    assert_eq!(parts, 0, "something is left");
}

#[test]
fn an_empty_folder_comes_too() {
    let (ada, bob) = (Person::new(), Person::new());
    fs::create_dir(ada.file("empty")).unwrap();
    let shared = ada.share(&[ada.file("empty").to_str().unwrap()]);
    bob.get(link(&shared), &bob.file(""));
    assert!(bob.file("empty").is_dir());
}
