//! What was fetched for an opening that came to nothing does not stay.

mod fixture;

use futures_util::StreamExt;
use kith_api::{
    Caller, Doorkeeper, Empty, ErrorCode, Event, Events, OpenBegin, OpenConfirm, OpeningRef,
    OpeningStage, Publish, Service, SpaceChoice, Subscription,
};
use kith_node::Node;
use tempfile::TempDir;

use fixture::start;

const OWNER: Caller = Caller::Owner;

/// Publishes an app; its link.
async fn publish(node: &Node, files: &[(&str, &[u8])]) -> String {
    let app = TempDir::new().expect("a directory");
    for (name, bytes) in files {
        std::fs::write(app.path().join(name), bytes).expect("a file");
    }
    let publish = Publish { path: app.path().to_string_lossy().into(), key: Some("key".into()) };
    node.apps_publish(&OWNER, publish).await.expect("it is published").link
}

const APP: [(&str, &[u8]); 3] = [
    ("index.html", b"<p>Hello</p>"),
    ("manifest.toml", b"name = \"Notes\""),
    ("icon.png", b"\x89PNG\r\n\x1a\n"),
];

/// Opens a link up to where the person is asked.
async fn ask(node: &Node, link: &str) -> String {
    let begin = OpenBegin { target: link.into(), new_space: false, yes: false };
    let opening = node.open_begin(&OWNER, begin).await.expect("it begins").opening;
    let watch = Subscription::Opening { opening: opening.clone() };
    let mut stages = node.subscribe(&OWNER, watch).await.expect("it is told");
    loop {
        match stages.next().await {
            Some(Event::Opening(event)) => match event.stage {
                OpeningStage::Fetching { .. } => {}
                OpeningStage::Asking { .. } => return opening,
                stage => panic!("{stage:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

fn files(dir: &TempDir) -> usize {
    std::fs::read_dir(dir.path().join("blobs")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_goes_with_the_opening_it_was_fetched_for() {
    let (from, to) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let (a, b) = (start(from.path(), "Ada", &[]).await, start(to.path(), "Ada", &[]).await);
    let link = publish(&a, &APP).await;

    let opening = ask(&b, &link).await;
    assert_eq!(files(&to), 2);
    let cancel = OpeningRef { opening: opening.clone() };
    b.open_cancel(&OWNER, cancel.clone()).await.expect("it is cancelled");
    assert_eq!(files(&to), 0);
    let confirm = OpenConfirm { opening, space: SpaceChoice::Own };
    let error = b.open_confirm(&OWNER, confirm).await.expect_err("the person said no");
    assert_eq!(error.code, ErrorCode::NotFound);

    // The person was asked, and kith was stopped before there was an answer.
    ask(&b, &link).await;
    assert_eq!(files(&to), 2);
    b.close().await;
    let b = start(to.path(), "Ada", &[]).await;
    assert_eq!(files(&to), 0);

    // Two at once: what one has no use for, the other may.
    let (first, second) = (ask(&b, &link).await, ask(&b, &link).await);
    b.open_cancel(&OWNER, OpeningRef { opening: first }).await.expect("it is cancelled");
    let confirm = OpenConfirm { opening: second.clone(), space: SpaceChoice::Own };
    b.open_confirm(&OWNER, confirm).await.expect("it is installed");
    b.open_cancel(&OWNER, OpeningRef { opening: second }).await.expect("nothing is left to cancel");
    assert_eq!(files(&to), 2);
    b.close().await;
    let b = start(to.path(), "Ada", &[]).await;
    assert_eq!(files(&to), 2);
    a.close().await;
    b.close().await;
}

/// A bundle that the disk damaged is noticed, and fetched again with the next link.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_bundle_is_fetched_anew() {
    let (from, to) = (TempDir::new().expect("a directory"), TempDir::new().expect("a directory"));
    let (a, b) = (start(from.path(), "Ada", &[]).await, start(to.path(), "Ada", &[]).await);
    let link = publish(&a, &APP).await;
    let opening = ask(&b, &link).await;
    let confirm = OpenConfirm { opening, space: SpaceChoice::Own };
    let opened = b.open_confirm(&OWNER, confirm).await.expect("it is installed");
    b.close().await;
    for file in std::fs::read_dir(to.path().join("blobs")).expect("blobs") {
        let path = file.expect("a file").path();
        let bytes = std::fs::read(&path).expect("it is read");
        std::fs::write(&path, vec![7; bytes.len()]).expect("it is damaged");
    }

    let b = start(to.path(), "Ada", &[]).await;
    let label = opened.url.trim_start_matches("http://").split('.').next().expect("a label");
    let origin = b.origin(label).expect("it is served");
    assert!(origin.ready, "not noticed yet");
    let error = b.file(&origin, "index.html").await.expect_err("it is damaged");
    assert_eq!(error.code, ErrorCode::Storage);
    assert!(
        b.origin(label).is_some_and(|origin| !origin.ready),
        "its page says what is to be done"
    );
    let page = Caller::Page { app: origin.app, space: origin.space };
    let error = b.subscribe(&page, Subscription::Arrival).await.err().expect("nothing arrives");
    assert_eq!((error.code, error.todo.is_empty()), (ErrorCode::NotFound, false));

    let opening = ask(&b, &link).await;
    let confirm = OpenConfirm { opening, space: SpaceChoice::Own };
    b.open_confirm(&OWNER, confirm).await.expect("it is installed again");
    let file = b.file(&origin, "index.html").await.expect("it is whole");
    assert_eq!(&*file.bytes, b"<p>Hello</p>");
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn icons_are_listed_and_not_told_again_and_again() {
    let dir = TempDir::new().expect("a directory");
    let node = start(dir.path(), "Ada", &[]).await;
    let before = node.node_status(&OWNER, Empty {}).await.expect("it is told").apps.len();
    publish(&node, &APP).await;
    let apps = node.apps_list(&OWNER, Empty {}).await.expect("they are listed").apps;
    let notes = apps.iter().find(|app| app.name == "Notes").expect("it is listed");
    assert!(notes.ours && notes.icon.as_ref().is_some_and(|icon| icon.starts_with("data:image/")));
    let status = node.node_status(&OWNER, Empty {}).await.expect("it is told");
    assert_eq!(status.apps.len(), before + 1);
    assert!(status.apps.iter().all(|app| app.icon.is_none()), "{:?}", status.apps);

    // A new version is told at once.
    publish(&node, &[("index.html", b"2"), ("manifest.toml", b"name = \"Notes 2\"")]).await;
    let status = node.node_status(&OWNER, Empty {}).await.expect("it is told");
    assert!(status.apps.iter().any(|app| app.name == "Notes 2" && app.version == 2));
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_can_not_be_published() {
    let dir = TempDir::new().expect("a directory");
    let node = start(dir.path(), "Ada", &[]).await;
    let publish = Publish { path: "/dev/zero".into(), key: None };
    let error = node.apps_publish(&OWNER, publish).await.expect_err("it has no end");
    assert_eq!(error.code, ErrorCode::BadBundle);
    node.close().await;
}
