//! A store that was copied or put back: its authors may have written more since, so they write no
//! more, and no serial is given twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, Draft, SpaceId, VerifiedRun};
use kith_node::store::{Appended, Options, SpaceRecord, Store};

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

fn space() -> SpaceRecord {
    SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([1; 32]),
        public: false,
        name: "friends".into(),
        joined: 1,
        used: 1,
    }
}

async fn say(store: &Store, space: SpaceId, kind: BodyKind, text: &str) -> Appended {
    store.append(space, vec![Body::new(kind, text)], 0).await.unwrap()
}

async fn ingest(store: &Store, space: SpaceId, run: &VerifiedRun) {
    store.ingest(space, vec![run.clone()]).await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from.join("kith.redb"), to.join("kith.redb")).unwrap();
}

#[tokio::test]
async fn a_copied_directory_begins_the_next_incarnation() {
    let (dir, copied, peer) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, peer) = (open(dir.path()), open(peer.path()));
    let id = store.add_space(space()).await.unwrap();
    peer.add_space(space()).await.unwrap();
    let before = say(&store, id, BodyKind::Profile, "Ada").await;
    store.close().await;
    copy(dir.path(), copied.path());

    let (store, twin) = (open(dir.path()), open(copied.path()));
    assert!(!store.restored() && twin.restored());
    let went_on = say(&store, id, BodyKind::App, "the first goes on").await;
    let anew = say(&twin, id, BodyKind::App, "the second begins anew").await;
    assert_eq!(went_on.run.author(), before.run.author());
    assert_ne!(anew.run.author(), before.run.author());
    assert_eq!(anew.run.opening().previous(), Some(before.run.author()));
    assert!(*anew.serials.start() > *went_on.serials.end());

    // Elsewhere they are one member, whoever comes first, and nobody forked.
    ingest(&peer, id, &anew.run).await;
    ingest(&peer, id, &before.run).await;
    ingest(&peer, id, &went_on.run).await;
    let members = peer.members(&id).unwrap();
    let ada: Vec<_> = members.iter().filter(|member| !member.me).collect();
    assert_eq!(ada.len(), 1, "{members:?}");
    assert_eq!((ada[0].name.as_deref(), ada[0].id), (Some("Ada"), *before.run.author()));
    assert_eq!((ada[0].authors.len(), ada[0].forked), (2, false));
    let me = twin.members(&id).unwrap();
    assert!(me.len() == 1 && me[0].me && me[0].name.as_deref() == Some("Ada"), "{me:?}");

    // It is a copy once: then it is a store like any other.
    twin.close().await;
    let twin = open(copied.path());
    assert!(!twin.restored());
    assert_eq!(say(&twin, id, BodyKind::App, "more").await.run.author(), anew.run.author());
}

#[tokio::test]
async fn a_copy_that_wrote_nothing_yet_continues_nobody() {
    let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    let id = store.add_space(space()).await.unwrap();
    store.close().await;
    copy(dir.path(), copied.path());
    let (store, twin) = (open(dir.path()), open(copied.path()));
    let (one, two) =
        (say(&store, id, BodyKind::App, "1").await, say(&twin, id, BodyKind::App, "2").await);
    assert_ne!(one.run.author(), two.run.author());
    assert_eq!(two.run.opening().previous(), None);
    let own = twin.own_author(&id).unwrap();
    assert_eq!((own.member, own.secret.author()), (*two.run.author(), *two.run.author()));
}

/// `cp backup/kith.redb DIR` writes into the same file: nothing about it but its bytes is older.
#[tokio::test]
async fn a_database_that_is_put_back_in_place_begins_the_next_incarnation() {
    let (dir, backup) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = open(dir.path());
    let id = store.add_space(space()).await.unwrap();
    let before = say(&store, id, BodyKind::App, "before").await;
    store.close().await;
    copy(dir.path(), backup.path());
    let store = open(dir.path());
    let lost = say(&store, id, BodyKind::App, "lost").await;
    store.close().await;
    copy(backup.path(), dir.path());

    let store = open(dir.path());
    assert!(store.restored());
    let after = say(&store, id, BodyKind::App, "after").await;
    assert_eq!(after.run.opening().previous(), Some(before.run.author()));
    assert!(after.serials.start() > lost.serials.end());
    store.close().await;
    assert!(!open(dir.path()).restored());
}

/// Where nothing on this machine tells, peers do.
#[tokio::test]
async fn peers_that_hold_more_of_the_own_log_end_its_incarnation() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.add_space(space()).await.unwrap();
    let kept = say(&store, id, BodyKind::App, "kept").await;
    let own = store.own_author(&id).unwrap();
    let known = store.log(&id, kept.run.author()).unwrap();
    let draft = Draft { lamport: 10, time_ms: 0, epoch: 1, body: vec![0; 50] };
    let lost = kith_log::append(&own.secret, &id, known.as_ref(), vec![draft]).unwrap();

    // Pages may remember the serials that were given out and forgotten: 3 is one of them.
    let leapt = (1 << 32) + 3;
    assert_eq!(store.ingest(id, vec![lost.clone()]).await.unwrap(), [Some(leapt..=leapt)]);
    let next = say(&store, id, BodyKind::App, "after").await;
    assert_ne!(next.run.author(), lost.author());
    assert_eq!(next.run.opening().previous(), Some(lost.author()));
    assert!(next.run.entries().iter().all(|entry| entry.header.lamport > 10));
    assert_eq!(store.own_author(&id).unwrap().member, own.member);
}

#[tokio::test]
async fn an_incarnation_ends_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = store.add_space(space()).await.unwrap();
    let first = say(&store, id, BodyKind::App, "1").await;
    let next = store.next_incarnation(id, *first.run.author()).await.unwrap();
    let again = store.next_incarnation(id, *first.run.author()).await.unwrap();
    assert_ne!(next.secret.author(), *first.run.author());
    assert_eq!(next.secret.author(), again.secret.author());
    let entry = say(&store, id, BodyKind::App, "2").await;
    assert_eq!(entry.run.author(), &next.secret.author());
}
