//! Who is let in: hosts, origins, methods, service workers.

mod fixture;

use fixture::client::serve;
use fixture::{ALICE, BOB};

#[tokio::test]
async fn only_exact_hosts_are_known() {
    let served = serve().await;
    let port = served.port;
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("{ALICE}.localhost:{port}"), 403),
        ("localhost".into(), 421),
        (format!("localhost:{}", port - 1), 421),
        (format!("localhost:0{port}"), 421),
        (format!("localhost.:{port}"), 421),
        (format!("LOCALHOST:{port}"), 421),
        (format!("127.0.0.1:{port}"), 421),
        (format!("[::1]:{port}"), 421),
        (format!("0.0.0.0:{port}"), 421),
        (format!("evil.test:{port}"), 421),
        (format!("localhost.evil.test:{port}"), 421),
        (format!("localhost:{port}.evil.test"), 421),
        (format!("guessed.localhost:{port}"), 421),
        (format!("a.{ALICE}.localhost:{port}"), 421),
        (format!(".localhost:{port}"), 421),
        (format!("{ALICE}.localhost:{port}@evil.test"), 421),
        (String::new(), 421),
    ] {
        let mut connection = served.connect().await;
        connection.write(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
        assert_eq!(connection.answer().await.status, status, "{host}");
    }
}

#[tokio::test]
async fn both_loopback_addresses_serve_the_same() {
    let served = serve().await;
    for address in ["127.0.0.1", "::1"] {
        let Ok(stream) = tokio::net::TcpStream::connect((address, served.port)).await else {
            assert_eq!(address, "::1", "a machine without IPv6");
            continue;
        };
        let mut connection = fixture::client::Connection::over(stream);
        let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.host(""));
        connection.write(get.as_bytes()).await;
        assert_eq!(connection.answer().await.status, 200, "{address}");
    }
}

#[tokio::test]
async fn other_origins_are_refused_and_their_navigations_are_not() {
    let served = serve().await;
    let navigation =
        [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")].map(Some).to_vec();
    for (site, extra, status) in [
        ("same-origin", None, 200),
        ("none", None, 200),
        ("cross-site", None, 403),
        ("same-site", None, 403),
        ("something-new", None, 403),
        ("cross-site", Some(("Sec-Fetch-Dest", "iframe")), 403),
        ("cross-site", Some(("Sec-Fetch-Dest", "script")), 403),
    ] {
        let mut fields = vec![("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", "navigate")];
        fields.extend(extra);
        for label in ["", ALICE] {
            let answer = served.get_in(label, "/", &fields).await;
            assert_eq!(answer.status, status, "{label} {fields:?}");
        }
    }
    let mut fields: Vec<_> = navigation.into_iter().flatten().collect();
    fields.push(("Sec-Fetch-Site", "cross-site"));
    assert_eq!(served.get_in(ALICE, "/", &fields).await.status, 200);
    assert_eq!(served.request("POST", "", "/", &fields).await.status, 403);
}

#[tokio::test]
async fn an_origin_that_is_told_is_ones_own() {
    let served = serve().await;
    let own = format!("http://{}", served.host(ALICE));
    let other = format!("http://{}", served.host(BOB));
    for (origin, get, post) in [
        (own.as_str(), 200, 405),
        (other.as_str(), 403, 403),
        ("http://evil.test", 403, 403),
        ("null", 403, 403),
        ("", 403, 403),
    ] {
        assert_eq!(served.get_in(ALICE, "/", &[("Origin", origin)]).await.status, get, "{origin}");
        let answer = served.request("POST", ALICE, "/", &[("Origin", origin)]).await;
        assert_eq!(answer.status, post, "{origin}");
    }
    assert_eq!(served.request("POST", ALICE, "/", &[]).await.status, 403, "none told");
}

#[tokio::test]
async fn bodies_are_refused_and_end_the_connection() {
    let served = serve().await;
    let host = served.host("");
    for (origin, status) in [("http://evil.test".to_owned(), 403), (format!("http://{host}"), 405)]
    {
        let mut connection = served.connect().await;
        let smuggled = format!("GET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Length: {}\r\n\r\n",
            smuggled.len()
        );
        connection.write(format!("{head}{smuggled}").as_bytes()).await;
        let answer = connection.answer().await;
        assert_eq!((answer.status, answer.header("connection")), (status, "close"));
        assert!(connection.is_closed().await, "the body is no request");
    }
}

#[tokio::test]
async fn requests_follow_each_other_on_one_connection() {
    let served = serve().await;
    let get = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", served.host(""));
    let mut connection = served.connect().await;
    connection.write(get.repeat(3).as_bytes()).await;
    for _ in 0..3 {
        assert_eq!(connection.answer().await.status, 200);
    }
    connection.write(get.as_bytes()).await;
    connection.write(b"broken\r\n\r\n").await;
    assert_eq!(connection.answer().await.status, 200);
    assert_eq!(connection.answer().await.status, 400);
    assert!(connection.is_closed().await);
}

#[tokio::test]
async fn service_workers_are_refused_everywhere() {
    let served = serve().await;
    for label in ["", ALICE] {
        for field in [("Service-Worker", "script"), ("Sec-Fetch-Dest", "serviceworker")] {
            let answer = served.get_in(label, "/app.js", &[field]).await;
            assert_eq!(answer.status, 403, "{label} {field:?}");
            assert_ne!(answer.header("content-type"), "text/javascript; charset=utf-8");
        }
    }
}

#[tokio::test]
async fn a_client_that_has_asked_all_it_wants_gets_its_answer() {
    use tokio::io::AsyncWriteExt as _;
    let served = serve().await;
    for (head, status) in [(format!("Host: {}", served.host("")), 200), ("broken".into(), 400)] {
        let mut connection = served.connect().await;
        connection.write(format!("GET / HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).await;
        connection.stream.shutdown().await.unwrap();
        assert_eq!(connection.answer().await.status, status);
        assert!(connection.is_closed().await);
    }
}
