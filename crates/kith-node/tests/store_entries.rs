//! Entries of one's own and of others: written, read back by serial, counted and deleted.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, SpaceId};
use kith_node::store::{Options, Query, SpaceRecord, Store, StoreError};

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), Options::default()).unwrap()
}

fn space(secret: u8) -> SpaceRecord {
    SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([secret; 32]),
        public: false,
        name: "friends".into(),
        joined: 1,
        used: 1,
    }
}

fn text(text: &str) -> Vec<Body> {
    vec![Body::new(BodyKind::App, text)]
}

fn read(store: &Store, space: &SpaceId, query: Query) -> Vec<(u64, String)> {
    let page = store.entries(space, &Query { limit: 100, ..query }).unwrap();
    page.entries
        .into_iter()
        .filter_map(|entry| Some((entry.serial, entry.body?)))
        .filter(|(_, body)| body.kind != BodyKind::Opening)
        .map(|(serial, body)| (serial, String::from_utf8(body.payload).unwrap()))
        .collect()
}

fn pairs(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(serial, text)| (*serial, (*text).to_owned())).collect()
}

#[tokio::test]
async fn own_entries_outlive_the_store() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = store.add_space(space(1)).await.unwrap();
    let first = store.append(id, text("one"), 5).await.unwrap();
    assert_eq!((first.run.start(), first.run.end(), first.serials), (0, 2, 1..=2));
    store.append(id, text("two"), 4).await.unwrap();
    store.close().await;
    drop(store);

    let store = open(&dir);
    assert_eq!(read(&store, &id, Query::default()), pairs(&[(2, "one"), (3, "two")]));
    let third = store.append(id, text("three"), 3).await.unwrap();
    assert_eq!((third.run.start(), third.serials), (3, 4..=4));
    assert!(!store.restored());
}

#[tokio::test]
async fn queries_choose_by_serial_and_kind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = store.add_space(space(1)).await.unwrap();
    for (kind, said) in [(BodyKind::App, "a"), (BodyKind::Update, "b"), (BodyKind::App, "c")] {
        store.append(id, vec![Body::new(kind, said)], 0).await.unwrap();
    }
    let kinds = vec![BodyKind::App];
    assert_eq!(
        read(&store, &id, Query { after: 2, ..Query::default() }),
        pairs(&[(3, "b"), (4, "c")])
    );
    assert_eq!(
        read(&store, &id, Query { kinds, ..Query::default() }),
        pairs(&[(2, "a"), (4, "c")])
    );
    let newest = Query { before: Some(4), limit: 1, ..Query::default() };
    let page = store.entries(&id, &newest).unwrap();
    assert_eq!((page.entries.len(), page.entries[0].serial, page.max_serial), (1, 3, 4));
}

#[tokio::test]
async fn another_node_takes_in_what_was_written_once() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, two) = (open(&one), open(&two));
    let id = one.add_space(space(1)).await.unwrap();
    assert_eq!(two.add_space(space(1)).await.unwrap(), id);
    let mut watch = two.watch(&id).unwrap();
    let first = one.append(id, text("hello"), 0).await.unwrap().run;
    let second = one.append(id, text("again"), 0).await.unwrap().run;
    let apart = two.ingest(id, vec![second.clone()]).await;
    assert!(matches!(apart, Err(StoreError::Apart)), "{apart:?}");
    assert_eq!(two.ingest(id, vec![first.clone()]).await.unwrap(), [Some(1..=2)]);
    assert_eq!(two.ingest(id, vec![first, second.clone()]).await.unwrap(), [None, Some(3..=3)]);
    assert_eq!(*watch.borrow_and_update(), 3);
    assert_eq!(two.ingest(id, vec![second]).await.unwrap(), [None]);
    assert!(!watch.has_changed().unwrap());
    assert_eq!(read(&two, &id, Query::default()), pairs(&[(2, "hello"), (3, "again")]));
    assert_eq!(one.logs(&id).unwrap(), two.logs(&id).unwrap());
    let author = one.own_author(&id).unwrap().secret.author();
    assert_eq!(one.segment(&id, &author, 2).unwrap(), two.segment(&id, &author, 0).unwrap());
    assert_eq!(one.space_usage(&id).unwrap(), two.app_usage(&AppId::from_bytes([7; 32])).unwrap());
}

#[tokio::test]
async fn a_space_that_is_left_leaves_nothing_and_its_serials_are_not_reused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let (id, other) =
        (store.add_space(space(1)).await.unwrap(), store.add_space(space(2)).await.unwrap());
    for _ in 0..5 {
        store.append(id, text("secret"), 0).await.unwrap();
    }
    store.append(other, text("kept"), 0).await.unwrap();
    let author = store.own_author(&id).unwrap().secret.author();
    store.leave_space(id).await.unwrap();
    assert!(matches!(store.append(id, text("gone"), 0).await, Err(StoreError::NotFound(_))));
    assert_eq!(store.space_usage(&id).unwrap().bytes, 0);
    assert_eq!(
        store.app_usage(&AppId::from_bytes([7; 32])).unwrap(),
        store.space_usage(&other).unwrap()
    );
    assert!(store.logs(&id).unwrap().is_empty());
    assert_eq!(read(&store, &other, Query::default()), pairs(&[(2, "kept")]));

    assert_eq!(store.add_space(space(1)).await.unwrap(), id);
    assert_ne!(store.own_author(&id).unwrap().secret.author(), author);
    let again = store.append(id, text("back"), 0).await.unwrap();
    assert_eq!(again.serials, 7..=8, "six were given out before");
}

#[tokio::test]
async fn a_refused_write_leaves_no_trace_and_hurts_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = store.add_space(space(1)).await.unwrap();
    let huge = vec![Body::new(BodyKind::App, vec![0; kith_log::MAX_PAYLOAD_LEN + 1])];
    let (refused, exists, kept) = tokio::join!(
        store.append(id, huge, 0),
        store.add_space(space(1)),
        store.append(id, text("kept"), 0),
    );
    assert!(matches!(refused, Err(StoreError::Entry(_))), "{refused:?}");
    assert!(matches!(exists, Err(StoreError::Exists(_))), "{exists:?}");
    assert_eq!(kept.unwrap().serials, 1..=2);
    assert_eq!(read(&store, &id, Query::default()), pairs(&[(2, "kept")]));
}

/// A page that reads slowly holds little of what somebody wrote much of.
#[tokio::test]
async fn a_page_ends_where_its_bytes_do() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let id = store.add_space(space(1)).await.unwrap();
    for _ in 0..6 {
        let large = Body::new(BodyKind::App, vec![b'x'; 100_000]);
        store.append(id, vec![large], 0).await.unwrap();
    }
    let query = |after, max_bytes| Query { after, limit: 100, max_bytes, ..Query::default() };
    let page = store.entries(&id, &query(1, Some(250_000))).unwrap();
    assert_eq!(page.entries.len(), 3);
    let last = page.entries.last().unwrap().serial;
    assert_eq!(store.entries(&id, &query(last, Some(0))).unwrap().entries.len(), 1);
    assert_eq!(store.entries(&id, &query(last, None)).unwrap().entries.len(), 3);
}
