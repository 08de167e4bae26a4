//! `docs/protocol/vectors/log-edges.json`, written by the second implementation in
//! `docs/protocol/check`: what a log may just be, and what must be refused.

use kith_log::sync::ForkProof;
use kith_log::{
    AuthorId, Body, Checkpoint, Error, Fault, Header, KnownLog, Opening, Place, Run, SpaceId,
    verify_run,
};
use serde_json::Value;

struct Edges {
    file: Value,
    space: SpaceId,
    author: AuthorId,
}

fn edges() -> Edges {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/protocol/vectors/log-edges.json");
    let text = std::fs::read_to_string(path).expect("the vectors are there");
    let file: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    let space = SpaceId::from_bytes(key(&file["space"]));
    let author = AuthorId::from_bytes(key(&file["author"]));
    Edges { file, space, author }
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().expect("hex is a string");
    data_encoding::HEXLOWER.decode(text.as_bytes()).expect("hex")
}

fn key(value: &Value) -> [u8; 32] {
    bytes(value).try_into().expect("32 bytes")
}

impl Edges {
    fn cases(&self, name: &str) -> &[Value] {
        let cases = self.file[name].as_array().expect("a list");
        assert!(!cases.is_empty());
        cases
    }

    /// What is held before a run: nothing, or the two entries of `first`.
    fn held(&self, case: &Value) -> Option<KnownLog> {
        if case["held"] == 0 {
            return None;
        }
        let first = Run::decode(&bytes(&self.file["first"])).expect("it decodes");
        let first = verify_run(&self.space, None, first).expect("it verifies");
        let known = KnownLog::after(None, &first);
        assert_eq!(case["held"], known.size());
        Some(known)
    }

    fn verify(&self, case: &Value) -> Result<KnownLog, Error> {
        let held = self.held(case);
        let run =
            Run::decode(&bytes(&case["run"])).unwrap_or_else(|e| panic!("{}: {e}", case["why"]));
        assert_eq!(run.encode(), bytes(&case["run"]), "{}", case["why"]);
        verify_run(&self.space, held.as_ref(), run).map(|run| KnownLog::after(held.as_ref(), &run))
    }
}

#[test]
fn headers_bodies_and_openings_that_are_refused() {
    let edges = edges();
    for case in edges.cases("refused_headers") {
        assert!(Header::decode(&bytes(&case["header"])).is_err(), "{}", case["why"]);
    }
    let read_key = key(&edges.file["read_key"]);
    for case in edges.cases("refused_bodies") {
        let epoch = case["epoch"].as_u64().and_then(|e| u32::try_from(e).ok()).expect("32 bits");
        let place = Place { space: edges.space, author: edges.author, epoch };
        let opened = Body::open(&bytes(&case["sent"]), Some(&read_key), &place);
        assert!(opened.is_err(), "{}: {opened:?}", case["why"]);
    }
    for case in edges.cases("refused_openings") {
        let opening = Opening::verify(&bytes(&case["body"]), &edges.space, &edges.author);
        assert!(opening.is_err(), "{}", case["why"]);
    }
}

#[test]
fn notes() {
    let edges = edges();
    for case in edges.cases("notes") {
        let note = case["note"].as_str().expect("text");
        let (space, checkpoint) = Checkpoint::from_note(note).expect("it is signed");
        assert_eq!((space, checkpoint.author, checkpoint.size), (edges.space, edges.author, 2));
    }
    for case in edges.cases("refused_notes") {
        let note = Checkpoint::from_note(case["note"].as_str().expect("text"));
        assert!(note.is_err(), "{}", case["why"]);
    }
}

#[test]
fn runs_that_are_just_right() {
    let edges = edges();
    for case in edges.cases("runs") {
        edges.verify(case).unwrap_or_else(|error| panic!("{}: {error}", case["why"]));
    }
}

#[test]
fn runs_that_do_not_decode() {
    let edges = edges();
    for case in edges.cases("refused_runs") {
        let run = Run::decode(&bytes(&case["run"]));
        assert!(run.is_err(), "{}: {run:?}", case["why"]);
    }
}

#[test]
fn runs_that_do_not_verify_are_the_senders_fault() {
    let edges = edges();
    for case in edges.cases("wrong_runs") {
        let error = edges.verify(case).expect_err(&case["why"].to_string());
        assert_eq!(error.fault(), Fault::Sender, "{}: {error}", case["why"]);
    }
}

#[test]
fn runs_that_bring_nothing_are_nobodys_fault() {
    let edges = edges();
    for case in edges.cases("ignored_runs") {
        let error = edges.verify(case).expect_err(&case["why"].to_string());
        assert!(matches!(error, Error::Gap { .. }), "{}: {error}", case["why"]);
    }
}

#[test]
fn forks_are_proven_or_not() {
    let edges = edges();
    for case in edges.cases("forks") {
        let checkpoint = |name: &str| Checkpoint::decode(&bytes(&case[name])).expect("it decodes");
        let run = &case["run"];
        let run = (!run.is_null()).then(|| Run::decode(&bytes(run)).expect("it decodes"));
        let proof = ForkProof { first: checkpoint("first"), second: checkpoint("second"), run };
        assert_eq!(proof.verify(&edges.space).is_ok(), case["proves"], "{}", case["why"]);
    }
}
