//! Messages to the node that are broken, too long, unknown or of wrong types, by both of its doors.

use serde_json::{Value, json};

use crate::support::{Control, Heard, Page, Socket, assert_clear};
use crate::unharmed::Witness;

/// What is answered with an error, whichever door it comes by, and the error's code.
fn bad() -> Vec<(String, &'static str)> {
    let ask = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
    };
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    vec![
        ("hello".into(), "malformed"),
        ("{\"jsonrpc\":\"2.0\",".into(), "malformed"),
        ("\u{0}\u{1}".into(), "malformed"),
        (deep, "malformed"),
        ("[]".into(), "invalid_request"),
        ("null".into(), "invalid_request"),
        ("7".into(), "invalid_request"),
        (json!({ "id": 7, "method": "me" }).to_string(), "invalid_request"),
        (json!({ "jsonrpc": "1.0", "id": 7, "method": "me" }).to_string(), "invalid_request"),
        (json!({ "jsonrpc": "2.0", "id": 7 }).to_string(), "invalid_request"),
        (json!({ "jsonrpc": "2.0", "id": 7, "method": 7 }).to_string(), "invalid_request"),
        (json!({ "jsonrpc": "2.0", "id": [7], "method": "me" }).to_string(), "invalid_request"),
        (
            json!({ "jsonrpc": "2.0", "id": "x".repeat(65), "method": "me" }).to_string(),
            "invalid_request",
        ),
        (ask("me", json!([])), "invalid_params"),
        (ask("me", json!("x")), "invalid_params"),
        (ask("node.fly", json!({})), "unknown_method"),
        (ask("", json!({})), "unknown_method"),
        (ask(&"m".repeat(10_000), json!({})), "unknown_method"),
        (ask("subscribe", json!({})), "invalid_params"),
        (ask("subscribe", json!({ "to": "everything" })), "invalid_params"),
        (ask("unsubscribe", json!({ "subscription": -1 })), "invalid_params"),
        (ask("cancel", json!({})), "invalid_params"),
    ]
}

/// What a page may ask for, asked wrongly.
fn bad_of_pages() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("me.setName", json!({}), "invalid_params"),
        ("me.setName", json!({ "name": 7 }), "invalid_params"),
        ("me.setName", json!({ "name": "" }), "invalid_params"),
        ("me.setName", json!({ "name": "x".repeat(65) }), "invalid_params"),
        ("space.append", json!({}), "invalid_params"),
        ("space.append", json!({ "body": "text" }), "invalid_params"),
        ("space.append", json!({ "body": { "json": 1, "bytes": "AA" } }), "invalid_params"),
        ("space.append", json!({ "body": { "bytes": "not base64url!" } }), "invalid_params"),
        ("space.append", json!({ "body": { "json": 1 }, "kind": "opening" }), "invalid_params"),
        ("space.append", json!({ "body": { "json": "x".repeat(128 * 1024) } }), "too_large"),
        ("space.send", json!({ "body": { "json": "x".repeat(128 * 1024) } }), "too_large"),
        ("space.read", json!({ "after": -1 }), "invalid_params"),
        ("space.read", json!({ "after": "0" }), "invalid_params"),
        ("space.read", json!({ "limit": 1.5 }), "invalid_params"),
        ("space.read", json!({ "kind": "everything" }), "invalid_params"),
        // What is the person's alone.
        ("node.stop", json!({}), "not_permitted"),
        ("keys.list", json!({}), "not_permitted"),
        ("keys.export", json!({ "key": "me" }), "not_permitted"),
        ("apps.publish", json!({ "path": "/etc" }), "not_permitted"),
        ("page.url", json!({}), "not_permitted"),
        ("spaces.invite", json!({ "target": "Chat" }), "not_permitted"),
    ]
}

/// What the person may ask for, asked wrongly.
fn bad_of_owners() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("spaces.leave", json!({}), "invalid_params"),
        ("spaces.leave", json!({ "space": 7 }), "invalid_params"),
        ("spaces.leave", json!({ "space": "0".repeat(64) }), "not_found"),
        ("spaces.rename", json!({ "space": "../..", "name": "x" }), "not_found"),
        ("peers.block", json!({ "peer": "nobody", "blocked": true }), "invalid_params"),
        ("peers.block", json!({ "peer": "nobody", "blocked": "yes" }), "invalid_params"),
        ("open.begin", json!({ "target": 7 }), "invalid_params"),
        ("open.confirm", json!({ "opening": "x", "space": "own" }), "not_found"),
        ("open.cancel", json!({ "opening": "x" }), "not_found"),
        ("apps.publish", json!({ "path": "relative" }), "invalid_params"),
        ("apps.publish", json!({ "path": "/nowhere/at/all" }), "not_found"),
        ("settings.set", json!({ "name": "" }), "invalid_params"),
        ("settings.set", json!({ "lan": 1 }), "invalid_params"),
        ("keys.import", json!({ "name": "x", "secret": "y" }), "invalid_params"),
        ("keys.export", json!({ "key": "x" }), "not_found"),
        ("page.url", json!({ "space": "x" }), "not_found"),
        // What belongs to the page of a space.
        ("space.append", json!({ "body": { "json": 1 } }), "not_permitted"),
        ("me", json!({}), "not_permitted"),
    ]
}

fn assert_code(asked: &str, error: &Value, code: &str) {
    let asked: String = asked.chars().take(80).collect();
    assert_eq!(error["code"], code, "{asked}: {error}");
    assert!(error["what"].as_str().is_some_and(|what| what.ends_with('.')), "{asked}: {error}");
}

#[test]
fn the_command_socket_answers_what_is_wrong() {
    let witness = Witness::new();
    let mut control = Control::connect(witness.dir.path()).unwrap();
    for (text, code) in bad() {
        control.send(format!("{text}\n").as_bytes());
        let answer = control.hear().expect("an answer");
        assert_code(&text, &answer["error"]["data"], code);
    }
    for (method, params, code) in bad_of_owners() {
        let error = control.call(method, params).unwrap_err();
        assert_code(method, &error, code);
    }
    // The same connection is still good.
    control.call("node.status", json!({})).unwrap();
    witness.unharmed();
}

#[test]
fn a_line_without_an_end_ends_its_own_connection_only() {
    let witness = Witness::new();
    for bytes in
        [vec![b'a'; 2 << 20], [b"{\"a\":\"".to_vec(), vec![0xff; 100], b"\"}\n".to_vec()].concat()]
    {
        let mut control = Control::connect(witness.dir.path()).unwrap();
        let mut other = Control::connect(witness.dir.path()).unwrap();
        control.send(&bytes);
        let answer = control.hear().expect("it is told why");
        let code = if bytes.len() > 1 << 20 { "too_large" } else { "malformed" };
        assert_clear(&answer["error"]["data"], code);
        assert_eq!(control.hear(), None, "it is hung up on");
        other.call("node.status", json!({})).unwrap();
    }
    witness.unharmed();
}

#[test]
fn a_pages_socket_answers_what_is_wrong() {
    let mut witness = Witness::new();
    let socket = &mut witness.page.socket;
    for (text, code) in bad() {
        socket.send_text(&text);
        let Heard::Message(answer) = socket.hear() else { panic!("no answer to {text:.80}") };
        assert_code(&text, &answer["error"]["data"], code);
    }
    for (method, params, code) in bad_of_pages() {
        let error = socket.call(method, params).unwrap_err();
        assert_code(method, &error, code);
    }
    socket.send_frame(0x82, b"\x00\x01");
    let Heard::Message(answer) = socket.hear() else { panic!("no answer to bytes") };
    assert_code("bytes", &answer["error"]["data"], "invalid_request");
    witness.unharmed();
}

#[test]
fn a_page_that_breaks_the_protocol_is_closed_alone() {
    let witness = Witness::new();
    let again = |page: &Page| {
        let origin = format!("http://{}", page.host);
        Socket::open(page.port, &page.host, &[("Origin", &origin), ("Cookie", &page.cookie)])
            .expect("a page has a socket")
    };
    for (what, first, payload, code) in [
        ("a message over its limit", 0x81, vec![b'a'; 600 * 1024], 1009),
        ("no UTF-8", 0x81, vec![0xff; 10], 1007),
        ("a reserved kind of frame", 0x83, vec![1], 1002),
    ] {
        let mut socket = again(&witness.page);
        socket.send_frame(first, &payload);
        let heard = socket.hear();
        assert!(matches!(heard, Heard::Closed(found) if found == code), "{what}: {heard:?}");
        again(&witness.page).call("me", json!({})).unwrap();
    }
    witness.unharmed();
}
