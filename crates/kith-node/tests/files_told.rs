//! What pages are told of files: those that come only because they are read, and those that went by
//! while nobody listened.

mod fixture;

use std::future::ready;

use bytes::Bytes;
use futures_util::StreamExt;
use kith_api::{
    Append, Attach, BlobRef, Body, Caller, EntryKind, Event, EventStream, Events, FileRef,
    FileStage, FileState, Files, FolderRead, FreeFiles, Invite, JobStage, NewFile, OpenBegin, Read,
    Service, Share, SpaceRef, Subscription,
};
use kith_app::Link;
use kith_log::SpaceId;
use kith_node::Node;
use serde_json::json;
use tempfile::TempDir;

use fixture::start;

async fn open(node: &Node, target: &str) -> (Caller, SpaceId) {
    let begin = OpenBegin { target: target.into(), new_space: false, yes: true };
    let begun = node.open_begin(&Caller::Owner, begin).await.expect("it opens");
    let opened = begun.opened.expect("with yes it is open at once");
    let space = SpaceId::from_hex(&opened.space).expect("an id");
    (Caller::Page { app: opened.app.parse().expect("an id"), space }, space)
}

/// Hands a file in, and says it in the space.
async fn add(node: &Node, page: &Caller, space: &SpaceId, name: &str, bytes: &[u8]) -> FileRef {
    let new = NewFile { name: name.into(), media_type: String::new(), size: None };
    let mut sink = node.receive_file(space, new).await.expect("it is taken");
    for part in bytes.chunks(1 << 20) {
        sink.write(Bytes::copy_from_slice(part)).await.expect("it is written");
    }
    let file = sink.finish().await.expect("it is kept");
    let attach = Attach { hash: file.hash.clone(), name: name.into(), media_type: String::new() };
    let body = Body::Json(json!({}));
    let append = Append { body, kind: EntryKind::App, attachments: vec![attach] };
    node.space_append(page, append).await.expect("it is said");
    file
}

async fn watch(node: &Node, page: &Caller) -> EventStream {
    node.subscribe(page, Subscription::Files).await.expect("it is told")
}

/// The states of one file, as they are told.
fn states(events: EventStream, hash: &str) -> impl futures_util::Stream<Item = FileState> + Unpin {
    let hash = hash.to_owned();
    let states = events.flat_map(move |event| {
        let Event::Files { files } = event else { panic!("{event:?}") };
        let of: Vec<_> = files.into_iter().filter(|state| state.hash == hash).collect();
        futures_util::stream::iter(of)
    });
    Box::pin(states)
}

/// Bob joins Ada's space, and knows what is in it.
async fn learns(a: &Node, space: &SpaceId, b: &Node) -> Caller {
    let invite = Invite { target: space.to_string() };
    let link = a.spaces_invite(&Caller::Owner, invite).await.expect("it is ours").link;
    let (page, _) = open(b, &link).await;
    let from_start = Subscription::Entries { after: 0, kind: None };
    let mut entries = b.subscribe(&page, from_start).await.expect("it is told");
    let names_a_file =
        |event| matches!(event, Event::Entry(event) if !event.entry.attachments.is_empty());
    while !names_a_file(entries.next().await.expect("the space is here")) {}
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_only_read_is_told_as_it_comes() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (start(dirs[0].path(), "Ada", &[]).await, start(dirs[1].path(), "Bob", &[]).await);
    let (page_a, space) = open(&a, "chat").await;
    // No two groups are the same.
    let film: Vec<u8> = (0..6_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let file = add(&a, &page_a, &space, "film.webm", &film).await;
    let page_b = learns(&a, &space, &b).await;

    let mut told = states(watch(&b, &page_b).await, &file.hash);
    let reading = {
        let (b, hash) = (b.clone(), file.hash.clone());
        tokio::spawn(async move {
            let open = b.open_file(&space, &hash).await.expect("it is there");
            let mut at = 0;
            while at < open.size {
                at += open.bytes.read(at, 1 << 20).await.expect("it comes").len() as u64;
            }
        })
    };
    let last = loop {
        let state = told.next().await.expect("the space is here");
        assert_ne!(state.stage, FileStage::Failed, "{state:?}");
        if state.stage == FileStage::Complete {
            break state;
        }
    };
    reading.await.unwrap();
    assert_eq!(last.bytes, file.size);
    let from: u64 = last.from.iter().map(|source| source.bytes).sum();
    assert!(from >= file.size, "who gave it is told: {last:?}");

    // What others added is told apart from what oneself added, and freed without it.
    let this = || SpaceRef { space: space.to_string() };
    let held = b.files_held(&Caller::Owner, this()).await.unwrap();
    assert_eq!((held.others.files, held.own.files), (1, 0));
    assert!(held.others.bytes >= file.size, "{held:?}");
    let free = || FreeFiles { space: space.to_string(), own: false };
    assert_eq!(b.files_free(&Caller::Owner, free()).await.unwrap(), held.others);
    while told.next().await.expect("the space is here").stage != FileStage::Absent {}
    assert_eq!(b.files_held(&Caller::Owner, this()).await.unwrap().others.files, 0);
    let held = a.files_held(&Caller::Owner, this()).await.unwrap();
    assert_eq!((held.others.files, held.own.files), (0, 1));
    assert_eq!(a.files_free(&Caller::Owner, free()).await.unwrap().files, 0);
    let own = FreeFiles { own: true, ..free() };
    assert_eq!(a.files_free(&Caller::Owner, own).await.unwrap(), held.own);
    a.close().await;
    b.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_leaves_a_file_that_rests() {
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let (a, b) = (start(dirs[0].path(), "Ada", &[]).await, start(dirs[1].path(), "Bob", &[]).await);
    let (page_a, space) = open(&a, "chat").await;
    let file = add(&a, &page_a, &space, "film.webm", &[7; 3_000_000]).await;
    let page_b = learns(&a, &space, &b).await;
    // Nobody who has it is there.
    a.close().await;
    let mut told = states(watch(&b, &page_b).await, &file.hash);
    let open = b.open_file(&space, &file.hash).await.unwrap();
    let mut reading = Box::pin(open.bytes.read(0, 1_000));
    let waits = told.by_ref().filter(|state| ready(state.stage == FileStage::Waiting));
    let mut waits = Box::pin(waits);
    tokio::select! {
        read = &mut reading => panic!("{read:?}"),
        state = waits.next() => assert_eq!(state.unwrap().bytes, 0),
    }
    let pause = BlobRef { hash: file.hash.clone() };
    b.blobs_pause(&page_b, pause).await.expect("it comes as long as it is read");
    drop(reading);
    drop(open);
    drop(waits);
    let state = told.next().await.unwrap();
    assert!(!matches!(state.stage, FileStage::Waiting | FileStage::Fetching), "{state:?}");
    b.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_did_not_listen_is_told_the_newest_state_of_each() {
    let dir = TempDir::new().unwrap();
    let node = start(dir.path(), "Ada", &[]).await;
    let (page, space) = open(&node, "chat").await;
    let first = add(&node, &page, &space, "first", b"first").await;
    let mut events = watch(&node, &page).await;
    let Some(Event::Files { files }) = events.next().await else { panic!("the states") };
    assert_eq!(files.len(), 1);
    // More than is remembered of what went by.
    let drops = (0..5_000).map(|_| node.blobs_drop(&page, BlobRef { hash: first.hash.clone() }));
    let mut drops = futures_util::stream::iter(drops).buffer_unordered(256);
    while let Some(dropped) = drops.next().await {
        dropped.unwrap();
    }
    drop(drops);
    let second = add(&node, &page, &space, "second", b"second").await;
    let mut known = std::collections::BTreeMap::new();
    while known.len() < 2 {
        let Some(Event::Files { files }) = events.next().await else { panic!("the states") };
        known.extend(files.into_iter().map(|state| (state.hash, state.stage)));
    }
    assert_eq!(known[&first.hash], FileStage::Absent);
    assert_eq!(known[&second.hash], FileStage::Complete);
    node.close().await;
}

/// Shares a folder of two files, 400,000 and 9 bytes; its space, for a page of it, and its hash.
async fn share_folder(node: &Node, path: &std::path::Path) -> (Caller, SpaceId, String) {
    std::fs::create_dir_all(path.join("deep")).expect("a disk");
    std::fs::write(path.join("large.bin"), vec![7; 400_000]).expect("a disk");
    std::fs::write(path.join("deep/small.txt"), "deep down").expect("a disk");
    let paths = vec![path.to_str().expect("UTF-8").to_owned()];
    let share = Share { paths, copy: false, take: None };
    let job = node.files_share(&Caller::Owner, share).await.expect("it begins").job;
    let watch = Subscription::Job { job };
    let mut stages = node.subscribe(&Caller::Owner, watch).await.expect("it is told");
    let (space, link) = loop {
        let Some(Event::Job(stage)) = stages.next().await else { panic!("how far it is") };
        if let JobStage::Shared { space, link, .. } = *stage {
            break (SpaceId::from_hex(&space).expect("an id"), link);
        }
    };
    let app = *link.parse::<Link>().expect("a link").app();
    let page = Caller::Page { app, space };
    let read = node.space_read(&page, Read::default()).await.expect("it is read");
    (page, space, read.entries[0].attachments[0].hash.clone())
}

/// How a file stands for whoever asks now.
async fn state(node: &Node, page: &Caller, hash: &str) -> Option<(FileStage, u64, u64)> {
    let Some(Event::Files { files }) = watch(node, page).await.next().await else {
        panic!("the states")
    };
    let of = files.into_iter().find(|state| state.hash == hash);
    of.map(|state| (state.stage, state.size, state.bytes))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_rests_is_as_large_as_its_files_and_here_with_all_of_them() {
    let dir = TempDir::new().unwrap();
    let (home, other) = (dir.path().join("ada"), dir.path().join("bob"));
    let a = start(&home, "Ada", &[]).await;
    let (page, space, folder) = share_folder(&a, &dir.path().join("photos")).await;
    let whole = state(&a, &page, &folder).await.expect("it is here");
    assert_eq!(whole.0, FileStage::Complete);
    assert!((400_009..420_000).contains(&whole.1) && whole.2 == whole.1, "{whole:?}");

    let b = start(&other, "Bob", &[&a]).await;
    let page_b = learns(&a, &space, &b).await;
    let read = FolderRead { hash: folder.clone(), after: None, limit: None };
    assert_eq!(b.blobs_files(&page_b, read).await.unwrap().files.len(), 2);
    assert_eq!(state(&b, &page_b, &folder).await, None, "only its list is here");

    b.blobs_fetch(&page_b, BlobRef { hash: folder.clone() }).await.unwrap();
    let mut told = states(watch(&b, &page_b).await, &folder);
    while told.next().await.expect("it is told").stage != FileStage::Complete {}
    b.close().await;
    let b = start(&other, "Bob", &[]).await;
    assert_eq!(state(&b, &page_b, &folder).await, Some(whole));
    b.blobs_drop(&page_b, BlobRef { hash: folder.clone() }).await.unwrap();
    assert_eq!(state(&b, &page_b, &folder).await, None);
    b.close().await;
    a.close().await;
    let a = start(&home, "Ada", &[]).await;
    assert_eq!(state(&a, &page, &folder).await, Some(whole));
    a.close().await;
}
