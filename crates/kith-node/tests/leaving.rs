//! Leaving a space: its pages are told, and their subscriptions end.

mod fixture;

use futures_util::{FutureExt, StreamExt};
use kith_api::{
    Caller, CreateSpace, Doorkeeper, Empty, ErrorCode, Event, Events, PageUrl, Service, SpaceRef,
    Subscription,
};
use kith_app::{AppId, SpaceSecret};
use kith_node::Node;
use kith_node::store::{Options, SpaceRecord, Store};
use tempfile::TempDir;

use fixture::start;

async fn create(node: &Node) -> Result<(String, Caller), kith_api::Error> {
    let create = CreateSpace { app: "chat".into(), name: None, public: false };
    let opened = node.spaces_create(&Caller::Owner, create).await?;
    let space = kith_log::SpaceId::from_hex(&opened.space).expect("an id");
    let page = Caller::Page { app: opened.app.parse().expect("an id"), space };
    Ok((opened.space, page))
}

#[tokio::test]
async fn the_pages_of_a_space_that_is_left_are_told() {
    let dir = TempDir::new().expect("a directory");
    let node = start(dir.path(), "Ada", &[]).await;
    let (space, page) = create(&node).await.expect("a space");
    let (_, other) = create(&node).await.expect("a space");
    let mut streams = Vec::new();
    for to in [
        Subscription::Entries { after: 0, kind: None },
        Subscription::Messages,
        Subscription::Presence,
    ] {
        streams.push(node.subscribe(&page, to).await.expect("it is told"));
    }
    assert!(node.place_lost(&page).now_or_never().is_none());
    let url =
        node.page_url(&Caller::Owner, PageUrl { space: Some(space.clone()), path: String::new() });
    let url = url.await.expect("it has a page").url;
    let label = url.trim_start_matches("http://").split('.').next().expect("a label").to_owned();
    assert!(node.origin(&label).is_some() && !node.removed(&label));

    let lost = node.place_lost(&page);
    let leave = node.spaces_leave(&Caller::Owner, SpaceRef { space: space.clone() });
    let ((), left) = tokio::join!(lost, leave);
    left.expect("it is left");
    for mut stream in streams {
        // Of a state, what waits is told before the end.
        while let Some(event) = stream.next().await {
            assert!(matches!(event, Event::Presence(_)), "{event:?}");
        }
    }
    assert!(node.place_lost(&page).now_or_never().is_some(), "who comes late is told at once");
    assert!(node.place_lost(&other).now_or_never().is_none());
    assert!(node.place_lost(&Caller::Owner).now_or_never().is_none());
    assert!(node.origin(&label).is_none());
    assert_eq!([node.removed(&label), node.removed(&label)], [true, false], "it is said once");
    let error = node.me(&page, Empty {}).await.expect_err("nobody is there");
    assert_eq!(error.code, ErrorCode::NotFound);
    let again = node.spaces_leave(&Caller::Owner, SpaceRef { space }).await;
    assert_eq!(again.expect_err("it was left").code, ErrorCode::NotFound);
    node.close().await;
}

/// One space too many keeps no other closed, and one that can't be opened is not kept.
#[tokio::test]
async fn a_node_starts_with_more_spaces_than_it_can_open() {
    let dir = TempDir::new().expect("a directory");
    let store = Store::open(dir.path(), Options::default()).expect("it opens");
    let spaces = kith_overlay::space::MAX_SPACES + 1;
    let added = (0..spaces).map(async |n| {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&n.to_be_bytes());
        let record = SpaceRecord {
            app: AppId::from_bytes([7; 32]),
            secret: SpaceSecret::from_bytes(secret),
            public: false,
            name: format!("{n}"),
            joined: 0,
            used: 0,
        };
        store.add_space(record).await.expect("it is added");
    });
    futures_util::future::join_all(added).await;
    store.close().await;
    drop(store);

    let node = start(dir.path(), "Ada", &[]).await;
    let status = node.node_status(&Caller::Owner, Empty {}).await.expect("it is told");
    assert_eq!(status.problems.len(), 1, "{:?}", status.problems);
    assert_eq!(status.problems[0].error.code, ErrorCode::TooMany);
    let listed = async || {
        let listed = node.spaces_list(&Caller::Owner, Empty {}).await;
        listed.expect("they are listed").spaces
    };
    assert_eq!(listed().await.len(), spaces);
    let error = create(&node).await.expect_err("there is no room");
    assert_eq!(error.code, ErrorCode::TooMany);
    let all = listed().await;
    assert_eq!(all.len(), spaces, "what could not be opened is not kept");
    for space in all.into_iter().take(2) {
        let leave = SpaceRef { space: space.space };
        node.spaces_leave(&Caller::Owner, leave).await.expect("also one that is not open");
    }
    assert_eq!(listed().await.len(), spaces - 2);
    node.close().await;
}
