//! Every response carries the policy, whatever was asked and however badly.

mod fixture;

use fixture::client::{Answer, serve, serve_with};
use fixture::{ALICE, LATER};
use kith_gateway::Limits;

fn assert_policy(answer: &Answer, of: &str) {
    for (name, value) in [
        ("connection-allowlist", "(response-origin)"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(answer.header(name), value, "{name} of {of}");
    }
    assert!(answer.header("permissions-policy").contains("camera=()"), "{of}");
    let csp = answer.header("content-security-policy");
    assert!(csp.starts_with("default-src 'none'") || csp.starts_with("default-src 'self'"), "{of}");
    let rest = ["form-action", "frame-src", "frame-ancestors", "base-uri", "object-src 'none'"];
    for directive in rest {
        assert!(csp.contains(directive), "{directive} of {of}");
    }
    assert!(!csp.contains("http:") || csp.contains(".localhost:"), "{csp}");
}

#[tokio::test]
async fn every_route_carries_it() {
    let served = serve().await;
    for (label, path, fields, status) in [
        ("", "/", &[][..], 200),
        ("", "/app.js", &[], 200),
        ("", "/missing", &[], 404),
        ("", "/%00", &[], 404),
        ("", "/.kith/kith.js", &[], 200),
        ("", "/.kith/api", &[("Upgrade", "websocket")], 403),
        ("", "/", &[("Origin", "http://evil.test")], 403),
        ("", "/", &[("Service-Worker", "script")], 403),
        ("", "/", &[("Host", "evil.test")], 400),
        ("unknown", "/", &[], 421),
        ("UNKNOWN", "/", &[], 421),
        (ALICE, "/", &[], 403),
        (ALICE, "/?kith-token=wrong", &[], 403),
        (ALICE, "/.kith/api", &[], 403),
    ] {
        let answer = served.get(label, path, fields).await;
        assert_eq!(answer.status, status, "{label} {path} {fields:?}");
        assert_policy(&answer, path);
    }
    let page = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    for (label, path, fields, status) in [
        (ALICE, "/", &[][..], 200),
        (ALICE, "/app.js", &[("Accept-Encoding", "gzip")], 200),
        (ALICE, "/data.bin", &[("Range", "bytes=2-3")], 206),
        (ALICE, "/data.bin", &[("Range", "bytes=20-")], 416),
        (ALICE, "/sub", &page, 303),
        (ALICE, "/missing", &[], 404),
        (ALICE, "/panic", &[], 500),
        (ALICE, "/webxdc.js", &[], 200),
        (ALICE, "/.kith/kith.js", &[], 200),
        (ALICE, "/.kith/ui/app.js", &[], 200),
        (ALICE, "/.kith/other", &[], 404),
        (ALICE, "/.kith/api", &[], 403),
        (ALICE, "/?kith-token=wrong", &[], 303),
        (LATER, "/", &page, 200),
        (LATER, "/app.js", &[], 503),
    ] {
        let answer = served.get_in(label, path, fields).await;
        assert_eq!(answer.status, status, "{label} {path} {fields:?}");
        assert_policy(&answer, path);
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"] {
        let answer = served.request(method, "", "/", &[]).await;
        assert_eq!(answer.status, 403, "{method}");
        assert_policy(&answer, method);
        let own = format!("http://{}", served.host(""));
        let answer = served.request(method, "", "/", &[("Origin", &own)]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_policy(&answer, method);
    }
    let head = served.request("HEAD", "", "/", &[]).await;
    assert_eq!(head.status, 200);
    assert_policy(&head, "HEAD");
}

#[tokio::test]
async fn a_304_and_a_socket_carry_it() {
    let served = serve().await;
    let first = served.get("", "/", &[]).await;
    let again = served.get("", "/", &[("If-None-Match", first.header("etag"))]).await;
    assert_eq!(again.status, 304);
    assert_policy(&again, "304");
    assert_policy(&served.socket(ALICE).await.head, "101");
}

#[tokio::test]
async fn what_a_browser_was_told_to_forget_carries_it() {
    let served = serve().await;
    served.node.remove(ALICE);
    let answer = served.get(ALICE, "/", &[]).await;
    assert_eq!((answer.status, answer.header("clear-site-data")), (410, "\"*\""));
    assert_policy(&answer, "410");
    assert_eq!(served.get(ALICE, "/", &[]).await.status, 421);
}

#[tokio::test]
async fn broken_requests_get_it_too() {
    let served = serve().await;
    for (bytes, status) in [
        ("nonsense\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/1.1\r\nHost : localhost\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\n\0: a\r\n\r\n".into(), 400),
        ("GET / HTTP/1.1\r\n\r\n".into(), 421),
        ("GET / HTTP/1.0\r\n\r\n".into(), 421),
        ("GET / HTTP/3.0\r\n\r\n".into(), 505),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".into(), 505),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(10_000)), 414),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000)), 414),
        (format!("GET / HTTP/1.1\r\nCookie: {}\r\n\r\n", "a".repeat(200_000)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(500)), 431),
        ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(), 411),
        ("POST / HTTP/1.1\r\nContent-Length: 5, 6\r\n\r\nhello".into(), 400),
    ] {
        let mut connection = served.connect().await;
        connection.write(bytes.as_bytes()).await;
        let answer = connection.answer().await;
        let of = bytes.chars().take(50).collect::<String>();
        assert_eq!(answer.status, status, "{of:?}");
        assert_policy(&answer, &of);
        assert!(connection.is_closed().await, "{of:?}");
    }
}

#[tokio::test]
async fn a_connection_over_the_limit_gets_it_too() {
    let served = serve_with(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = served.connect().await;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.host(""));
    first.write(get.as_bytes()).await;
    assert_eq!(first.answer().await.status, 200);
    let mut second = served.connect().await;
    let answer = second.answer().await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("connection-allowlist"), "(response-origin)");
    assert!(second.is_closed().await);
}
