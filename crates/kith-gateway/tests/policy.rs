//! Every response carries the policy, whatever was asked and however badly.

mod fixture;

use fixture::client::{Answer, serve, serve_with};
use fixture::{ALICE, BOB, LATER};
use kith_app::Permission;
use kith_gateway::Limits;

fn assert_policy(answer: &Answer, of: &str) {
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
    ] {
        assert_eq!(answer.header(name), value, "{name} of {of}");
    }
    // The dashboard's files alone may lead to the origins of spaces.
    let connections = answer.header("connection-allowlist");
    let of_dashboard = connections.starts_with("(response-origin \"http://*.localhost:")
        && answer.header("content-security-policy").contains("worker-src 'none'");
    // A notice that says where to go may lead there.
    let of_notice = connections.starts_with("(response-origin \"http://localhost:")
        && answer.header("content-security-policy").starts_with("default-src 'none'");
    let known = connections == "(response-origin)" || of_dashboard || of_notice;
    assert!(known, "{connections} of {of}");
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
    served.node.shared.add(ALICE, "abcd", ("a.png", "image/png"), b"0123456789".to_vec(), 10);
    let page = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    for (label, path, fields, status) in [
        (ALICE, "/", &[][..], 200),
        (ALICE, "/app.js", &[("Accept-Encoding", "gzip")], 200),
        (ALICE, "/data.bin", &[("Range", "bytes=2-3")], 206),
        (ALICE, "/data.bin", &[("Range", "bytes=20-")], 416),
        (ALICE, "/.kith/blobs/abcd", &[], 200),
        (ALICE, "/.kith/blobs/abcd?download", &[], 200),
        (ALICE, "/.kith/blobs/abcd", &[("Range", "bytes=2-3")], 206),
        (ALICE, "/.kith/blobs/abcd", &[("Range", "bytes=20-")], 416),
        (ALICE, "/.kith/blobs/missing", &[], 404),
        (ALICE, "/.kith/blobs", &[], 404),
        (ALICE, "/sub", &page, 303),
        (ALICE, "/missing", &[], 404),
        (ALICE, "/.kith/ask", &page, 200),
        (ALICE, "/.kith/ask", &[], 404),
        (ALICE, "/panic", &[], 500),
        (ALICE, "/webxdc.js", &[], 200),
        (ALICE, "/.kith/kith.js", &[], 200),
        (ALICE, "/.kith/blobs.js", &[], 200),
        (ALICE, "/.kith/webxdc.js", &[], 404),
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
async fn a_page_gets_what_its_app_was_granted_and_another_space_does_not() {
    let served = serve().await;
    served.node.grant(ALICE, Permission::Camera);
    for (label, path, camera) in
        [(ALICE, "/", "camera=(self)"), (ALICE, "/missing", "camera=()"), (BOB, "/", "camera=()")]
    {
        let answer = served.get_in(label, path, &[]).await;
        let permissions = answer.header("permissions-policy");
        for part in [camera, "microphone=()", "geolocation=()"] {
            assert!(permissions.contains(part), "{part} of {label}{path}: {permissions}");
        }
    }
}

#[tokio::test]
async fn a_file_that_is_handed_in_gets_it_too() {
    let served = serve().await;
    for target in ["/.kith/blobs?name=a", "/.kith/blobs"] {
        let own = format!("http://{}", served.host(ALICE));
        let cookie = format!("kith={}", served.node.session(ALICE));
        let mut fields = vec![("Origin", own.as_str()), ("Content-Length", "0")];
        assert_policy(&served.request("POST", ALICE, target, &fields).await, "a stranger's file");
        fields.push(("Cookie", &cookie));
        let answer = served.request("POST", ALICE, target, &fields).await;
        assert_eq!(answer.status, if target.contains("name") { 201 } else { 400 });
        assert_policy(&answer, target);
    }
}

#[tokio::test]
async fn a_304_and_a_socket_carry_it() {
    let served = serve().await;
    let first = served.get("", "/", &[]).await;
    let again = served.get("", "/", &[("If-None-Match", first.header("etag"))]).await;
    assert_eq!(again.status, 304);
    assert_policy(&again, "304");
    served.node.shared.add(ALICE, "abcd", ("a.png", "image/png"), b"0123456789".to_vec(), 10);
    let first = served.get_in(ALICE, "/.kith/blobs/abcd", &[]).await;
    let tag = [("If-None-Match", first.header("etag"))];
    let again = served.get_in(ALICE, "/.kith/blobs/abcd", &tag).await;
    assert_eq!(again.status, 304);
    assert_policy(&again, "304 of a file");
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
    assert_policy(&answer, "503");
    assert!(second.is_closed().await);
}

/// Requests with some bytes changed, left out or doubled: whoever answers, it is us and never hyper
/// alone. Seeded, so that a failure comes again.
#[tokio::test]
async fn no_mutated_request_gets_a_bare_answer() {
    let served = serve().await;
    let whole = format!(
        "POST /sub/?a=b HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: upgrade\r\n\
         Content-Length: 3\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\
         Upgrade: websocket\r\nOrigin: null\r\n\r\n",
        served.host("")
    );
    let lines: Vec<&str> = whole.split_inclusive("\r\n").collect();
    let mut seed: u64 = 4848;
    let mut random = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for round in 0..3_000 {
        let kept = |line: &&&str| line.starts_with("POST") || line.len() == 2;
        let mut bytes: Vec<u8> = lines
            .iter()
            .filter(|line| kept(line) || random(2) == 0)
            .flat_map(|line| line.bytes())
            .collect();
        for _ in 0..random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => drop(bytes.remove(at)),
                2 => bytes.insert(at, b"\r\n: \t\0/,"[random(8)]),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        // Whatever became of its end, this one ends it.
        bytes.extend_from_slice(b"\r\n\r\n");
        let mut connection = served.connect().await;
        connection.write(&bytes).await;
        let answer = connection.answer().await;
        let of = format!("round {round}: {}", String::from_utf8_lossy(&bytes));
        assert!(answer.status >= 300 || answer.status == 200, "{of}");
        assert_policy(&answer, &of);
    }
}
