//! Two nodes in one process, over loopback: an invitation leads into the same space, and what one
//! writes the other reads.

mod fixture;

use std::sync::Arc;

use futures_util::StreamExt;
use kith_api::{
    Append, Body, Caller, Empty, EntryKind, Event, Events, Invite, OpenBegin, OpenedSpace, Origin,
    Read, SendMessage, Service, Subscription,
};
use kith_node::Node;
use serde_json::json;
use tempfile::TempDir;

use fixture::start;

async fn open(node: &Node, target: &str) -> OpenedSpace {
    let begin = OpenBegin { target: target.into(), new_space: false, yes: true };
    let begun = node.open_begin(&Caller::Owner, begin).await.expect("it opens");
    begun.opened.expect("with yes it is open at once")
}

fn page(opened: &OpenedSpace) -> Caller {
    Caller::Page {
        app: opened.app.parse().expect("an id"),
        space: kith_log::SpaceId::from_hex(&opened.space).expect("an id"),
    }
}

fn says(text: &str) -> Append {
    let body = Body::Json(json!({ "text": text }));
    Append { body, kind: EntryKind::App, attachments: Vec::new() }
}

/// The next entry's body.
async fn next(events: &mut kith_api::EventStream) -> Body {
    match events.next().await {
        Some(Event::Entry(event)) => event.entry.body.expect("a body"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_leads_into_the_same_space_and_all_of_it_crosses() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (start(dirs[0].path(), "Ada", &[]).await, start(dirs[1].path(), "Bob", &[]).await);
    let on_a = open(&a, "chat").await;
    let caller_a = page(&on_a);
    a.space_append(&caller_a, says("before")).await.unwrap();

    let invite = Invite { target: on_a.space.clone() };
    let link = a.spaces_invite(&Caller::Owner, invite).await.unwrap().link;
    let on_b = open(&b, &link).await;
    assert_eq!(on_b.space, on_a.space);
    let caller_b = page(&on_b);

    let from_start = Subscription::Entries { after: 0, kind: None };
    let mut seen_b = b.subscribe(&caller_b, from_start.clone()).await.unwrap();
    assert_eq!(next(&mut seen_b).await, says("before").body);
    a.space_append(&caller_a, says("after")).await.unwrap();
    assert_eq!(next(&mut seen_b).await, says("after").body);

    let mut seen_a = a.subscribe(&caller_a, from_start).await.unwrap();
    b.space_append(&caller_b, says("back")).await.unwrap();
    let mut last = next(&mut seen_a).await;
    while last != says("back").body {
        last = next(&mut seen_a).await;
    }

    // Messages that are not kept go to whoever is here.
    let mut messages = b.subscribe(&caller_b, Subscription::Messages).await.unwrap();
    let typing = Body::Json(json!("typing"));
    let sent = a.space_send(&caller_a, SendMessage { body: typing.clone() }).await.unwrap();
    assert_eq!(sent.to, 1);
    let Some(Event::Message(message)) = messages.next().await else { panic!("a message") };
    assert_eq!(message.body, typing);

    let members = b.space_members(&caller_b, Empty {}).await.unwrap().members;
    let mut names: Vec<_> = members.iter().map(|member| member.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["Ada", "Bob"]);
    assert_eq!(message.from, members.iter().find(|member| !member.me).unwrap().id);

    let same = a.space_read(&caller_a, Read::default()).await.unwrap().entries.len();
    assert_eq!(same, 3);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_app_is_fetched_from_whoever_made_the_link() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (start(dirs[0].path(), "Ada", &[]).await, start(dirs[1].path(), "Bob", &[]).await);
    let app = TempDir::new().unwrap();
    std::fs::write(app.path().join("index.html"), "<p>Hello</p>").unwrap();
    std::fs::write(app.path().join("manifest.toml"), "name = \"Notes\"").unwrap();
    let publish = kith_api::Publish { path: app.path().to_string_lossy().into(), key: None };
    let published = a.apps_publish(&Caller::Owner, publish).await.unwrap();

    let begin = OpenBegin { target: published.link, new_space: false, yes: false };
    let opening = b.open_begin(&Caller::Owner, begin).await.unwrap().opening;
    let watch = Subscription::Opening { opening: opening.clone() };
    let mut stages = b.subscribe(&Caller::Owner, watch).await.unwrap();
    let app = loop {
        let Some(Event::Opening(event)) = stages.next().await else { panic!("a stage") };
        match event.stage {
            kith_api::OpeningStage::Fetching { .. } => {}
            kith_api::OpeningStage::Asking { app, invited } => {
                assert!(!invited);
                break app;
            }
            stage => panic!("{stage:?}"),
        }
    };
    assert_eq!((app.name.as_str(), app.version), ("Notes", 1));
    let installed = b.apps_list(&Caller::Owner, Empty {}).await.unwrap().apps;
    assert!(installed.iter().all(|app| app.bundled), "not yet installed");
    let confirm = kith_api::OpenConfirm { opening, space: kith_api::SpaceChoice::Own };
    let opened = b.open_confirm(&Caller::Owner, confirm).await.unwrap();
    let service: Arc<dyn Service> = Arc::new(b.clone());
    let file = service.file(&origin_of(&opened), "index.html").await.unwrap();
    assert_eq!(&*file.bytes, b"<p>Hello</p>");
    assert_eq!(file.content_type, "text/html; charset=utf-8");
    a.close().await;
    b.close().await;
}

fn origin_of(opened: &OpenedSpace) -> Origin {
    let space = kith_log::SpaceId::from_hex(&opened.space).expect("an id");
    let app = opened.app.parse().expect("an id");
    Origin { app, space, ready: true, granted: Vec::new() }
}
