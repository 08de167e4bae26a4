//! What a write costs: one commit when the writer is idle; together with all that arrived
//! meanwhile, when it is not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod power;

use std::path::Path;
use std::sync::{Arc, mpsc};

use futures_util::future::join_all;
use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId};
use kith_node::store::{Options, SpaceRecord, Store};
use power::{Event, SimDisk};

/// Syncs of a commit: its pages, then the few bytes that name them.
const COMMIT: usize = 2;
/// Pages of 4 KiB that one small entry changes: a few in each of the tables it is in. More than
/// this would be a mistake.
const MAX_WRITES: usize = 20;

fn open(disk: &SimDisk) -> Store {
    let options = Options { disk: Arc::new(disk.clone()), ..Options::default() };
    Store::open(Path::new("/kith"), options).unwrap()
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

async fn say(store: &Store, space: SpaceId) -> u64 {
    let body = Body::new(BodyKind::App, vec![b'x'; 200]);
    *store.append(space, vec![body], 0).await.unwrap().serials.end()
}

/// The commits and writes since there were so many events.
fn since(disk: &SimDisk, events: usize) -> (usize, usize) {
    let events = &disk.events()[events..];
    let count = |which: fn(&Event) -> bool| events.iter().filter(|event| which(event)).count();
    // One more sync each time the file grows.
    let grown = count(|event| matches!(event, Event::SetLen(..)));
    let syncs = count(|event| matches!(event, Event::Sync(_))) - grown;
    assert!(syncs.is_multiple_of(COMMIT));
    (syncs / COMMIT, count(|event| matches!(event, Event::Write(..))))
}

#[tokio::test]
async fn an_entry_is_one_commit() {
    let disk = SimDisk::default();
    let store = open(&disk);
    let id = store.add_space(space()).await.unwrap();
    for _ in 0..20 {
        say(&store, id).await;
    }
    let before = disk.events().len();
    say(&store, id).await;
    let (commits, writes) = since(&disk, before);
    assert_eq!(commits, 1);
    assert!(writes <= MAX_WRITES, "{writes}");
}

#[tokio::test]
async fn reading_and_what_is_held_cost_no_commit() {
    let disk = SimDisk::default();
    let store = open(&disk);
    let id = store.add_space(space()).await.unwrap();
    let body = Body::new(BodyKind::App, "held");
    let run = store.append(id, vec![body], 0).await.unwrap().run;
    let events = disk.events().len();
    assert_eq!(store.ingest(id, vec![run]).await.unwrap(), [None]);
    assert!(store.add_space(space()).await.is_err());
    store.members(&id).unwrap();
    assert_eq!(disk.events().len(), events);
}

#[tokio::test]
async fn what_arrives_during_a_commit_is_the_next_one() {
    let disk = SimDisk::default();
    let store = open(&disk);
    let id = store.add_space(space()).await.unwrap();
    let before = disk.events().len();
    // The first commit waits at its first sync until all others are in the queue.
    let (go, wait) = mpsc::sync_channel(1);
    let (reach, reached) = mpsc::sync_channel(1);
    let mut waited = false;
    disk.fail(move |event| {
        if event.is_sync() && !waited {
            waited = true;
            reach.send(()).unwrap();
            wait.recv().unwrap();
        }
        None
    });
    let first = say(&store, id);
    let others = join_all((0..50).map(|_| say(&store, id)));
    let others = async {
        reached.recv().unwrap();
        let mut others = std::pin::pin!(others);
        // Polled once, all of them are in the queue.
        assert!(futures_util::poll!(others.as_mut()).is_pending());
        go.send(()).unwrap();
        others.await
    };
    let (first, mut serials) = tokio::join!(first, others);
    serials.insert(0, first);
    assert_eq!(since(&disk, before).0, 2);
    assert_eq!(serials, (2..=52).collect::<Vec<_>>(), "in the order of their arrival");
}
