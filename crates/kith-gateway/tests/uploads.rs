//! Files are handed in: streaming, within limits, and whole or not at all.

mod fixture;

use std::time::Duration;

use fixture::client::{Connection, Served, serve, serve_with};
use fixture::shared::{FULL, FULL_AT, SLOW};
use fixture::{ALICE, BOB};
use kith_gateway::Limits;
use serde_json::Value;

const TARGET: &str = "/.kith/blobs?name=a%20b.png&type=image/png";

/// A request's head, as this origin's own page sends it.
fn head(served: &Served, label: &str, target: &str, fields: &str) -> String {
    let host = served.host(label);
    let cookie = served.node.session(label);
    format!(
        "POST {target} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n\
         Sec-Fetch-Site: same-origin\r\nCookie: kith={cookie}\r\n{fields}\r\n"
    )
}

async fn post(served: &Served, label: &str, target: &str, fields: &str, body: &[u8]) -> Connection {
    let mut connection = served.connect().await;
    connection.write(head(served, label, target, fields).as_bytes()).await;
    connection.write(body).await;
    connection
}

fn length(body: &[u8]) -> String {
    format!("Content-Length: {}\r\n", body.len())
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[tokio::test]
async fn a_file_is_handed_in_with_its_length_and_read_again() {
    let served = serve().await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|at| at as u8).collect();
    let mut connection = post(&served, ALICE, TARGET, &length(&body), &body).await;
    let answer = connection.answer().await;
    let file = json(&answer.body);
    assert_eq!(answer.status, 201, "{file}");
    assert_eq!(
        (file["name"].as_str(), file["type"].as_str()),
        (Some("a b.png"), Some("image/png"))
    );
    assert_eq!(file["size"], body.len());
    assert_eq!(answer.header("location"), file["url"]);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("connection-allowlist"), "(response-origin)");
    let read = served.get_in(ALICE, file["url"].as_str().unwrap(), &[]).await;
    assert!(read.body == body);
    assert_eq!(read.header("content-type"), "image/png");
    assert_eq!(served.get_in(BOB, file["url"].as_str().unwrap(), &[]).await.status, 404);
}

#[tokio::test]
async fn a_file_is_handed_in_by_chunks_and_an_empty_one_too() {
    let served = serve().await;
    let chunks = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n";
    let fields = "Transfer-Encoding: chunked\r\n";
    let answer = post(&served, ALICE, TARGET, fields, chunks).await.answer().await;
    let file = json(&answer.body);
    assert_eq!((answer.status, &file["size"]), (201, &11.into()));
    let hash = file["hash"].as_str().unwrap();
    assert_eq!(served.node.shared.bytes(ALICE, hash).unwrap(), "hello world");
    let mut connection = post(&served, ALICE, TARGET, "Content-Length: 0\r\n", b"").await;
    assert_eq!(connection.answer().await.status, 201);
    connection.write(b"broken\r\n\r\n").await;
    let next = connection.answer().await;
    assert_eq!((next.status, next.header("connection-allowlist")), (400, "(response-origin)"));
}

#[tokio::test]
async fn the_body_is_asked_for_where_the_client_waits_for_that() {
    let served = serve().await;
    let fields = "Content-Length: 5\r\nExpect: 100-continue\r\n";
    let mut connection = post(&served, ALICE, TARGET, fields, b"").await;
    assert_eq!(connection.answer().await.status, 100);
    connection.write(b"hello").await;
    assert_eq!(connection.answer().await.status, 201);
    let mut refused = post(&served, ALICE, "/.kith/blobs", fields, b"").await;
    assert_eq!(refused.answer().await.status, 400, "it has no name");
}

#[tokio::test]
async fn only_the_page_of_the_space_hands_files_in() {
    let served = serve().await;
    let host = served.host(ALICE);
    let own = format!("http://{host}");
    let other = format!("http://{}", served.host(BOB));
    let cookie = served.node.session(ALICE);
    let cookie = format!("kith={cookie}");
    for (label, target, fields, status) in [
        (ALICE, TARGET, vec![("Origin", own.as_str())], 403),
        (ALICE, TARGET, vec![("Cookie", cookie.as_str())], 403),
        (ALICE, TARGET, vec![("Cookie", &cookie), ("Origin", &other)], 403),
        (ALICE, TARGET, vec![("Cookie", &cookie), ("Origin", "null")], 403),
        (
            ALICE,
            TARGET,
            vec![("Cookie", &cookie), ("Origin", &own), ("Sec-Fetch-Site", "cross-site")],
            403,
        ),
        (ALICE, "/.kith/blobs/abcd", vec![("Cookie", &cookie), ("Origin", &own)], 405),
        (ALICE, "/.kith/%62lobs", vec![("Cookie", &cookie), ("Origin", &own)], 405),
        (ALICE, "/.kith/api", vec![("Cookie", &cookie), ("Origin", &own)], 405),
        (ALICE, "/", vec![("Cookie", &cookie), ("Origin", &own)], 405),
    ] {
        let mut fields = fields;
        fields.push(("Content-Length", "5"));
        let mut head = format!("POST {target} HTTP/1.1\r\nHost: {}\r\n", served.host(label));
        for (name, value) in &fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut connection = served.connect().await;
        connection.write(format!("{head}\r\nhello").as_bytes()).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, "close"), "{fields:?}");
        assert!(connection.is_closed().await);
    }
    let dashboard = format!("http://{}", served.host(""));
    let fields = [("Origin", dashboard.as_str()), ("Content-Length", "0")];
    assert_eq!(served.request("POST", "", TARGET, &fields).await.status, 405);
    for method in ["PUT", "PATCH", "DELETE", "OPTIONS"] {
        let fields = [("Cookie", cookie.as_str()), ("Origin", &own), ("Content-Length", "0")];
        assert_eq!(served.request(method, ALICE, TARGET, &fields).await.status, 405, "{method}");
    }
    assert_eq!(*served.node.shared.taken.borrow(), 0);
}

#[tokio::test]
async fn no_byte_of_a_file_is_taken_for_a_request() {
    let served = serve().await;
    let smuggled = format!("GET /data.bin HTTP/1.1\r\nHost: {}\r\n\r\n", served.host(ALICE));
    let chunked = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let te = "Transfer-Encoding: chunked\r\n".to_owned();
    for (fields, body) in [
        (length(smuggled.as_bytes()), smuggled.clone()),
        // More than was said.
        ("Content-Length: 5\r\n".into(), format!("hello{smuggled}{smuggled}")),
        (te.clone(), chunked.clone()),
        (te, format!("{chunked}{smuggled}{smuggled}")),
    ] {
        let mut connection = post(&served, ALICE, TARGET, &fields, body.as_bytes()).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (201, "close"), "{fields}");
        assert!(connection.is_closed().await, "{fields}");
    }
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Content-Length: 0x5\r\n",
    ] {
        let mut connection = post(&served, ALICE, TARGET, fields, smuggled.as_bytes()).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (400, "close"), "{fields}");
        assert!(connection.is_closed().await, "{fields}");
    }
    let mut connection = post(&served, ALICE, TARGET, "", smuggled.as_bytes()).await;
    assert_eq!(connection.answer().await.status, 411);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn what_is_cut_off_leaves_nothing() {
    let served = serve().await;
    let mut open = served.node.shared.open.subscribe();
    let mut taken = served.node.shared.taken.subscribe();
    for (fields, body) in [
        ("Content-Length: 1000\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked\r\n", "ff\r\nhello"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\nnonsense\r\n"),
    ] {
        let before = *taken.borrow_and_update();
        let connection = post(&served, ALICE, TARGET, fields, body.as_bytes()).await;
        taken.wait_for(|taken| *taken == before + 5).await.unwrap();
        drop(connection);
        open.wait_for(|open| *open == 0).await.unwrap();
    }
    let hash = blake3::hash(b"hello").to_hex().to_string();
    assert!(served.node.shared.bytes(ALICE, &hash).is_none());
}

#[tokio::test]
async fn a_client_that_says_nothing_more_is_ended() {
    let limits = Limits { upload_stall: Duration::from_millis(100), ..Limits::default() };
    let served = serve_with(limits).await;
    let mut open = served.node.shared.open.subscribe();
    let mut connection = post(&served, ALICE, TARGET, "Content-Length: 10\r\n", b"hello").await;
    open.wait_for(|open| *open == 1).await.unwrap();
    open.wait_for(|open| *open == 0).await.unwrap();
    connection.drain().await;
}

#[tokio::test]
async fn a_disk_that_is_slow_holds_its_client_back_and_ends_nobody() {
    let limits = Limits { upload_stall: Duration::from_millis(100), ..Limits::default() };
    let served = serve_with(limits).await;
    let target = format!("/.kith/blobs?name={SLOW}");
    let body = vec![7; 32 * 1024 * 1024];
    let mut connection = served.connect().await;
    connection.write(head(&served, ALICE, &target, &length(&body)).as_bytes()).await;
    let sending = async {
        connection.write(&body).await;
        connection.answer().await
    };
    let disk = async {
        // As long as it takes others to be ended.
        let mut silent = post(&served, BOB, TARGET, "Content-Length: 10\r\n", b"hello").await;
        silent.drain().await;
        let mut other = post(&served, BOB, TARGET, "Content-Length: 5\r\n", b"hello").await;
        assert_eq!(other.answer().await.status, 201, "others are not held back");
        assert_eq!(*served.node.shared.taken.borrow(), 10, "of the slow one nothing");
        served.node.shared.back.send_replace(true);
    };
    let (answer, ()) = tokio::join!(sending, disk);
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_full_disk_is_told_to_a_client_that_still_sends() {
    let served = serve().await;
    let target = format!("/.kith/blobs?name={FULL}");
    let body = vec![7; 8 * 1024 * 1024];
    let mut connection = post(&served, ALICE, &target, &length(&body), &body).await;
    let answer = connection.answer().await;
    assert_eq!(answer.status, 507);
    let error = json(&answer.body);
    assert_eq!(
        (error["code"].as_str(), error["todo"].as_str()),
        (Some("disk_full"), Some("Make room."))
    );
    assert!(*served.node.shared.taken.borrow() < 2 * FULL_AT);
}

#[tokio::test]
async fn files_at_once_are_limited_by_page_and_in_all_and_places_come_back() {
    let limits = Limits { uploads: 3, uploads_per_origin: 2, ..Limits::default() };
    let served = serve_with(limits).await;
    let mut open = served.node.shared.open.subscribe();
    let fields = "Content-Length: 5\r\n";
    let first = post(&served, ALICE, TARGET, fields, b"h").await;
    let _second = post(&served, ALICE, TARGET, fields, b"h").await;
    open.wait_for(|open| *open == 2).await.unwrap();
    let answer = post(&served, ALICE, TARGET, fields, b"hello").await.answer().await;
    assert_eq!((answer.status, json(&answer.body)["code"].as_str()), (503, Some("too_many")));
    let _third = post(&served, BOB, TARGET, fields, b"h").await;
    open.wait_for(|open| *open == 3).await.unwrap();
    assert_eq!(post(&served, BOB, TARGET, fields, b"hello").await.answer().await.status, 503);
    drop(first);
    open.wait_for(|open| *open == 2).await.unwrap();
    while post(&served, ALICE, TARGET, fields, b"hello").await.answer().await.status != 201 {}
}

#[tokio::test]
async fn a_file_that_is_too_large_is_refused_by_its_length() {
    let served = serve().await;
    for length in ["9007199254740992", "99999999999999999999"] {
        let fields = format!("Content-Length: {length}\r\n");
        let answer = post(&served, ALICE, TARGET, &fields, b"").await.answer().await;
        assert_eq!(answer.status, 413, "{length}");
    }
}
