//! Replays the corpora of the fuzz targets through the same checks, with no fuzzer.
//! The seeds are the vectors, and archives with one lie each.

#[path = "../archive/mod.rs"]
mod archive;
mod checks;
#[path = "../../../../fuzz/replay.rs"]
mod corpus;

use std::path::Path;

use archive::{Entry, archive, index};
use corpus::replay;
use kith_app::{AppSecret, Link, SignedVersion, pack};
use serde_json::Value;

fn vectors(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let text = std::fs::read_to_string(folder.join(name)).expect("the vectors are there");
    serde_json::from_str(&text).expect("the vectors are JSON")
}

/// The strings at `key` of all cases of a list.
fn strings(vectors: &Value, list: &str, key: &str) -> Vec<(String, String)> {
    let cases = vectors[list].as_array().expect("a list");
    let text = |case: &Value| case[key].as_str().expect("a string").to_owned();
    cases.iter().enumerate().map(|(n, case)| (format!("{list}_{n:02}"), text(case))).collect()
}

fn seed(name: &str, bytes: Vec<u8>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes)
}

#[test]
fn links_and_invitations() {
    let vectors = vectors("link.json");
    let valid = strings(&vectors, "valid", "link");
    let links = valid.iter().cloned().chain(strings(&vectors, "invalid", "link"));
    let links: Vec<_> = links.map(|(name, link)| (name, link.into_bytes())).collect();
    replay("app_link", &links, checks::link);
    let invitations = valid.into_iter().filter_map(|(name, link)| {
        let link: Link = link.parse().expect("a valid link");
        Some((name, link.invitation()?.to_bytes()))
    });
    replay("app_invitation", &invitations.collect::<Vec<_>>(), checks::invitation);
}

#[test]
fn manifests() {
    let vectors = vectors("bundle.json");
    let manifests = strings(&vectors, "manifests", "text").into_iter().chain(strings(
        &vectors,
        "refused_manifests",
        "text",
    ));
    let seeds: Vec<_> = manifests.map(|(name, text)| (name, text.into_bytes())).collect();
    replay("app_manifest", &seeds, checks::manifest);
}

#[test]
fn versions() {
    let secret = AppSecret::bundled("chat");
    let sign = |version, size| {
        let signed = SignedVersion::sign(&secret, version, [7; 32], size);
        signed.expect("within the limits").to_bytes().to_vec()
    };
    let seeds = [seed("first", sign(1, 1_000)), seed("last", sign(u64::MAX, 0))];
    replay("app_version", &seeds, checks::version);
}

#[test]
fn bundles() {
    let packed = pack([("index.html", "<p>"), ("manifest.toml", "name = 'a'"), ("icon.png", "x")]);
    let file = |name: &str| Entry::deflated(name, b"text text text text text text");
    let sizes = [&[1, 0, 8, 0][..], &[0xff; 8]].concat();
    let sizes =
        Entry { compressed: u32::MAX, local_extra: sizes.clone(), extra: sizes, ..file("a") };
    let fields = Entry { extra: [0xfe, 0xca, 0, 0].repeat(400), ..file("a") };
    let seeds = [
        seed("sizes_of_64_bits", archive(&[index(), sizes])),
        seed("extra_fields", archive(&[index(), fields, file("b")])),
        seed("comment", archive(&[Entry { comment: vec![b'x'; 99], ..index() }])),
        seed("deep", archive(&[index(), file("a/b/c/d/e/f"), file("a/b/c/D")])),
        seed("packed", packed.expect("a good bundle")),
        seed("folders", archive(&[index(), Entry::stored("a/", b""), file("a/b")])),
        seed("doubled", archive(&[index(), file("a"), file("A"), file("a")])),
        seed("escape", archive(&[index(), file("../a"), file("/b"), file("c\\d")])),
        seed("link", archive(&[index(), Entry::stored("a", b"/etc").mode(0o120_777)])),
        seed("encrypted", archive(&[index(), Entry { flags: 1, ..file("a") }])),
        seed("method", archive(&[index(), Entry { method: 12, ..file("a") }])),
        seed("zeros", archive(&[index(), Entry::deflated("a", &[0; 60_000])])),
        seed("small_lie", archive(&[index(), Entry { size: 5, ..file("a") }])),
        seed("large_lie", archive(&[index(), Entry { size: 5_000, ..file("a") }])),
        seed("overlap", archive(&[index(), Entry { offset: Some(0), ..file("a") }])),
        seed("manifest", archive(&[index(), Entry::stored("manifest.toml", b"name = 1")])),
    ];
    replay("app_bundle", &seeds, checks::bundle);
}
