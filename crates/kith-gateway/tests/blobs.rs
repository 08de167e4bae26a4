//! Files that people share are read: in ranges, while they are still coming, under their names.

mod fixture;

use fixture::client::serve;
use fixture::shared::BROKEN;
use fixture::{ALICE, BOB};

const FILE: &str = "/.kith/blobs/abcd";

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

#[tokio::test]
async fn a_file_is_read_whole_and_in_ranges() {
    let served = serve().await;
    let bytes = bytes(1_000_000);
    served.node.shared.add(ALICE, "abcd", ("film.mp4", "video/mp4"), bytes.clone(), bytes.len());
    let whole = served.get_in(ALICE, FILE, &[]).await;
    assert_eq!((whole.status, whole.body == bytes), (200, true));
    assert_eq!(whole.header("content-type"), "video/mp4");
    assert_eq!(whole.header("accept-ranges"), "bytes");
    assert_eq!(whole.header("content-length"), "1000000");
    let disposition = "inline; filename=\"film.mp4\"; filename*=UTF-8''film.mp4";
    assert_eq!(whole.header("content-disposition"), disposition);
    for (range, status, part, content_range) in [
        ("bytes=2-4", 206, 2..5, "bytes 2-4/1000000"),
        ("bytes=999990-", 206, 999_990..1_000_000, "bytes 999990-999999/1000000"),
        ("bytes=-10", 206, 999_990..1_000_000, "bytes 999990-999999/1000000"),
        ("bytes=0-", 206, 0..1_000_000, "bytes 0-999999/1000000"),
        ("bytes=200000-799999", 206, 200_000..800_000, "bytes 200000-799999/1000000"),
        ("bytes=1000000-", 416, 0..0, "bytes */1000000"),
        ("bytes=9-2", 416, 0..0, "bytes */1000000"),
        ("bytes=0-1,5-6", 200, 0..1_000_000, ""),
    ] {
        let answer = served.get_in(ALICE, FILE, &[("Range", range)]).await;
        let found = (answer.status, answer.header("content-range"));
        assert_eq!(found, (status, content_range), "{range}");
        assert!(answer.body == bytes[part], "{range}");
    }
    let tag = whole.header("etag");
    let older = [("Range", "bytes=2-4"), ("If-Range", "\"older\"")];
    assert_eq!(served.get_in(ALICE, FILE, &older).await.status, 200);
    let same = [("Range", "bytes=2-4"), ("If-Range", tag)];
    assert_eq!(served.get_in(ALICE, FILE, &same).await.status, 206);
    let known = served.get_in(ALICE, FILE, &[("If-None-Match", tag)]).await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    let cookie = format!("kith={}", served.node.session(ALICE));
    let head = served.request("HEAD", ALICE, FILE, &[("Cookie", &cookie)]).await;
    assert_eq!((head.status, head.header("content-length")), (200, "1000000"));
}

#[tokio::test]
async fn an_empty_file_is_read() {
    let served = serve().await;
    served.node.shared.add(ALICE, "abcd", ("empty.txt", "text/plain"), Vec::new(), 0);
    let empty = served.get_in(ALICE, FILE, &[]).await;
    assert_eq!((empty.status, empty.header("content-length"), empty.body.len()), (200, "0", 0));
    let ranged = served.get_in(ALICE, FILE, &[("Range", "bytes=0-")]).await;
    assert_eq!((ranged.status, ranged.header("content-range")), (416, "bytes */0"));
}

#[tokio::test]
async fn a_file_is_its_spaces_alone_and_needs_the_cookie() {
    let served = serve().await;
    served.node.shared.add(ALICE, "abcd", ("a.png", "image/png"), bytes(10), 10);
    served.node.shared.add(ALICE, "ab/in a folder/ä.txt", ("ä.txt", "text/plain"), bytes(3), 3);
    assert_eq!(served.get_in(ALICE, FILE, &[]).await.status, 200);
    let inner = served.get_in(ALICE, "/.kith/blobs/ab/in%20a%20folder/%C3%A4.txt", &[]).await;
    assert_eq!(inner.body, bytes(3));
    assert_eq!(served.get_in(BOB, FILE, &[]).await.status, 404);
    assert_eq!(served.get(ALICE, FILE, &[]).await.status, 403);
    assert_eq!(served.get("", FILE, &[]).await.status, 404);
    let foreign = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "image")];
    assert_eq!(served.get_in(ALICE, FILE, &foreign).await.status, 403);
    for path in ["/.kith/blobs", "/.kith/blobs/", "/.kith/blobs/ab/", "/.kith/blobs/ab/../abcd"] {
        assert_eq!(served.get_in(ALICE, path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_file_is_saved_under_its_name_and_shown_only_as_what_can_do_nothing() {
    let served = serve().await;
    let name = "“Übersicht”\r\nx: y.html";
    served.node.shared.add(ALICE, "abcd", (name, "text/html"), bytes(10), 10);
    let answer = served.get_in(ALICE, &format!("{FILE}?a=b&download"), &[]).await;
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("x"), "");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"__bersicht___x: y.html\"; filename*=UTF-8''\
         %E2%80%9C%C3%9Cbersicht%E2%80%9D%0D%0Ax%3A%20y.html"
    );
}

#[tokio::test]
async fn bytes_that_are_still_coming_are_waited_for() {
    let served = serve().await;
    let bytes = bytes(600_000);
    let file = served.node.shared.add(ALICE, "abcd", ("a", ""), bytes.clone(), 100_000);
    let (answer, ()) = tokio::join!(served.get_in(ALICE, FILE, &[]), async {
        for here in [100_001, 350_000, 600_000] {
            let mut read = file.read.subscribe();
            let before = *file.here.borrow();
            read.wait_for(|read| *read == before).await.unwrap();
            file.here.send_replace(here);
        }
    });
    assert!(answer.body == bytes);
    let jump = served.get_in(ALICE, FILE, &[("Range", "bytes=599999-")]).await;
    assert_eq!(jump.body, bytes[599_999..]);
}

#[tokio::test]
async fn a_reader_that_goes_away_ends_its_read() {
    let served = serve().await;
    let file = served.node.shared.add(ALICE, "abcd", ("a", ""), bytes(600_000), 0);
    let mut reads = file.reads.subscribe();
    let cookie = served.node.session(ALICE);
    let mut connection = served.connect().await;
    let host = served.host(ALICE);
    let get = format!("GET {FILE} HTTP/1.1\r\nHost: {host}\r\nCookie: kith={cookie}\r\n\r\n");
    connection.write(get.as_bytes()).await;
    reads.wait_for(|reads| *reads == 1).await.unwrap();
    drop(connection);
    reads.wait_for(|reads| *reads == 0).await.unwrap();
}

#[tokio::test]
async fn a_slow_reader_is_read_for_no_faster() {
    let served = serve().await;
    let size = 64 * 1024 * 1024;
    let file = served.node.shared.add(ALICE, "abcd", ("a", ""), vec![7; size], size);
    let cookie = served.node.session(ALICE);
    let mut connection = served.connect().await;
    let host = served.host(ALICE);
    let get = format!("GET {FILE} HTTP/1.1\r\nHost: {host}\r\nCookie: kith={cookie}\r\n\r\n");
    connection.write(get.as_bytes()).await;
    // Another one is served meanwhile, from end to end; the first one's bytes fill the buffers.
    let other = served.get_in(ALICE, FILE, &[("Range", "bytes=0-9999999")]).await;
    assert_eq!(other.body.len(), 10_000_000);
    let read = *file.read.borrow();
    assert!(read < 10_000_000 + size / 2, "{read} bytes were read");
    assert!(connection.answer().await.body.len() == size);
}

#[tokio::test]
async fn a_file_that_breaks_off_ends_its_connection() {
    let served = serve().await;
    served.node.shared.add(ALICE, "abcd", (BROKEN, ""), bytes(1_000), 500);
    let mut connection = served.connect().await;
    let cookie = served.node.session(ALICE);
    let host = served.host(ALICE);
    let get = format!("GET {FILE} HTTP/1.1\r\nHost: {host}\r\nCookie: kith={cookie}\r\n\r\n");
    connection.write(get.repeat(2).as_bytes()).await;
    let sent = connection.drain_text().await;
    assert!(sent.contains("content-length: 1000\r\n"), "{sent:?}");
    assert_eq!(sent.matches("HTTP/1.1").count(), 1, "{sent:?}");
    let body = sent.split("\r\n\r\n").nth(1).unwrap();
    assert!(body.chars().count() <= 500, "{sent:?}");
}
