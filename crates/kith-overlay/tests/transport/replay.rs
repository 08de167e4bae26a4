//! Replays the corpora of the fuzz targets through the same checks, with no fuzzer.
//! `KITH_WRITE_CORPUS=1` writes the seeds, which are the vectors; and anything else is checked, too.

#![allow(clippy::print_stdout, reason = "which file fails is said on the way")]

use std::path::Path;

use proptest::prelude::*;

use crate::checks;
use crate::vectors::seeds;

type Check = fn(&[u8]);

fn replay(target: &str, seeds: &[Vec<u8>], check: Check) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target);
    if std::env::var_os("KITH_WRITE_CORPUS").is_some() {
        std::fs::create_dir_all(&folder).expect("the folder can be made");
        for (n, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed_{n:02}")), seed).expect("written");
        }
    }
    let files = std::fs::read_dir(&folder).expect("the corpus is there");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    assert!(files.len() >= seeds.len(), "the corpus lacks seeds");
    for file in files {
        // A panic shows the path in the test's output.
        println!("{}", file.display());
        check(&std::fs::read(&file).expect("the corpus can be read"));
    }
}

fn addresses() -> Vec<Vec<u8>> {
    let id = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    [
        "",
        "@1.2.3.4:5",
        "@[2001:db8::1]:443,10.0.0.1:1",
        "@[fe80::1%3]:9",
        "@[::ffff:1.2.3.4]:5",
        "@",
    ]
    .map(|rest| format!("{id}{rest}").into_bytes())
    .to_vec()
}

#[test]
fn corpora() {
    replay("transport_control", &seeds("control"), checks::control);
    replay("transport_header", &seeds("headers"), checks::header);
    replay("transport_peer_addr", &addresses(), checks::peer_addr);
}

proptest! {
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        checks::control(&bytes);
        checks::header(&bytes);
        checks::peer_addr(&bytes);
    }

    #[test]
    fn a_bit_or_two_of_a_message_flipped(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        mask in 1u8..,
    ) {
        for (name, check) in [("control", checks::control as Check), ("headers", checks::header)] {
            let mut seed = which.get(&seeds(name)).clone();
            if !seed.is_empty() {
                let at = at.index(seed.len());
                seed[at] ^= mask;
            }
            check(&seed);
        }
    }
}
