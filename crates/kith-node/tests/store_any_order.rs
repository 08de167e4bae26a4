//! Runs arrive from any side, in any order, more than once, between restarts: what is held in the
//! end is the same, and can be served on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod power;

use std::path::Path;
use std::sync::Arc;

use kith_app::{AppId, SpaceSecret};
use kith_log::{AuthorId, Base, Body, BodyKind, KnownLog, Run, Segment, SpaceId, verify_run};
use kith_node::store::{Options, Query, SpaceRecord, Store, StoreError};
use power::SimDisk;
use proptest::prelude::*;

fn open(disk: &SimDisk) -> Store {
    let options = Options { cache: 1 << 20, disk: Arc::new(disk.clone()) };
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

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

async fn begin(disk: &SimDisk) -> (Store, SpaceId) {
    let store = open(disk);
    let id = store.add_space(space()).await.unwrap();
    (store, id)
}

/// The segments of one's own log.
fn segments(store: &Store, space: &SpaceId, author: &AuthorId) -> Vec<Segment> {
    let known = store.log(space, author).unwrap().unwrap();
    let mut segments = Vec::new();
    let mut at = known.start();
    while let Some(segment) = store.segment(space, author, at).unwrap() {
        at = segment.after.size();
        segments.push(segment);
    }
    assert_eq!(at, known.size());
    segments
}

/// A segment as it travels to somebody who may hold nothing before it.
fn travel(segment: &Segment, author: &AuthorId, known: &KnownLog) -> Run {
    let base = segment.before.clone();
    Run {
        start: segment.start(),
        base: base.map(|head| Base { head, opening: known.opening.to_body() }),
        entries: segment.entries.clone(),
        checkpoint: segment.after.checkpoint(author),
    }
}

/// Takes a run in, if it joins what is held.
async fn take(store: &Store, space: &SpaceId, author: &AuthorId, run: Run) -> usize {
    let known = store.log(space, author).unwrap();
    let Ok(run) = verify_run(space, known.as_ref(), run) else { return 0 };
    let count = run.entries().len();
    match store.ingest(*space, vec![run]).await {
        Ok(serials) => {
            let given = serials[0].clone().map_or(0, |serials| serials.count());
            assert!(given == 0 || given == count);
            given
        }
        Err(StoreError::Apart) => 0,
        Err(error) => panic!("{error}"),
    }
}

fn count(store: &Store, space: &SpaceId) -> usize {
    let (mut after, mut count) = (0, 0);
    loop {
        let page =
            store.entries(space, &Query { after, limit: 1_000, ..Query::default() }).unwrap();
        let Some(last) = page.entries.last() else { return count };
        assert!(page.entries.iter().all(|entry| entry.body.is_some()));
        after = last.serial;
        count += page.entries.len();
    }
}

#[test]
fn the_newest_come_first_and_the_older_ones_later() {
    run(async {
        let (one, id) = begin(&SimDisk::default()).await;
        for number in 0..12 {
            let body = Body::new(BodyKind::Bytes, vec![number; 60_000]);
            one.append(id, vec![body], 0).await.unwrap();
        }
        let author = one.own_author(&id).unwrap().secret.author();
        let known = one.log(&id, &author).unwrap().unwrap();
        let held = segments(&one, &id, &author);
        assert!(held.len() >= 3, "{}", held.len());

        let (two, _) = begin(&SimDisk::default()).await;
        for (at, segment) in held.iter().enumerate().rev() {
            let run = travel(segment, &author, &known);
            assert_eq!(take(&two, &id, &author, run.clone()).await, segment.entries.len());
            assert_eq!(take(&two, &id, &author, run).await, 0, "it is held");
            assert_eq!(segments(&two, &id, &author), held[at..]);
            let absent = two.segment(&id, &author, segment.start().wrapping_sub(1)).unwrap();
            assert!(absent.is_none());
        }
        assert_eq!(count(&two, &id), 13);
        assert_eq!(one.space_usage(&id).unwrap(), two.space_usage(&id).unwrap());
        let (one, two) = (one.members(&id).unwrap(), two.members(&id).unwrap());
        assert_eq!(one[0].authors, two[0].authors);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_order_ends_with_the_same_logs(
        said in proptest::collection::vec((0..3_usize, 1..4_usize, 0..40_000_usize), 1..20),
        order in proptest::collection::vec((any::<prop::sample::Index>(), 0..12_u8), 0..60),
    ) {
        run(async {
            let mut writers = Vec::new();
            for _ in 0..3 {
                writers.push(begin(&SimDisk::default()).await.0);
            }
            let disk = SimDisk::default();
            let (mut reader, id) = begin(&disk).await;
            let mut runs = Vec::new();
            for (writer, entries, size) in said {
                let bodies = vec![Body::new(BodyKind::Bytes, vec![1; size]); entries];
                let appended = writers[writer].append(id, bodies, 0).await.unwrap();
                runs.push((*appended.run.author(), appended.run.to_run()));
            }
            let mut serials = 0;
            for (index, restart) in order {
                let (author, run) = index.get(&runs).clone();
                serials += take(&reader, &id, &author, run).await;
                if restart == 0 {
                    reader.close().await;
                    reader = open(&disk);
                }
            }
            // In the end, all that was lost on the way is sent again.
            for (author, run) in runs {
                serials += take(&reader, &id, &author, run).await;
            }
            let mut entries = 0;
            for writer in &writers {
                let author = writer.own_author(&id).unwrap().secret.author();
                if let Some(known) = writer.log(&id, &author).unwrap() {
                    entries += known.size() as usize;
                    assert_eq!(reader.log(&id, &author).unwrap(), Some(known));
                    assert_eq!(segments(&reader, &id, &author), segments(writer, &id, &author));
                }
            }
            assert_eq!((count(&reader, &id), serials), (entries, entries));
            assert_eq!(reader.max_serial(&id).unwrap() as usize, entries);
        });
    }
}
