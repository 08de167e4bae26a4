//! Files: content types, tags, compression, ranges, folders, kith's own scripts.

mod fixture;

use std::io::Read as _;

use fixture::client::serve;
use fixture::{ALICE, BOB, LATER};

#[tokio::test]
async fn a_file_is_sent_once_and_compressed() {
    let served = serve().await;
    let plain = served.get_in(ALICE, "/app.js", &[]).await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(plain.header("content-type"), "text/javascript; charset=utf-8");
    assert_eq!(plain.header("cache-control"), "private, no-cache");
    let gzip = [("Accept-Encoding", "gzip, deflate, br, zstd")];
    for _ in 0..2 {
        let packed = served.get_in(ALICE, "/app.js", &gzip).await;
        assert_eq!(packed.header("content-encoding"), "gzip");
        assert_eq!(packed.header("vary"), "accept-encoding");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, plain.body);
        assert_ne!(packed.header("etag"), plain.header("etag"));
        let tags = format!("\"other\", W/{}", packed.header("etag"));
        let again = served.get_in(ALICE, "/app.js", &[gzip[0], ("If-None-Match", &tags)]).await;
        assert_eq!((again.status, again.body.len()), (304, 0));
    }
    let tiny = served.get_in(ALICE, "/sub/", &gzip).await;
    assert_eq!((tiny.header("content-encoding"), tiny.text().as_str()), ("", "sub"));
}

#[tokio::test]
async fn a_range_of_a_file_is_sent() {
    let served = serve().await;
    for (range, status, body, content_range) in [
        ("bytes=2-4", 206, "234", "bytes 2-4/10"),
        ("bytes=7-", 206, "789", "bytes 7-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=-99", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=8-99", 206, "89", "bytes 8-9/10"),
        ("bytes=10-", 416, "", "bytes */10"),
        ("bytes=4-2", 416, "", "bytes */10"),
        ("bytes=-0", 416, "", "bytes */10"),
        ("bytes=0-1,3-4", 200, "0123456789", ""),
        ("bytes=18446744073709551615-", 416, "", "bytes */10"),
        ("bytes=0-18446744073709551615", 206, "0123456789", "bytes 0-9/10"),
        ("bytes=99999999999999999999-", 200, "0123456789", ""),
    ] {
        let answer = served.get_in(ALICE, "/data.bin", &[("Range", range)]).await;
        let found = (answer.status, answer.text(), answer.header("content-range"));
        assert_eq!(found, (status, body.into(), content_range), "{range}");
    }
    let fields = [("Range", "bytes=2-4"), ("If-Range", "\"older\"")];
    assert_eq!(served.get_in(ALICE, "/data.bin", &fields).await.status, 200);
}

#[tokio::test]
async fn head_has_no_body() {
    let served = serve().await;
    let answer = served.request("HEAD", "", "/", &[]).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_ne!(answer.header("content-length"), "0");
}

#[tokio::test]
async fn a_folder_shows_its_index() {
    let served = serve().await;
    let page = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    assert_eq!(served.get_in(ALICE, "/sub/?a", &[]).await.text(), "sub");
    let answer = served.get_in(ALICE, "/sub?a", &page).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/sub/?a"));
    assert_eq!(served.get_in(ALICE, "/sub", &[]).await.status, 404);
    for path in ["/../Cargo.toml", "/%2e%2e/x", "/sub/..%2f..%2fx", "/sub//index.html"] {
        assert_eq!(served.get_in(ALICE, path, &[]).await.status, 404, "{path}");
        assert_eq!(served.get("", path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn webxdc_knows_its_person_and_no_name_breaks_out() {
    let served = serve().await;
    let script = served.get_in(ALICE, "/webxdc.js", &[]).await.text();
    let expected =
        format!(r#"window.webxdc = {{"id":"id-of-{ALICE}","name":"</script>{ALICE}"}};"#);
    assert_eq!(script.trim(), expected);
}

#[tokio::test]
async fn an_app_that_arrives_in_time_is_shown_at_once() {
    let served = serve().await;
    let page = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")];
    let answer = served.get_in(LATER, "/", &page).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("<h1>loading</h1>"));
    let nonce = answer.header("content-security-policy").split('\'').nth(3).unwrap().to_owned();
    let attribute = nonce.replace("nonce-", "nonce=\"");
    assert!(answer.text().contains(&attribute), "{nonce}");
    let (answer, ()) = tokio::join!(served.get_in(LATER, "/", &page), async {
        served.node.arrive(LATER);
    });
    assert!(answer.text().contains(LATER), "{}", answer.text());
}

#[tokio::test]
async fn browsers_that_ask_for_an_icon_get_the_bundles() {
    let served = serve().await;
    served.node.add_file(ALICE, "icon.png", "image/png", b"picture");
    let icon = served.get_in(ALICE, "/favicon.ico", &[]).await;
    assert_eq!((icon.status, icon.header("content-type")), (200, "image/png"));
    assert_eq!(served.get_in(BOB, "/favicon.ico", &[]).await.status, 404);
}
