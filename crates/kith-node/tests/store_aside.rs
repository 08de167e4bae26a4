//! A store that was put back from a copy unnoticed, and wrote on: others hold its log otherwise.
//! What they hold is taken, and what only this store has is carried over, wherever it is killed.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod power;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId, VerifiedRun};
use kith_node::store::{Options, Query, SpaceRecord, Store};
use power::{Cut, Dice, Image, Replay, SimDisk};

const FILES: [&str; 2] = ["kith.redb", "opened"];
/// Above all serials that a store gave out before it leapt.
const LEAP: u64 = 1 << 32;

fn open(dir: &Path) -> Store {
    Store::open(dir, Options::default()).unwrap()
}

async fn reopen(store: Store) -> Store {
    let dir = store.dir().to_owned();
    store.close().await;
    drop(store);
    let store = open(&dir);
    assert!(!store.restored());
    store
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

async fn say(store: &Store, space: SpaceId, text: &str) -> VerifiedRun {
    let body = Body::new(BodyKind::App, text);
    store.append(space, vec![body], text.len() as u64).await.unwrap().run
}

async fn say_all(store: &Store, space: SpaceId, what: &str, count: usize) -> Vec<VerifiedRun> {
    let mut runs = Vec::new();
    for n in 0..count {
        runs.push(say(store, space, &format!("{what} {n}")).await);
    }
    runs
}

/// What an app sees, by text: serial, Lamport clock and time. Nothing twice.
fn seen(store: &Store, space: SpaceId) -> BTreeMap<String, (u64, u64, u64)> {
    let mut seen = BTreeMap::new();
    let mut after = 0;
    loop {
        let query = Query { after, limit: 1_000, kinds: vec![BodyKind::App], ..Query::default() };
        let page = store.entries(&space, &query).unwrap();
        let Some(last) = page.entries.last() else { return seen };
        after = last.serial;
        for entry in page.entries {
            let text = String::from_utf8(entry.body.unwrap().payload).unwrap();
            let place = (entry.serial, entry.lamport, entry.time);
            assert_eq!(seen.insert(text.clone(), place), None, "{text} stands here twice");
        }
    }
}

/// A store that was put back in place, and what a peer holds of its log: the texts of `lost` and
/// `kept` begin at the same index.
struct Restored {
    store: Store,
    peer: Store,
    id: SpaceId,
    theirs: Vec<VerifiedRun>,
}

async fn restored(dir: &Path, peer: &Path, lost: usize, kept: usize) -> Restored {
    let store = open(dir);
    let id = store.add_space(space()).await.unwrap();
    let mut theirs = say_all(&store, id, "before", 3).await;
    store.close().await;
    let backup = FILES.map(|name| std::fs::read(dir.join(name)).unwrap());
    drop(store);
    let store = open(dir);
    theirs.extend(say_all(&store, id, "lost", lost).await);
    store.close().await;
    drop(store);
    for (name, bytes) in FILES.iter().zip(backup) {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
    let store = open(dir);
    assert!(!store.restored(), "nothing on this machine tells");
    say_all(&store, id, "kept", kept).await;
    let peer = open(peer);
    peer.add_space(space()).await.unwrap();
    for run in &theirs {
        peer.ingest(id, vec![run.clone()]).await.unwrap();
    }
    Restored { store, peer, id, theirs }
}

#[tokio::test]
async fn what_only_a_restored_store_has_is_carried_over_once() {
    for (lost, kept) in [(1, 1), (3, 1), (1, 4), (2, 2)] {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let Restored { store, peer, id, theirs } =
            restored(dir.path(), other.path(), lost, kept).await;
        let before = seen(&store, id);
        let member = store.own_author(&id).unwrap().member;
        let author = *theirs[0].author();

        // Each step is the last before it is killed.
        assert!(store.set_aside(id, author).await.unwrap());
        let store = reopen(store).await;
        assert!(!store.set_aside(id, author).await.unwrap(), "once is enough");
        assert!(!store.past_authors(&id).unwrap().contains(&author));
        assert_eq!(seen(&store, id), before, "pages go on reading");
        assert_eq!(store.log(&id, &author).unwrap(), None);
        let mut store = store;
        for run in &theirs {
            assert!(store.has_aside(&id).unwrap());
            store.ingest(id, vec![run.clone()]).await.unwrap();
            store = reopen(store).await;
        }
        let mut carried = Vec::new();
        while let Some(run) = store.carry_over(id).await.unwrap() {
            carried.push(run);
            store = reopen(store).await;
        }
        assert!(!store.has_aside(&id).unwrap());

        let after = seen(&store, id);
        assert_eq!(after.len(), 3 + lost + kept);
        for (text, place) in &after {
            match before.get(text) {
                Some(held) => assert_eq!(place, held, "{text} stays where it is"),
                None => assert!(text.starts_with("lost") && place.0 > LEAP, "{text}: {place:?}"),
            }
        }
        let new = store.own_author(&id).unwrap();
        assert_eq!(new.member, member);
        assert_ne!(new.secret.author(), author);
        assert_eq!(carried[0].opening().previous(), Some(&author));

        // Others get the rest, and both are equal.
        for run in carried {
            peer.ingest(id, vec![run]).await.unwrap();
        }
        let at = |(_, lamport, time)| (lamport, time);
        let theirs: BTreeMap<_, _> =
            seen(&peer, id).into_iter().map(|(text, place)| (text, at(place))).collect();
        let ours: BTreeMap<_, _> =
            after.into_iter().map(|(text, place)| (text, at(place))).collect();
        assert_eq!(ours, theirs);
        assert_eq!(store.logs(&id).unwrap(), peer.logs(&id).unwrap());
        assert_eq!(store.space_usage(&id).unwrap(), peer.space_usage(&id).unwrap());
        let members = peer.members(&id).unwrap();
        assert!(members.iter().all(|member| !member.forked), "{members:?}");
        assert_eq!(members.len(), 2, "oneself, and one other: {members:?}");
    }
}

#[tokio::test]
async fn many_are_carried_over_in_runs_and_nothing_of_a_space_that_is_left_stays() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Restored { store, id, theirs, .. } = restored(dir.path(), other.path(), 2, 3).await;
    let bodies = (0..600).map(|n| Body::new(BodyKind::App, format!("{n} {}", "x".repeat(1_000))));
    for chunk in bodies.collect::<Vec<_>>().chunks(100) {
        store.append(id, chunk.to_vec(), 5).await.unwrap();
    }
    store.set_aside(id, *theirs[0].author()).await.unwrap();
    let serials = store.ingest(id, theirs).await.unwrap();
    assert_eq!(serials.iter().flatten().count(), 2, "what is here already is not new: {serials:?}");
    let mut runs = 0;
    while let Some(run) = store.carry_over(id).await.unwrap() {
        runs += 1;
        assert!(run.entries().len() <= 257);
        if runs == 2 {
            break;
        }
    }
    assert_eq!(seen(&store, id).len(), 3 + 2 + 3 + 600);
    assert!(store.has_aside(&id).unwrap());
    store.leave_space(id).await.unwrap();
    assert!(!store.has_aside(&id).unwrap());
    store.add_space(space()).await.unwrap();
    assert!(seen(&store, id).is_empty());
}

/// Where others hold no more than the beginning of it, the log is simply there again.
#[tokio::test]
async fn a_log_that_was_set_aside_for_nothing_is_taken_back() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Restored { store, id, theirs, .. } = restored(dir.path(), other.path(), 0, 0).await;
    let (before, author) = (seen(&store, id), *theirs[0].author());
    let (log, usage) = (store.log(&id, &author).unwrap(), store.space_usage(&id).unwrap());
    store.set_aside(id, author).await.unwrap();
    assert_eq!(store.ingest(id, theirs).await.unwrap(), [None, None, None]);
    assert!(!store.has_aside(&id).unwrap());
    assert_eq!(store.carry_over(id).await.unwrap(), None);
    assert_eq!(seen(&store, id), before);
    assert_eq!(store.space_usage(&id).unwrap(), usage);
    assert_eq!(store.log(&id, &author).unwrap().unwrap().head, log.unwrap().head);
}

fn open_on(disk: &SimDisk) -> Store {
    let options = Options { cache: 1 << 20, disk: Arc::new(disk.clone()) };
    let store = Store::open(Path::new("/kith"), options).unwrap();
    assert!(!store.restored());
    store
}

/// All that is to be done once others are known to hold the log otherwise. It may be done again.
async fn come_back(store: &Store, id: SpaceId, theirs: &[VerifiedRun]) {
    store.set_aside(id, *theirs[0].author()).await.unwrap();
    for run in theirs {
        store.ingest(id, vec![run.clone()]).await.unwrap();
    }
    while store.carry_over(id).await.unwrap().is_some() {}
    assert!(!store.has_aside(&id).unwrap());
}

#[tokio::test]
async fn a_power_cut_on_the_way_costs_nothing() {
    let disk = SimDisk::default();
    let store = open_on(&disk);
    let id = store.add_space(space()).await.unwrap();
    let mut theirs = say_all(&store, id, "before", 2).await;
    store.close().await;
    let backup = disk.image();
    let store = open_on(&disk);
    theirs.extend(say_all(&store, id, "lost", 2).await);
    store.close().await;

    let disk = SimDisk::with(backup);
    let store = open_on(&disk);
    let kept: Vec<_> = (0..300).map(|n| Body::new(BodyKind::App, format!("kept {n}"))).collect();
    store.append(id, kept, 0).await.unwrap();
    store.close().await;
    let before = disk.image();
    let disk = SimDisk::with(before.clone());
    let store = open_on(&disk);
    come_back(&store, id, &theirs).await;
    let all = seen(&store, id);
    assert_eq!(all.len(), 2 + 2 + 300);
    store.close().await;

    let (mut replay, mut dice, mut cuts) = (Replay::of(before), Dice::new(7), 0);
    for event in disk.events() {
        if event.is_sync() {
            for cut in Cut::ALL {
                let left: Image = replay.cut(cut, &mut dice);
                let store = open_on(&SimDisk::with(left));
                assert!(seen(&store, id).len() >= 2 + 300, "what was acknowledged is there");
                come_back(&store, id, &theirs).await;
                let texts = |all: &BTreeMap<_, _>| all.keys().cloned().collect::<Vec<String>>();
                assert_eq!(texts(&seen(&store, id)), texts(&all));
                let author = theirs[0].author();
                let held = store.log(&id, author).unwrap().unwrap();
                assert_eq!(held.head, *theirs.last().unwrap().head());
                cuts += 1;
            }
        }
        replay.step(&event);
    }
    assert!(cuts > 60, "{cuts}");
}
