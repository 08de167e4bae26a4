//! Replays the corpus of a fuzz target through its check, with no fuzzer. The crates' tests include
//! this file. `KITH_WRITE_CORPUS=1` writes the seeds.

use std::path::Path;

/// Checks every file of the target's corpus; the seeds are among them, by their names.
#[allow(clippy::print_stdout, reason = "which file fails is said on the way")]
pub(crate) fn replay(target: &str, seeds: &[(impl AsRef<str>, Vec<u8>)], check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    for (name, seed) in seeds {
        let file = folder.join(name.as_ref());
        if std::env::var_os("KITH_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(&folder).expect("the folder can be made");
            std::fs::write(&file, seed).expect("a seed can be written");
        }
        assert!(file.is_file(), "the corpus of {target} lacks the seed {}", name.as_ref());
    }
    let files = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is empty");
    for file in files {
        // A panic shows the path in the test's output.
        println!("{}", file.display());
        check(&std::fs::read(&file).expect("the corpus can be read"));
    }
}
