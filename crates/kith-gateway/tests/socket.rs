//! The API's socket: who may speak through it, and what it answers.

mod fixture;

use fixture::client::{Heard, serve};
use fixture::{ALICE, BOB, LATER};
use kith_api::{Access, METHODS};
use serde_json::{Value, json};

#[tokio::test]
async fn only_a_page_of_the_same_origin_with_its_cookie_gets_a_socket() {
    let served = serve().await;
    let cookie = format!("kith={}", served.node.session(ALICE));
    let bob = format!("http://{}", served.host(BOB));
    let dashboard = format!("http://{}", served.host(""));
    let own = format!("http://{}", served.host(ALICE));
    for (origin, cookie, good) in [
        (own.as_str(), cookie.as_str(), true),
        (&own, "kith=wrong", false),
        (&own, "", false),
        (&bob, &cookie, false),
        (&dashboard, &cookie, false),
        ("http://evil.test", &cookie, false),
        ("null", &cookie, false),
        ("", &cookie, false),
    ] {
        let opened = served.try_socket(ALICE, &[("Origin", origin), ("Cookie", cookie)]).await;
        assert_eq!(opened.err().map(|answer| answer.status), (!good).then_some(403), "{origin}");
    }
    for (origin, good) in [(dashboard.as_str(), true), (&own, false), ("", false)] {
        let opened = served.try_socket("", &[("Origin", origin)]).await;
        assert_eq!(opened.is_ok(), good, "{origin}");
    }
    assert_eq!(served.try_socket("unknown", &[]).await.err().unwrap().status, 421);
}

#[tokio::test]
async fn the_host_says_who_calls() {
    let served = serve().await;
    for label in [ALICE, BOB] {
        let mut socket = served.socket(label).await;
        let me = socket.call("me", json!({ "space": LATER, "caller": "owner" })).await;
        assert_eq!(me["result"]["space"], label);
        for method in METHODS.iter().filter(|method| method.access == Access::Owner) {
            let answer = socket.call(method.name, json!({})).await;
            assert_eq!(answer["error"]["data"]["code"], "not_permitted", "{}", method.name);
        }
        for to in ["status", "opening"] {
            let answer = socket.call("subscribe", json!({ "to": to, "opening": "a" })).await;
            assert_eq!(answer["error"]["data"]["code"], "not_permitted", "{to}");
        }
        let token = served.node.token("");
        let answer = socket.call("auth", json!({ "token": token })).await;
        assert_eq!(answer["error"]["data"]["code"], "unknown_method");
    }
}

#[tokio::test]
async fn the_dashboard_shows_its_token_first() {
    let served = serve().await;
    let mut socket = served.try_socket("", &[]).await.unwrap();
    let answer = socket.call("spaces.list", json!({})).await;
    assert_eq!(answer["error"]["data"]["code"], "not_permitted");
    let token = served.node.token("");
    let session = socket.call("auth", json!({ "token": token })).await["result"]["session"].clone();
    assert!(socket.call("spaces.list", json!({})).await["result"].is_object());
    let answer = socket.call("me", json!({})).await;
    assert_eq!(answer["error"]["data"]["code"], "not_permitted", "that is for pages");

    let mut second = served.try_socket("", &[]).await.unwrap();
    let again = second.call("auth", json!({ "token": token })).await;
    assert_eq!(again["error"]["data"]["code"], "not_permitted", "a token works once");
    let answer = second.call("auth", json!({ "session": session })).await;
    assert_eq!(answer["result"]["session"], session);
    assert!(second.call("apps.list", json!({})).await["result"].is_object());

    let mut guessing = served.try_socket("", &[]).await.unwrap();
    for guess in
        [json!({ "token": "a" }), json!({}), json!({ "session": served.node.session(ALICE) })]
    {
        assert!(guessing.call("auth", guess).await["error"].is_object());
    }
    assert_eq!(guessing.hear().await, Heard::Closed(1008));
}

#[tokio::test]
async fn what_is_no_request_is_told_and_the_socket_goes_on() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    for (text, code) in [
        ("{", -32700),
        ("", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"me"}]"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"me"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"me","params":[1]}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"space.append","params":{"body":1}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"nothing"}"#, -32601),
        (r#"{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"to":"nothing"}}"#, -32602),
        (r#"{"jsonrpc":"2.0","id":1,"method":"unsubscribe","params":{}}"#, -32602),
    ] {
        socket.send_text(text).await;
        let answer = socket.text().await;
        assert_eq!(answer["error"]["code"], code, "{text}: {answer}");
        assert!(answer["error"]["data"]["what"].is_string(), "{answer}");
    }
    socket.frame(0x82, b"{}").await;
    assert_eq!(socket.text().await["error"]["code"], -32600);
    socket.send(&json!({ "jsonrpc": "2.0", "method": "me" })).await;
    assert_eq!(socket.call("me", json!({})).await["id"], 1, "a notification gets no answer");
}

#[tokio::test]
async fn a_request_under_way_holds_back_no_other_and_can_be_cancelled() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    let mut holding = served.node.holding.subscribe();
    let waits = socket.ask("space.members", json!({})).await;
    assert!(socket.call("me", json!({})).await["result"].is_object());
    holding.wait_for(|n| *n == 1).await.unwrap();
    let cancel = socket.ask("cancel", json!({ "id": waits })).await;
    let mut answers = [socket.text().await, socket.text().await];
    answers.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answers[0]["id"], waits);
    assert_eq!(answers[0]["error"]["data"]["code"], "cancelled");
    assert_eq!((&answers[1]["id"], &answers[1]["result"]), (&json!(cancel), &json!({})));
    holding.wait_for(|n| *n == 0).await.unwrap();

    socket.ask("space.members", json!({})).await;
    holding.wait_for(|n| *n == 1).await.unwrap();
    drop(socket);
    holding.wait_for(|n| *n == 0).await.unwrap();
}

#[tokio::test]
async fn requests_take_effect_in_the_order_in_which_they_came() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    let ids: Vec<u64> = {
        let mut ids = Vec::new();
        for n in 0..500 {
            ids.push(socket.ask("space.append", json!({ "body": { "json": n } })).await);
        }
        ids
    };
    let mut serials = std::collections::BTreeMap::new();
    for _ in &ids {
        let answer = socket.text().await;
        serials.insert(answer["id"].as_u64().unwrap(), answer["result"]["serial"].clone());
    }
    let in_order: Vec<Value> = (1..=500).map(Value::from).collect();
    assert_eq!(serials.into_values().collect::<Vec<_>>(), in_order);
}

#[tokio::test]
async fn a_mistake_of_the_service_is_told_and_ends_nothing() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    let answer = socket.call("space.send", json!({ "body": { "json": "panic" } })).await;
    assert_eq!(answer["error"]["code"], -32603);
    assert!(socket.call("me", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn events_come_until_they_are_ended() {
    let served = serve().await;
    let mut alice = served.socket(ALICE).await;
    let mut bob = served.socket(BOB).await;
    let followed = alice.call("subscribe", json!({ "to": "entries", "after": 0 })).await;
    let subscription = followed["result"]["subscription"].clone();
    bob.call("subscribe", json!({ "to": "entries", "after": 0 })).await;
    let append = alice.ask("space.append", json!({ "body": { "json": "hello" } })).await;
    let (first, second) = (alice.text().await, alice.text().await);
    let (event, answer) = if first["id"] == append { (second, first) } else { (first, second) };
    assert_eq!(answer["result"]["serial"], 1);
    assert_eq!(event["method"], "event");
    assert_eq!(event["params"]["subscription"], subscription);
    assert_eq!(event["params"]["event"]["entry"]["body"]["json"], "hello");

    alice.call("unsubscribe", json!({ "subscription": subscription })).await;
    alice.call("unsubscribe", json!({ "subscription": 99 })).await;
    let append = alice.ask("space.append", json!({ "body": { "json": "again" } })).await;
    assert_eq!(alice.text().await["id"], append);
    let me = bob.ask("me", json!({})).await;
    assert_eq!(bob.text().await["id"], me, "nothing of another space");
}

#[tokio::test]
async fn the_loading_page_hears_of_its_app() {
    let served = serve().await;
    let mut socket = served.socket(LATER).await;
    socket.call("subscribe", json!({ "to": "arrival" })).await;
    let event = socket.text().await["params"]["event"].clone();
    assert_eq!(event["stage"]["stage"], "fetching");
    served.node.arrive(LATER);
    assert_eq!(socket.text().await["params"]["event"]["stage"]["stage"], "ready");
}

#[tokio::test]
async fn the_page_of_a_space_that_is_left_is_told_why_its_socket_ends() {
    let served = serve().await;
    let (mut page, mut other) = (served.socket(ALICE).await, served.socket(BOB).await);
    page.call("subscribe", json!({ "to": "entries", "after": 1_000_000 })).await;
    served.node.remove(ALICE);
    assert_eq!(page.hear().await, Heard::Closed(4410));
    assert!(other.call("me", json!({})).await["result"].is_object());
}
