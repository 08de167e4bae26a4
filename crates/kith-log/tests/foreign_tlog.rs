//! A kith checkpoint and inclusion proof are accepted by tools that nobody here wrote, Go's
//! `golang.org/x/mod/sumdb` (Debian's `golang-golang-x-mod-dev`), and refused with any byte changed.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use kith_log::tree::{inclusion_proof, leaf_hash};
use kith_log::{
    AuthorSecret, Body, BodyKind, Checkpoint, Draft, KnownLog, NONCE_LEN, Opening, Place, SpaceId,
    append, verifier_key,
};
use serde_json::{Value, json};

/// Where Debian puts Go's packages.
const GOPATH: &str = "/usr/share/gocode";
const ADMISSION: [u8; 32] = [1; 32];

/// Builds the Go program; what is missing for that is a failure.
fn verifier() -> std::path::PathBuf {
    let note = format!("{GOPATH}/src/golang.org/x/mod/sumdb/note/note.go");
    assert!(Path::new(&note).exists(), "install Debian's golang-golang-x-mod-dev");
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("foreign-verify");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&out)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/verify.go"))
        .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH), ("GOFLAGS", ""), ("CGO_ENABLED", "0")])
        .env("GOCACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache"))
        .output()
        .expect("Debian's golang-go is installed");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    out
}

fn ask(verifier: &Path, evidence: &Value) -> Value {
    let mut child = Command::new(verifier)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was just built");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    stdin.write_all(evidence.to_string().as_bytes()).expect("the program reads");
    drop(stdin);
    let output = child.wait_with_output().expect("the program ends");
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).expect("the program writes JSON")
}

/// A log of `size` entries as a private space has them, and its leaves' bytes.
fn log(space: &SpaceId, secret: &AuthorSecret, size: u64) -> (KnownLog, Vec<[u8; 57]>) {
    let author = secret.author();
    let place = Place { space: *space, author, epoch: 1 };
    let mut known: Option<KnownLog> = None;
    let mut leaves = Vec::new();
    for i in 0..size {
        let (epoch, body) = if i == 0 {
            (0, Opening::admit(&ADMISSION, &author, None).to_body())
        } else {
            let body = Body::new(BodyKind::App, format!("{{\"text\":\"{i}\"}}"));
            (1, body.seal(&[3; 32], [i as u8; NONCE_LEN], &place).expect("small"))
        };
        let draft = Draft { lamport: i + 1, time_ms: 1_700_000_000_000 + i, epoch, body };
        let run = append(secret, space, known.as_ref(), vec![draft]).expect("within limits");
        leaves.extend(run.entries().iter().map(|entry| entry.header.encode()));
        known = Some(KnownLog::after(known.as_ref(), &run));
    }
    (known.expect("size is not 0"), leaves)
}

#[test]
fn go_accepts_a_checkpoint_and_proof_and_refuses_any_change() {
    let verifier = verifier();
    let admission = AuthorSecret::from_seed(&ADMISSION);
    let space = SpaceId::from_bytes(*admission.author().as_bytes());
    let secret = AuthorSecret::from_seed(&[2; 32]);
    let author = secret.author();
    for (size, index) in [(1u64, 0usize), (7, 4), (13, 12), (64, 17)] {
        let (known, leaves) = log(&space, &secret, size);
        let note = known.head.checkpoint(&author).to_note(&space);
        let hashes: Vec<_> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
        let proof = inclusion_proof(&hashes, index).expect("the leaf exists");
        let verdict = ask(
            &verifier,
            &json!({
                "verifier_key": verifier_key(&space, &author),
                "note": STANDARD.encode(&note),
                "leaf": STANDARD.encode(leaves[index]),
                "index": index,
                "proof": proof.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>(),
            }),
        );
        assert_eq!(verdict["refused"], "", "entry {index} of {size}");
        let least = 9 * (note.len() + 57 + 32 * proof.len()) as u64;
        assert!(verdict["tried"].as_u64() >= Some(least), "{verdict}");
        for change in verdict["accepted"].as_array().expect("a list") {
            assert!(says_the_same(&note, change), "accepted: {change}");
        }
    }
}

/// The last digit of the signature's base64 has two bits that stand for nothing, and Go's decoder
/// does not look at them: a note changed there has the same signature, byte for byte.
/// Ours refuses it all the same.
fn says_the_same(note: &str, change: &Value) -> bool {
    let changed = change["note"].as_str().and_then(|note| STANDARD.decode(note).ok());
    let Some(changed) = changed.and_then(|note| String::from_utf8(note).ok()) else { return false };
    assert!(Checkpoint::from_note(&changed).is_err(), "{changed}");
    let lax = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    let lax = GeneralPurpose::new(&alphabet::STANDARD, lax);
    let parts = |note: &str| {
        let (text, signature) = note.trim_end().rsplit_once(' ')?;
        Some((text.to_owned(), lax.decode(signature).ok()?))
    };
    parts(note).is_some() && parts(note) == parts(&changed)
}
