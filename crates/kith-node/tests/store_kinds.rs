//! Reading one kind of entries passes by no others, however many somebody wrote.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod counting;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use counting::Counting;
use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind};
use kith_node::store::{Options, Query, SpaceRecord, Store};

/// Names that a member gives itself, one after the other.
const NAMES: usize = 20_000;
/// What reading one entry may take: some pages on the way down each tree, of 4 KiB.
const FEW_BYTES: usize = 40 * 4_096;

#[tokio::test]
async fn one_entry_among_many_of_another_kind_is_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Counting::default();
    // Without a cache, all that is looked at is read.
    let options = Options { cache: 0, disk: Arc::new(disk.clone()) };
    let store = Store::open(dir.path(), options).unwrap();
    let space = SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([1; 32]),
        public: true,
        name: "friends".into(),
        joined: 1,
        used: 1,
    };
    let id = store.add_space(space).await.unwrap();
    let said = Body::new(BodyKind::App, "said");
    store.append(id, vec![said.clone()], 0).await.unwrap();
    let name = Body::new(BodyKind::Profile, "Ada");
    for _ in 0..NAMES / 1_000 {
        store.append(id, vec![name.clone(); 1_000], 0).await.unwrap();
    }

    let kinds = vec![BodyKind::App, BodyKind::Bytes, BodyKind::Update];
    for before in [None, Some(u64::MAX)] {
        let query = Query { before, limit: 100, kinds: kinds.clone(), ..Query::default() };
        disk.read.store(0, Ordering::Relaxed);
        let page = store.entries(&id, &query).unwrap();
        assert_eq!(page.entries.len(), 1);
        assert_eq!(page.entries[0].body.as_ref(), Some(&said));
        let read = disk.read.load(Ordering::Relaxed);
        assert!((1..FEW_BYTES).contains(&read), "{read} bytes were read");
    }
}
