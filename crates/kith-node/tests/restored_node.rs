//! A node whose directory was put back from a backup, byte by byte, so that nothing on its machine
//! tells. It writes on, and then meets those who hold what it lost: nobody sees a fork, nothing is
//! lost, and all see the same.

mod fixture;

use std::collections::BTreeSet;

use futures_util::StreamExt;
use kith_api::{
    Append, Body, Caller, Empty, EntryKind, Event, Events, Invite, OpenBegin, OpenedSpace, Read,
    Service, Subscription,
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

async fn say(node: &Node, page: &Caller, what: &str, count: usize) -> Vec<String> {
    let mut said = Vec::new();
    for n in 0..count {
        let text = format!("{what} {n}");
        let body = Body::Json(json!(text));
        let append = Append { body, kind: EntryKind::App, attachments: Vec::new() };
        node.space_append(page, append).await.expect("it is written");
        said.push(text);
    }
    said
}

fn text(body: Option<Body>) -> String {
    match body {
        Some(Body::Json(serde_json::Value::String(text))) => text,
        other => panic!("{other:?}"),
    }
}

/// Waits until a page has been told all of these.
async fn hears(node: &Node, page: &Caller, all: &[String]) {
    let from_start = Subscription::Entries { after: 0, kind: None };
    let mut events = node.subscribe(page, from_start).await.expect("it is told");
    let mut missing: BTreeSet<_> = all.iter().cloned().collect();
    while !missing.is_empty() {
        match events.next().await {
            Some(Event::Entry(event)) => missing.remove(&text(event.entry.body)),
            other => panic!("{other:?}"),
        };
    }
}

/// All is here, once; nobody forked; nothing is wrong.
async fn is_whole(node: &Node, page: &Caller, all: &[String], people: usize) {
    let read = Read { limit: Some(1_000), ..Read::default() };
    let entries = node.space_read(page, read).await.expect("it is read").entries;
    let mut here: Vec<_> = entries.into_iter().map(|entry| text(entry.body)).collect();
    here.sort();
    let mut all = all.to_vec();
    all.sort();
    assert_eq!(here, all);
    let members = node.space_members(page, Empty {}).await.expect("it is told").members;
    assert_eq!(members.len(), people, "{members:?}");
    assert!(members.iter().all(|member| !member.forked), "{members:?}");
    let problems = node.node_status(&Caller::Owner, Empty {}).await.expect("it is told").problems;
    assert!(problems.is_empty(), "{problems:?}");
}

async fn a_backup_that_wrote_on_converges(lost: usize, kept: usize, then_copied: bool) {
    let dirs = [(); 4].map(|()| TempDir::new().expect("a directory"));
    let [mut ada, bob, cleo, copy] = dirs.each_ref().map(TempDir::path);
    let (a, b, c) =
        (start(ada, "Ada", &[]).await, start(bob, "Bob", &[]).await, start(cleo, "C", &[]).await);
    let opened = open(&a, "chat").await;
    let page = page(&opened);
    let invite = Invite { target: opened.space.clone() };
    let link = a.spaces_invite(&Caller::Owner, invite).await.expect("a link").link;
    open(&b, &link).await;
    open(&c, &link).await;
    let mut all = say(&a, &page, "before", 3).await;
    hears(&b, &page, &all).await;
    hears(&c, &page, &all).await;
    c.close().await;
    a.close().await;
    let files = ["kith.redb", "opened"].map(|name| ada.join(name));
    let backup = files.each_ref().map(|file| std::fs::read(file).expect("a backup"));

    // It goes on for a while, and only Bob is there.
    let a = start(ada, "Ada", &[&b]).await;
    all.extend(say(&a, &page, "lost", lost).await);
    hears(&b, &page, &all).await;
    a.close().await;
    b.close().await;
    for (file, bytes) in files.iter().zip(backup) {
        std::fs::write(file, bytes).expect("it is put back");
    }

    // Back at the old state, alone, it writes something else in the same place.
    let mut a = start(ada, "Ada", &[]).await;
    if then_copied {
        // That it is a copy is noticed: it goes on by the next incarnation, before it meets anyone.
        all.extend(say(&a, &page, "under the old name", kept).await);
        a.close().await;
        for name in ["kith.redb", "opened"] {
            std::fs::copy(ada.join(name), copy.join(name)).expect("a copy");
        }
        ada = copy;
        a = start(ada, "Ada", &[]).await;
    }
    let mut watched = a
        .subscribe(&page, Subscription::Entries { after: 0, kind: None })
        .await
        .expect("it is told");
    all.extend(say(&a, &page, "kept", kept).await);
    let b = start(bob, "Bob", &[&a]).await;
    hears(&b, &page, &all).await;
    hears(&a, &page, &all).await;
    let c = start(cleo, "C", &[&a]).await;
    hears(&c, &page, &all).await;

    // Who watched all the while was told everything, once.
    let mut told = Vec::new();
    while told.len() < all.len() {
        match watched.next().await {
            Some(Event::Entry(event)) => told.push(text(event.entry.body)),
            other => panic!("{other:?}"),
        }
    }
    told.sort();
    all.sort();
    assert_eq!(told, all);

    a.close().await;
    let a = start(ada, "Ada", &[&b, &c]).await;
    all_go_on([a, b, c], &page, all).await;
}

/// All hear each other, hold the same, and end.
async fn all_go_on([a, b, c]: [Node; 3], page: &Caller, mut all: Vec<String>) {
    all.extend(say(&a, page, "after", 2).await);
    all.extend(say(&c, page, "too", 1).await);
    for node in [&a, &b, &c] {
        hears(node, page, &all).await;
        is_whole(node, page, &all, 3).await;
    }
    for node in [a, b, c] {
        node.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lost_more_than_it_wrote_since() {
    a_backup_that_wrote_on_converges(5, 2, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lost_less_than_it_wrote_since() {
    a_backup_that_wrote_on_converges(1, 4, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_lost_as_much_as_it_wrote_since() {
    a_backup_that_wrote_on_converges(2, 2, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_wrote_nothing_since() {
    a_backup_that_wrote_on_converges(3, 0, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_was_copied_before_it_met_anyone() {
    a_backup_that_wrote_on_converges(2, 3, true).await;
}
