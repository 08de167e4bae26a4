//! The vectors of `docs/protocol/vectors/space.json`. `KITH_WRITE_VECTORS=1` writes them anew.

use std::path::Path;

use data_encoding::HEXLOWER;
use kith_log::{AuthorSecret, Opening, SpaceId};
use kith_overlay::space::{Begin, Here, MAX_PAYLOAD, Message, SpaceMessage, SpaceMessageError};
use serde_json::{Value, json};

const ADMISSION: [u8; 32] = [1; 32];
const AUTHOR: [u8; 32] = [2; 32];
const EXPORTER: [u8; 32] = [3; 32];
const ENDPOINT: [u8; 32] = [4; 32];
const RUN: [u8; 16] = [5; 16];

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn space() -> SpaceId {
    SpaceId::from_bytes(*AuthorSecret::from_seed(&ADMISSION).author().as_bytes())
}

fn here(admission: &[u8; 32], exporter: &[u8; 32], endpoint: &[u8; 32]) -> Here {
    let secret = AuthorSecret::from_seed(&AUTHOR);
    let author = secret.author();
    let space = space();
    let text =
        [b"kith/1 here\n", space.as_bytes().as_slice(), author.as_bytes(), exporter, endpoint];
    Here {
        author,
        opening: Opening::admit(admission, &author, None).to_body(),
        signature: secret.sign(&text.concat()),
    }
}

fn messages() -> [(&'static str, SpaceMessage); 5] {
    let space = space();
    let secret = AuthorSecret::from_seed(&AUTHOR);
    let author = secret.author();
    let here = here(&ADMISSION, &EXPORTER, &ENDPOINT);
    let text =
        [b"kith/1 message\n".as_slice(), space.as_bytes(), &RUN, &300_u64.to_be_bytes(), b"typing"];
    let message = Message {
        author,
        run: RUN,
        seq: 300,
        payload: b"typing".to_vec(),
        signature: secret.sign(&text.concat()),
    };
    [
        ("the first Begin", SpaceMessage::Begin(Begin { mine: 1, yours: 0 })),
        ("an answer to Begin", SpaceMessage::Begin(Begin { mine: 200, yours: 1 })),
        ("Here", SpaceMessage::Here(here)),
        ("Sync", SpaceMessage::Sync(vec![5; 33])),
        ("Message", SpaceMessage::Message(message)),
    ]
}

/// Messages that decode, and are not what their author signed, here and now.
fn unverified() -> [(&'static str, SpaceMessage); 6] {
    let here =
        |admission, exporter, endpoint| SpaceMessage::Here(here(admission, exporter, endpoint));
    let [.., (_, SpaceMessage::Message(message))] = messages() else { panic!("the last is one") };
    let with = |change: fn(&mut Message)| {
        let mut changed = message.clone();
        change(&mut changed);
        SpaceMessage::Message(changed)
    };
    [
        ("Here, signed for another connection", here(&ADMISSION, &[9; 32], &ENDPOINT)),
        ("Here, signed by another sender", here(&ADMISSION, &EXPORTER, &[9; 32])),
        ("Here, admitted to another space", here(&[9; 32], &EXPORTER, &ENDPOINT)),
        ("Message with another number", with(|message| message.seq = 301)),
        ("Message of another run", with(|message| message.run = [6; 16])),
        ("Message with another payload", with(|message| message.payload = b"typed".to_vec())),
    ]
}

/// What a message says, by the names of `space.md`.
fn fields(message: &SpaceMessage) -> Value {
    match message {
        SpaceMessage::Begin(begin) => json!({ "mine": begin.mine, "yours": begin.yours }),
        SpaceMessage::Here(here) => json!({
            "author": here.author.to_string(), "opening": hex(&here.opening),
            "signature": hex(here.signature),
        }),
        SpaceMessage::Sync(message) => json!({ "message": hex(message) }),
        SpaceMessage::Message(message) => json!({
            "author": message.author.to_string(), "run": hex(message.run), "seq": message.seq,
            "payload": hex(&message.payload), "signature": hex(message.signature),
        }),
    }
}

fn made() -> Value {
    let unverified = unverified();
    let refused = [
        ("nothing", vec![]),
        ("an unknown number", vec![4]),
        ("a trailing byte", vec![0, 1, 0, 0]),
        ("a number that is not in shortest form", vec![0, 0x81, 0, 0]),
        ("Here cut short", messages()[2].1.encode()[..90].to_vec()),
        ("Sync with a length past its end", vec![2, 5, 1, 2]),
        ("a length that is not in shortest form", vec![2, 0x82, 0, 1, 2]),
        ("a number of 65 bits", [&[0], [0xff; 9].as_slice(), &[2, 0]].concat()),
    ];
    let cases = messages().map(|(why, message)| {
        json!({ "why": why, "message": hex(message.encode()), "fields": fields(&message) })
    });
    let case = |why: &str, message: &[u8]| json!({ "why": why, "message": hex(message) });
    let refused = refused.map(|(why, message)| case(why, &message));
    let unverified = unverified.map(|(why, message)| case(why, &message.encode()));
    json!({
        "admission_seed": hex(ADMISSION),
        "space": hex(AuthorSecret::from_seed(&ADMISSION).author().as_bytes()),
        "author_seed": hex(AUTHOR),
        "author": hex(AuthorSecret::from_seed(&AUTHOR).author().as_bytes()),
        "exporter": hex(EXPORTER),
        "endpoint": hex(ENDPOINT),
        "messages": cases,
        "refused": refused,
        "unverified": unverified,
    })
}

#[test]
fn are_what_the_page_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let file = folder.join("space.json");
    if std::env::var_os("KITH_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(&made()).expect("JSON") + "\n";
        std::fs::write(&file, text).expect("written");
    }
    let text = std::fs::read_to_string(&file).expect("the vectors are there");
    let read: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    assert_eq!(read, made());
    let bytes = |case: &Value| {
        let message = case["message"].as_str().expect("a string");
        HEXLOWER.decode(message.as_bytes()).expect("hex")
    };
    let cases = read["messages"].as_array().expect("a list");
    for (case, (name, message)) in cases.iter().zip(messages()) {
        assert_eq!(SpaceMessage::decode(&bytes(case)), Ok(message), "{name}");
    }
    for case in read["refused"].as_array().expect("a list") {
        assert!(SpaceMessage::decode(&bytes(case)).is_err(), "{}", case["why"]);
    }
}

#[test]
fn a_payload_over_the_limit_is_refused() {
    let [.., (_, SpaceMessage::Message(message))] = messages() else { panic!("the last is one") };
    let with = |length| Message { payload: vec![0; length], ..message.clone() };
    let fits = SpaceMessage::Message(with(MAX_PAYLOAD));
    assert_eq!(SpaceMessage::decode(&fits.encode()), Ok(fits));
    let too_large = SpaceMessage::Message(with(MAX_PAYLOAD + 1)).encode();
    assert_eq!(SpaceMessage::decode(&too_large), Err(SpaceMessageError::TooLarge(MAX_PAYLOAD + 1)));
}
