//! The vectors of `docs/protocol/vectors`: log.json, sync.json.
//!
//! What a file should hold is made from its inputs below, compared with the file, and then the
//! file's bytes are read back.

mod vector_file;

use kith_log::sync::{At, Message, Part};
use kith_log::tree::{
    consistency_proof, inclusion_proof, root, verify_consistency, verify_inclusion,
};
use kith_log::{
    AuthorId, AuthorSecret, Body, BodyKind, Checkpoint, CompactRange, Draft, Error, Hash, Header,
    KnownLog, NONCE_LEN, Opening, Place, Run, SpaceId, VerifiedRun, append, origin, verifier_key,
    verify_run,
};
use serde_json::{Value, json};
use vector_file::{array, bytes, hex, vectors};

const ADMISSION: [u8; 32] = [0x11; 32];
const AUTHOR: [u8; 32] = [0x22; 32];
const PREVIOUS: [u8; 32] = [0x33; 32];
const READ_KEY: [u8; 32] = [0x44; 32];
const NONCE: [u8; NONCE_LEN] = [0x55; NONCE_LEN];
const TIME: u64 = 1_790_000_000_000;

fn space() -> SpaceId {
    SpaceId::from_bytes(*AuthorSecret::from_seed(&ADMISSION).author().as_bytes())
}

fn author() -> AuthorId {
    AuthorSecret::from_seed(&AUTHOR).author()
}

fn seal(index: u8, payload: &str) -> Vec<u8> {
    let place = Place { space: space(), author: author(), epoch: 1 };
    let body = Body::new(BodyKind::App, payload);
    body.seal(&READ_KEY, [index; NONCE_LEN], &place).expect("a small body")
}

/// A log of an opening and four sealed entries, in two runs.
fn log() -> (VerifiedRun, VerifiedRun) {
    let secret = AuthorSecret::from_seed(&AUTHOR);
    let opening = Opening::admit(&ADMISSION, &author(), None).to_body();
    let draft = |lamport, epoch, body| Draft { lamport, time_ms: TIME + 7 * lamport, epoch, body };
    let first = vec![draft(1, 0, opening), draft(2, 1, seal(1, r#"{"n":1}"#))];
    let first = append(&secret, &space(), None, first).expect("within limits");
    let known = KnownLog::after(None, &first);
    let second = [(9, 2, ""), (10, 3, "x"), (12, 4, r#"{"n":4}"#)];
    let second = second.map(|(lamport, index, payload)| draft(lamport, 1, seal(index, payload)));
    let second = append(&secret, &space(), Some(&known), second.into()).expect("within limits");
    (first, second)
}

fn openings() -> Value {
    let previous = AuthorSecret::from_seed(&PREVIOUS);
    let plain = Opening::admit(&ADMISSION, &author(), None);
    let continued = Opening::admit(&ADMISSION, &author(), Some(&previous));
    json!([
        { "previous": null, "body": hex(plain.to_body()) },
        { "previous": previous.author().to_string(), "body": hex(continued.to_body()) },
    ])
}

fn bodies() -> Value {
    let case = |epoch: u32, kind: BodyKind, payload: &[u8]| {
        let place = Place { space: space(), author: author(), epoch };
        let body = Body::new(kind, payload);
        let sent = if epoch == 0 { body.to_plain() } else { body.seal(&READ_KEY, NONCE, &place) };
        json!({
            "epoch": epoch, "kind": kind as u8, "payload": hex(payload),
            "nonce": (epoch > 0).then(|| hex(NONCE)),
            "sent": hex(sent.expect("a small body")),
        })
    };
    json!([
        case(0, BodyKind::App, br#"{"text":"hello"}"#),
        case(1, BodyKind::App, br#"{"text":"hello"}"#),
        case(1, BodyKind::Profile, "Zoë".as_bytes()),
        case(7, BodyKind::Bytes, b""),
        case(u32::MAX, BodyKind::Update, br#"{"payload":1}"#),
    ])
}

fn headers() -> Value {
    let case = |lamport, time_ms, epoch, body: &[u8]| {
        let header = Header::new(lamport, time_ms, epoch, body).expect("within limits");
        json!({
            "lamport": lamport, "time_ms": time_ms, "epoch": epoch, "body": hex(body),
            "header": hex(header.encode()), "leaf_hash": hex(header.leaf_hash()),
        })
    };
    json!([
        case(0, 0, 0, b"".as_slice()),
        case(1, TIME, 0, b"\x01{}".as_slice()),
        case((1 << 53) - 1, (1 << 53) - 1, u32::MAX, b"\x00".as_slice()),
    ])
}

/// The leaves that the RFC 6962 implementations test with.
fn rfc_leaves() -> Vec<Hash> {
    let data: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    data.iter().map(|data| kith_log::tree::leaf_hash(data)).collect()
}

fn trees() -> Value {
    let leaves = rfc_leaves();
    let list = |hashes: &[Hash]| hashes.iter().map(hex).collect::<Vec<_>>();
    let cases = (0..=leaves.len()).map(|size| {
        let leaves = &leaves[..size];
        let mut range = CompactRange::new();
        leaves.iter().for_each(|leaf| range.push(*leaf));
        let inclusion = (0..size).map(|i| list(&inclusion_proof(leaves, i).expect("a leaf")));
        let consistency =
            (1..=size).map(|old| list(&consistency_proof(leaves, old).expect("a prefix")));
        json!({
            "leaf_hashes": list(leaves),
            "root": hex(root(leaves)),
            "compact_range": hex(range.encode()),
            "inclusion_proofs": inclusion.collect::<Vec<_>>(),
            "consistency_proofs_from_1": consistency.collect::<Vec<_>>(),
        })
    });
    Value::Array(cases.collect())
}

fn checkpoint_case() -> Value {
    let (_, second) = log();
    let checkpoint = second.head().checkpoint(&author());
    json!({
        "origin": origin(&space(), &author()),
        "size": checkpoint.size,
        "root": hex(checkpoint.root),
        "text": checkpoint.text(&space()),
        "signature": hex(checkpoint.signature),
        "wire": hex(checkpoint.encode()),
        "note": checkpoint.to_note(&space()),
        "verifier_key": verifier_key(&space(), &author()),
    })
}

/// The second run as it is pushed, as it is sent to a newcomer, and with a deleted body.
fn run_cases() -> Vec<(&'static str, Run)> {
    let (first, second) = log();
    let segment = |run: &VerifiedRun| kith_log::Segment {
        before: run.before().cloned(),
        entries: run.entries().to_vec(),
        after: run.head().clone(),
    };
    let mut deleted = second.to_run();
    deleted.entries[1].body = None;
    vec![
        ("from the opening", first.to_run()),
        ("in succession", second.to_run()),
        ("with a base", segment(&second).into_run(&author(), Some(second.opening()))),
        ("with a deleted body", deleted),
    ]
}

fn runs() -> Value {
    let cases = run_cases().into_iter().map(|(name, run)| {
        let entries = run.entries.iter().map(|entry| {
            json!({
                "header": hex(entry.header.encode()),
                "body": entry.body.as_ref().map(hex),
            })
        });
        json!({
            "why": name, "start": run.start, "entries": entries.collect::<Vec<_>>(),
            "base": run.base.as_ref().map(|base| json!({
                "head": hex(base.head.encode()), "opening": hex(&base.opening),
            })),
            "checkpoint": hex(run.checkpoint.encode()), "run": hex(run.encode()),
        })
    });
    Value::Array(cases.collect())
}

#[test]
fn log_vectors() {
    let made = json!({
        "admission_seed": hex(ADMISSION), "space": space().to_string(),
        "author_seed": hex(AUTHOR), "author": author().to_string(),
        "previous_seed": hex(PREVIOUS), "read_key": hex(READ_KEY),
        "openings": openings(), "bodies": bodies(), "headers": headers(), "trees": trees(),
        "checkpoint": checkpoint_case(), "runs": runs(),
    });
    let read = vectors("log.json", &made);
    for case in read["openings"].as_array().expect("a list") {
        let opening = Opening::verify(&bytes(&case["body"]), &space(), &author()).expect("valid");
        assert_eq!(
            opening.previous().map(ToString::to_string).as_deref(),
            case["previous"].as_str()
        );
    }
    for case in read["bodies"].as_array().expect("a list") {
        let epoch = case["epoch"].as_u64().and_then(|e| u32::try_from(e).ok()).expect("32 bits");
        let place = Place { space: space(), author: author(), epoch };
        let body = Body::open(&bytes(&case["sent"]), Some(&READ_KEY), &place).expect("valid");
        assert_eq!(body.payload, bytes(&case["payload"]));
        assert_eq!(body.kind as u64, case["kind"]);
    }
    for case in read["headers"].as_array().expect("a list") {
        let header = Header::decode(&bytes(&case["header"])).expect("valid");
        assert_eq!(header.lamport, case["lamport"]);
        assert!(header.matches(&bytes(&case["body"])));
    }
    let note = read["checkpoint"]["note"].as_str().expect("text");
    let (in_space, checkpoint) = Checkpoint::from_note(note).expect("valid");
    assert_eq!(in_space, space());
    assert_eq!(Checkpoint::decode(&bytes(&read["checkpoint"]["wire"])), Ok(checkpoint));
    read_runs(&read["runs"]);
}

fn read_runs(runs: &Value) {
    let mut known = None;
    for case in runs.as_array().expect("a list") {
        let run = Run::decode(&bytes(&case["run"])).expect("valid");
        assert_eq!(hex(run.encode()), case["run"]);
        match verify_run(&space(), known.as_ref(), run.clone()) {
            Ok(verified) => known = Some(KnownLog::after(known.as_ref(), &verified)),
            Err(Error::Gap { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        if run.base.is_some() {
            verify_run(&space(), None, run).expect("a run with a base stands alone");
        }
    }
    assert_eq!(known.map(|known| known.size()), Some(5));
}

/// Roots of the first 0 to 8 of [`rfc_leaves`], as certificate-transparency-go's tests have them.
const RFC_ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

#[test]
fn trees_are_those_of_rfc_6962() {
    let leaves = rfc_leaves();
    for (size, expected) in RFC_ROOTS.iter().enumerate() {
        let leaves = &leaves[..size];
        assert_eq!(hex(root(leaves)), *expected, "size {size}");
        let root_hash = root(leaves);
        for index in 0..size {
            let proof = inclusion_proof(leaves, index).expect("a leaf");
            let (index, size) = (index as u64, size as u64);
            assert!(verify_inclusion(&leaves[index as usize], index, size, &proof, &root_hash));
        }
        for old in 1..=size {
            let proof = consistency_proof(leaves, old).expect("a prefix");
            let old_root = root(&leaves[..old]);
            let (old, new) = ((old as u64, &old_root), (size as u64, &root_hash));
            assert!(verify_consistency(old, new, &proof));
        }
    }
}

fn messages() -> Vec<(&'static str, Message)> {
    let (first, second) = log();
    let heads = vec![second.head().checkpoint(&author())];
    let have = first.head().checkpoint(&author());
    let author = author();
    let want = |at, runs| Message::Want { author, at, runs };
    vec![
        ("news", Message::Heads { part: Part::News, heads: heads.clone() }),
        ("the end of a list", Message::Heads { part: Part::ListEnds, heads }),
        ("an empty part of a list", Message::Heads { part: Part::ListGoesOn, heads: vec![] }),
        ("want all", want(At::From { index: 0, have: None }, 16)),
        (
            "want what follows",
            want(At::From { index: have.size, have: Some((have.root, have.signature)) }, 1),
        ),
        ("want the newest", want(At::Newest, 1)),
        ("want older ones", want(At::Before { index: 300 }, 1)),
        ("more", Message::More { author, runs: 255 }),
        ("run", Message::Run(second.to_run())),
        ("last run", Message::Last(second.to_run())),
        ("nothing", Message::Nothing { author }),
        ("compare", Message::Compare { digest: [0x66; 32] }),
    ]
}

/// What a message says, by the names of `sync.md`.
fn fields(message: &Message) -> Value {
    let heads = |heads: &[Checkpoint]| {
        let head = |head: &Checkpoint| {
            json!({
                "author": head.author.to_string(), "size": head.size,
                "root": hex(head.root), "signature": hex(head.signature),
            })
        };
        heads.iter().map(head).collect::<Vec<_>>()
    };
    match message {
        Message::Heads { part, heads: list } => {
            json!({ "kind": 0, "part": *part as u8, "heads": heads(list) })
        }
        Message::Want { author, at: At::From { index, have }, runs } => {
            let have =
                have.map_or_else(String::new, |(root, signature)| hex(root) + &hex(signature));
            json!({
                "kind": 1, "author": author.to_string(), "at": 0, "index": index, "have": have,
                "runs": runs,
            })
        }
        Message::Want { author, at: At::Newest, runs } => {
            json!({ "kind": 1, "author": author.to_string(), "at": 1, "runs": runs })
        }
        Message::Want { author, at: At::Before { index }, runs } => {
            json!({ "kind": 1, "author": author.to_string(), "at": 2, "index": index, "runs": runs })
        }
        Message::More { author, runs } => {
            json!({ "kind": 2, "author": author.to_string(), "runs": runs })
        }
        Message::Run(run) => json!({ "kind": 3, "run": hex(run.encode()) }),
        Message::Nothing { author } => json!({ "kind": 4, "author": author.to_string() }),
        Message::Compare { digest } => json!({ "kind": 5, "digest": hex(digest) }),
        Message::Last(run) => json!({ "kind": 6, "run": hex(run.encode()) }),
    }
}

/// Bytes that are no message, each for one reason.
fn refused_messages() -> Vec<(&'static str, Vec<u8>)> {
    let head = |size: u8| [vec![7; 32], vec![0; 7], vec![size], vec![7; 96]].concat();
    let of_author = |kind: u8, rest: &[u8]| [&[kind], [7; 32].as_slice(), rest].concat();
    vec![
        ("no kind", vec![]),
        ("an unknown kind", vec![7]),
        ("an unknown part", vec![0, 3, 0]),
        ("a head of size 0", [vec![0, 0, 1], head(0)].concat()),
        ("a head too few", [vec![0, 0, 2], head(1)].concat()),
        ("a number of heads not in shortest form", vec![0, 0, 0x80, 0]),
        ("a want of an unknown place", of_author(1, &[3, 1])),
        ("a want of no runs", of_author(1, &[1, 0])),
        ("an index not in shortest form", of_author(1, &[2, 0x80, 0, 1])),
        ("a flag of 2", of_author(1, &[0, 5, 2, 1])),
        ("what the asker has cut short", of_author(1, &[[0, 5, 1].as_slice(), &[7; 95]].concat())),
        ("more of no runs", of_author(2, &[0])),
        ("more without a number", of_author(2, &[])),
        ("a run without entries", [vec![3, 1], vec![7; 32], vec![0; 3], vec![7; 96]].concat()),
        ("no run", vec![3]),
        ("trailing bytes", of_author(4, &[7])),
        ("a digest cut short", vec![5; 32]),
        ("no last run", vec![6]),
    ]
}

#[test]
fn sync_vectors() {
    let cases = messages().into_iter().map(|(why, message)| {
        json!({ "why": why, "message": hex(message.encode()), "fields": fields(&message) })
    });
    let refused = refused_messages().into_iter();
    let refused = refused.map(|(why, message)| json!({ "why": why, "message": hex(message) }));
    let made = json!({
        "messages": cases.collect::<Vec<_>>(), "refused": refused.collect::<Vec<_>>(),
        "digest": digest_case(),
    });
    let read = vectors("sync.json", &made);
    for ((name, message), case) in messages().iter().zip(read["messages"].as_array().expect("list"))
    {
        assert_eq!(Message::decode(&bytes(&case["message"])).as_ref(), Ok(message), "{name}");
    }
    for case in read["refused"].as_array().expect("a list") {
        assert!(Message::decode(&bytes(&case["message"])).is_err(), "{}", case["why"]);
    }
    let _: [u8; 32] = array(&read["digest"]["digest"]);
}

/// What a node that holds these heads sends as its digest, taken from its machine.
fn digest_case() -> Value {
    use kith_log::sync::{Action, Config, SpaceSync, WakeReason};
    let (first, second) = log();
    let known = KnownLog::after(Some(&KnownLog::after(None, &first)), &second);
    let other = AuthorSecret::from_seed(&PREVIOUS);
    let body = Opening::admit(&ADMISSION, &other.author(), None).to_body();
    let draft = Draft { lamport: 1, time_ms: TIME, epoch: 0, body };
    let run = append(&other, &space(), None, vec![draft]).expect("within limits");
    let logs = [(author(), known), (other.author(), KnownLog::after(None, &run))];
    let mut sync = SpaceSync::new(Config::new(space(), None), logs.clone());
    sync.peer_joined(std::time::Duration::ZERO, 1);
    while sync.poll_action().is_some() {}
    let (at, why) = sync.poll_timeout().expect("peers are compared with");
    assert_eq!(why, WakeReason::Compare);
    sync.handle_timeout(at);
    let Some(Action::Send { message, .. }) = sync.poll_action() else { panic!("no message") };
    let Ok(Message::Compare { digest }) = Message::decode(&message) else { panic!("no digest") };
    let heads = logs.map(|(author, known)| hex(known.head.checkpoint(&author).encode()));
    json!({ "heads": heads, "digest": hex(digest) })
}
