//! Tokens work once, at their own place; a cookie opens its own space.

mod fixture;

use fixture::client::serve;
use fixture::{ALICE, BOB};

#[tokio::test]
async fn a_token_works_once_and_leads_to_the_same_path_without_it() {
    let served = serve().await;
    let token = served.node.token(ALICE);
    let path = format!("/sub/?a=1&kith-token={token}&b=2");
    let looked = served.request("HEAD", ALICE, &path, &[]).await;
    assert_eq!((looked.status, looked.header("set-cookie")), (403, ""), "a look takes nothing");
    let answer = served.get(ALICE, &path, &[("Sec-Fetch-Site", "none")]).await;
    assert_eq!(answer.status, 303);
    let host = served.host(ALICE);
    assert_eq!(answer.header("location"), format!("http://{host}/sub/?a=1&b=2"));
    let cookie = answer.header("set-cookie");
    for part in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(cookie.split("; ").any(|one| one == part), "{cookie}");
    }
    assert!(cookie.starts_with("kith=") && !cookie.contains("Domain"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    assert_eq!(served.get(ALICE, "/", &[("Cookie", session)]).await.status, 200);
    let other = format!("a=b; {session}; kith=wrong");
    assert_eq!(served.get(ALICE, "/", &[("Cookie", &other)]).await.status, 200);

    let again = served.get(ALICE, &path, &[]).await;
    assert_eq!((again.status, again.header("set-cookie")), (403, ""));
    let restored = served.get(ALICE, &path, &[("Cookie", session)]).await;
    assert_eq!((restored.status, restored.header("set-cookie")), (303, ""));
}

#[tokio::test]
async fn from_another_origin_a_page_goes_on_by_itself() {
    let served = serve().await;
    let path = format!("/?kith-token={}", served.node.token(ALICE));
    let fields = [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Mode", "navigate"),
        ("Sec-Fetch-Dest", "document"),
    ];
    let answer = served.get(ALICE, &path, &fields).await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("set-cookie").starts_with("kith="));
    assert!(answer.text().contains("location.replace"));
}

#[tokio::test]
async fn tokens_and_cookies_of_other_places_open_nothing() {
    let served = serve().await;
    for place in [BOB, ""] {
        let token = served.node.token(place);
        let answer = served.get(ALICE, &format!("/?kith-token={token}"), &[]).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{place}");
        let cookie = format!("kith={}", served.node.session(place));
        for path in ["/", "/app.js", "/webxdc.js", "/.kith/kith.js", "/missing"] {
            let answer = served.get(ALICE, path, &[("Cookie", &cookie)]).await;
            assert_eq!(answer.status, 403, "{place} {path}");
        }
        assert_eq!(
            served.try_socket(ALICE, &[("Cookie", &cookie)]).await.err().unwrap().status,
            403
        );
    }
    let answer = served.get("", &format!("/?kith-token={}", served.node.token("")), &[]).await;
    assert_eq!((answer.status, answer.header("set-cookie")), (200, ""), "the dashboard has none");
}

#[tokio::test]
async fn a_redirect_stays_on_its_origin() {
    let served = serve().await;
    for path in ["//evil.test/", "/%2fevil.test/", "/\\evil.test", "/@evil.test"] {
        let token = served.node.token(ALICE);
        let answer = served.get(ALICE, &format!("{path}?kith-token={token}"), &[]).await;
        let own = format!("http://{}/", served.host(ALICE));
        let location = answer.header("location");
        assert!(answer.status == 400 || location.starts_with(&own), "{path}: {location}");
    }
}
