//! What goes over a limit is refused, ended or held back, and nothing else is.

mod fixture;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fixture::client::{Connection, Heard, frame, serve, serve_with};
use fixture::{ALICE, BOB};
use kith_api::{Body, MAX_CALLS, MAX_SUBSCRIPTIONS, MAX_WAITING};
use kith_gateway::Limits;
use serde_json::json;

/// Soon enough for a test, and late enough for what is not to end.
const SOON: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_message_over_the_limit_closes_its_socket() {
    let served = serve().await;
    let limit = Limits::default().message;
    let padded = |length: usize| {
        let request = r#"{"jsonrpc":"2.0","id":1,"method":"me"}"#;
        format!("{request}{}", " ".repeat(length - request.len()))
    };
    let mut socket = served.socket(ALICE).await;
    socket.send_text(&padded(limit)).await;
    assert_eq!(socket.text().await["id"], 1);
    socket.send_text(&padded(limit + 1)).await;
    assert_eq!(socket.hear().await, Heard::Closed(1009));

    let mut announced = served.socket(ALICE).await;
    let huge = [0x81, 0x80 | 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    announced.connection.write(&huge).await;
    assert_eq!(announced.hear().await, Heard::Closed(1009));

    let mut in_parts = served.socket(ALICE).await;
    let part = vec![b' '; limit / 2];
    in_parts.frame(0x01, &part).await;
    in_parts.frame(0x00, &part).await;
    in_parts.frame(0x80, &part).await;
    assert_eq!(in_parts.hear().await, Heard::Closed(1009));
}

#[tokio::test]
async fn broken_frames_close_their_socket() {
    let served = serve().await;
    let unmasked = vec![0x81, 2, b'{', b'}'];
    for (bytes, code) in [
        (unmasked, 1002),
        (frame(0xf1, b"{}"), 1002),
        (frame(0x83, b"{}"), 1002),
        (frame(0x09, b"{}"), 1002),
        (frame(0x80, b"{}"), 1002),
        (frame(0x81, &[0xff, 0xfe]), 1007),
    ] {
        let mut socket = served.socket(ALICE).await;
        socket.connection.write(&bytes).await;
        assert_eq!(socket.hear().await, Heard::Closed(code), "{bytes:x?}");
    }
}

#[tokio::test]
async fn sockets_are_limited_by_origin_and_in_all_and_places_come_back() {
    let limits = Limits { sockets: 3, sockets_per_origin: 2, ..Limits::default() };
    let served = serve_with(limits).await;
    let cookie = |label| format!("kith={}", served.node.session(label));
    let (alice, bob) = (cookie(ALICE), cookie(BOB));
    let first = served.socket(ALICE).await;
    let _second = served.socket(ALICE).await;
    let refused = served.try_socket(ALICE, &[("Cookie", &alice)]).await.err().unwrap();
    assert_eq!((refused.status, refused.header("connection")), (503, "close"));
    let _third = served.socket(BOB).await;
    assert_eq!(served.try_socket(BOB, &[("Cookie", &bob)]).await.err().unwrap().status, 503);
    drop(first);
    while served.try_socket(ALICE, &[("Cookie", &alice)]).await.is_err() {}
}

#[tokio::test]
async fn a_flood_of_sockets_from_elsewhere_leaves_room() {
    let served = serve().await;
    for _ in 0..2 * Limits::default().connections {
        let refused = served.try_socket("", &[("Origin", "http://evil.test")]).await.err().unwrap();
        assert_eq!((refused.status, refused.header("connection")), (403, "close"));
    }
    served.owner().await;
}

#[tokio::test]
async fn requests_wait_and_those_beyond_are_refused() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    let mut holding = served.node.holding.subscribe();
    for _ in 0..MAX_CALLS + MAX_WAITING {
        socket.ask("space.members", json!({})).await;
    }
    let refused = socket.call("me", json!({})).await;
    assert_eq!(refused["error"]["data"]["code"], "too_many");
    holding.wait_for(|n| *n == MAX_CALLS).await.unwrap();
    let mut other = served.socket(ALICE).await;
    assert!(other.call("me", json!({})).await["result"].is_object(), "others are not held back");
    served.node.release.notify_one();
    assert!(socket.text().await["result"].is_object());
    holding.wait_for(|n| *n == MAX_CALLS).await.unwrap();
}

#[tokio::test]
async fn subscriptions_are_limited_and_come_back() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    for _ in 0..MAX_SUBSCRIPTIONS {
        assert!(socket.call("subscribe", json!({ "to": "messages" })).await["result"].is_object());
    }
    let refused = socket.call("subscribe", json!({ "to": "messages" })).await;
    assert_eq!(refused["error"]["data"]["code"], "too_many");
    socket.call("unsubscribe", json!({ "subscription": 1 })).await;
    assert!(socket.call("subscribe", json!({ "to": "presence" })).await["result"].is_object());
    // The fixture's ends after one event, and gives its place back by itself.
    assert_eq!(socket.text().await["method"], "event");
    assert!(socket.call("subscribe", json!({ "to": "presence" })).await["result"].is_object());
}

#[tokio::test]
async fn a_page_that_does_not_read_is_sent_no_more_and_then_closed() {
    let served = serve_with(Limits { socket_stall: SOON, ..Limits::default() }).await;
    let body = Body::Bytes("a".repeat(100_000));
    served.node.append(ALICE, std::iter::repeat_n(body, 1_000));
    let mut slow = served.socket(ALICE).await;
    slow.ask("subscribe", json!({ "to": "entries", "after": 0 })).await;
    let mut other = served.socket(ALICE).await;
    assert!(other.call("me", json!({})).await["result"].is_object(), "others are not held back");
    // Only when the gateway has given it up does a place come free.
    while served.gateway.sockets() > 1 {
        tokio::task::yield_now().await;
    }
    let pulled = served.node.pulled.load(Ordering::Relaxed);
    assert!((1..500).contains(&pulled), "{pulled} of 1000 entries were taken from the store");
    let sent = slow.connection.drain().await;
    assert!(sent < 50_000_000, "{sent} bytes were on their way");
}

#[tokio::test]
async fn a_page_that_reads_late_misses_nothing() {
    let served = serve().await;
    served.node.append(ALICE, (0..2_000).map(|n| Body::Json(json!([n, "a".repeat(10_000)]))));
    let mut socket = served.socket(ALICE).await;
    socket.call("subscribe", json!({ "to": "entries", "after": 0 })).await;
    for n in 0..2_000 {
        assert_eq!(socket.text().await["params"]["event"]["entry"]["body"]["json"][0], n);
    }
}

#[tokio::test]
async fn a_silent_socket_is_pinged_and_then_dropped() {
    let limits = Limits { ping_every: SOON, silence: 2 * SOON, ..Limits::default() };
    let served = serve_with(limits).await;
    let mut socket = served.socket(ALICE).await;
    let mut pings = 0;
    loop {
        match socket.hear().await {
            Heard::Ping => pings += 1,
            Heard::Gone => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(pings >= 1);
}

#[tokio::test]
async fn a_socket_that_answers_pings_stays() {
    let limits = Limits { ping_every: SOON, silence: 30 * SOON, ..Limits::default() };
    let served = serve_with(limits).await;
    let mut answering = served.socket(ALICE).await;
    for _ in 0..35 {
        assert_eq!(answering.hear().await, Heard::Ping);
        answering.frame(0x8a, b"").await;
    }
}

#[tokio::test]
async fn a_dashboard_that_shows_no_token_is_closed() {
    let served = serve_with(Limits { auth_time: 10 * SOON, ..Limits::default() }).await;
    let mut socket = served.try_socket("", &[]).await.unwrap();
    assert_eq!(socket.hear().await, Heard::Closed(1008));
    let mut known = served.owner().await;
    let mut page = served.socket(ALICE).await;
    let mut other = served.try_socket("", &[]).await.unwrap();
    assert_eq!(other.hear().await, Heard::Closed(1008));
    assert!(known.call("apps.list", json!({})).await["result"].is_object());
    assert!(page.call("me", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn a_head_that_drips_is_ended_and_so_is_an_idle_connection() {
    let limits = Limits { head_time: SOON, idle_time: SOON, ..Limits::default() };
    let served = serve_with(limits).await;
    let mut dripping = served.connect().await;
    dripping.write(b"GET / HTTP/1.1\r\n").await;
    let answer = dripping.answer().await;
    assert_eq!((answer.status, answer.header("connection-allowlist")), (408, "(response-origin)"));
    assert!(dripping.is_closed().await);
    assert!(served.connect().await.is_closed().await);
    let mut used = served.connect().await;
    used.write(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.host("")).as_bytes()).await;
    assert_eq!(used.answer().await.status, 200);
    assert!(used.is_closed().await);
}

#[tokio::test]
async fn a_client_that_takes_no_byte_is_ended() {
    let limits = Limits { write_stall: SOON, connections: 1, ..Limits::default() };
    let served = serve_with(limits).await;
    served.node.add_file(ALICE, "large.bin", "application/octet-stream", &vec![7; 50_000_000]);
    let cookie = served.node.session(ALICE);
    let mut slow = served.connect().await;
    let host = served.host(ALICE);
    let get = format!("GET /large.bin HTTP/1.1\r\nHost: {host}\r\nCookie: kith={cookie}\r\n\r\n");
    slow.write(get.as_bytes()).await;
    // Its place is the only one.
    loop {
        let mut next = Connection::to(served.port).await;
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.host(""));
        next.write(get.as_bytes()).await;
        match next.answer().await.status {
            200 => break,
            503 => tokio::task::yield_now().await,
            other => panic!("{other}"),
        }
    }
    assert!(slow.drain().await < 50_000_000);
}

#[tokio::test]
async fn stopping_tells_sockets_and_ends_what_does_not_end() {
    let served = serve().await;
    let mut socket = served.socket(ALICE).await;
    let mut deaf = served.socket(BOB).await;
    deaf.ask("space.members", json!({})).await;
    let port = served.port;
    let shutdown = tokio::spawn(served.gateway.shutdown(SOON));
    assert_eq!(socket.hear().await, Heard::Closed(1001));
    shutdown.await.unwrap();
    assert!(tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err());
}
