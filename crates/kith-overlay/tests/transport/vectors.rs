//! The vectors of `docs/protocol/vectors/transport.json`.

use std::path::Path;

use kith_app::AppId;
use kith_log::SpaceId;
use kith_overlay::transport::{
    Control, ControlError, Hello, PeerEntry, StreamHeader, StreamKind, connection_name, enter_tag,
    parse_id,
};
use serde_json::Value;

fn vectors() -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol/vectors");
    let text = std::fs::read_to_string(folder.join("transport.json")).expect("the vectors");
    serde_json::from_str(&text).expect("JSON")
}

fn cases(name: &str) -> Vec<Value> {
    vectors()[name].as_array().expect("a list of cases").clone()
}

fn bytes(value: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text(value).as_bytes()).expect("hex")
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().expect("as many bytes")
}

/// A frame's body; its length is right.
fn body(case: &Value) -> Vec<u8> {
    let frame = bytes(&case["frame"]);
    let (length, body) = frame.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().expect("four")) as usize, body.len());
    body.to_vec()
}

fn list<T>(value: &Value, each: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().expect("a list").iter().map(each).collect()
}

fn addr(value: &Value) -> std::net::SocketAddr {
    text(value).parse().expect("an address")
}

fn message(case: &Value) -> Control {
    let fields = &case["fields"];
    let (space, peer) = (|| array(&fields["space"]), || array(&fields["peer"]));
    let addrs = |value: &Value| list(&value["addrs"], addr);
    match text(&case["message"]).as_str() {
        "hello" => Control::Hello(Hello {
            version: number(&fields["version"]).try_into().expect("a u16"),
            features: number(&fields["features"]),
            run_id: array(&fields["run_id"]),
            lost: array(&fields["lost"]),
        }),
        "enter" => Control::Enter { tags: list(&fields["tags"], array) },
        "introduce" => Control::Introduce { space: space(), peer: peer(), addrs: addrs(fields) },
        "observed" => Control::Observed { addr: addr(&fields["addr"]) },
        "goodbye" => Control::Goodbye {
            code: number(&fields["code"]).try_into().expect("a u32"),
            streams: number(&fields["streams"]).try_into().expect("a u32"),
        },
        "peers" => Control::Peers {
            space: space(),
            peers: list(&fields["peers"], |peer| PeerEntry {
                id: array(&peer["id"]),
                addrs: addrs(peer),
            }),
        },
        "leave" => Control::Leave { space: space() },
        "introduced" => Control::Introduced { space: space(), peer: peer(), addrs: addrs(fields) },
        other => panic!("no such message: {other}"),
    }
}

#[test]
fn control_messages() {
    for case in cases("control") {
        let (message, body) = (message(&case), body(&case));
        assert_eq!(message.encode(), body, "{case}");
        assert_eq!(Control::decode(&body), Ok(Some(message)), "{case}");
    }
    for case in cases("control_skipped") {
        assert_eq!(Control::decode(&body(&case)), Ok(None), "{case}");
    }
    for case in cases("control_incompatible") {
        assert_eq!(Control::decode(&body(&case)), Err(ControlError::Version(2)), "{case}");
    }
    for case in cases("bad_control") {
        let error = Control::decode(&body(&case)).expect_err(&case.to_string());
        assert!(matches!(error, ControlError::Malformed | ControlError::TooLong), "{case}");
    }
}

#[test]
fn stream_headers() {
    for case in cases("stream_headers") {
        let kind = match text(&case["kind"]).as_str() {
            "frames" => StreamKind::Frames,
            "bulk" => StreamKind::Bulk,
            "blob" => StreamKind::Blob,
            "version" => StreamKind::Version,
            other => panic!("no such kind: {other}"),
        };
        let space = &case["space"];
        let space = (!space.is_null()).then(|| SpaceId::from_bytes(array(space)));
        let header = StreamHeader { kind, app: AppId::from_bytes(array(&case["app"])), space };
        assert_eq!(header.encode(), array(&case["bytes"]), "{case}");
        assert_eq!(StreamHeader::decode(&array(&case["bytes"])), Ok(header), "{case}");
    }
    for case in cases("bad_stream_headers") {
        assert!(StreamHeader::decode(&array(&case["bytes"])).is_err(), "{case}");
    }
}

#[test]
fn app_frames() {
    for case in cases("app_frames") {
        let (space, payload) = (array::<32>(&case["space"]), bytes(&case["payload"]));
        assert_eq!(body(&case), [&space[..], &payload].concat(), "{case}");
    }
}

#[test]
fn connection_names() {
    for case in cases("connection_names") {
        let name = connection_name(&array(&case["exporter"]));
        assert_eq!(name, array(&case["name"]), "{case}");
    }
}

#[test]
fn enter_tags() {
    for case in cases("enter_tags") {
        let sender = parse_id(&text(&case["sender"])).expect("a key");
        let tag = enter_tag(&array(&case["sync_key"]), &array(&case["exporter"]), &sender);
        assert_eq!(tag, array(&case["tag"]), "{case}");
    }
}

/// All bodies of control messages, or all headers, right and wrong.
pub(crate) fn seeds(of: &str) -> Vec<Vec<u8>> {
    match of {
        "control" => ["control", "control_skipped", "control_incompatible", "bad_control"]
            .iter()
            .flat_map(|name| cases(name))
            .map(|case| body(&case))
            .collect(),
        _ => ["stream_headers", "bad_stream_headers"]
            .iter()
            .flat_map(|name| cases(name))
            .map(|case| bytes(&case["bytes"]))
            .collect(),
    }
}
