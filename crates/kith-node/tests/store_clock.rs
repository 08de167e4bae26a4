//! A clock that jumps back and forth changes what is shown beside entries, and nothing else.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use kith_app::{AppId, SpaceSecret};
use kith_log::{Body, BodyKind, MAX_TIME_MS};
use kith_node::store::{Options, Query, SpaceRecord, Store, StoredEntry};

const YEAR: u64 = 365 * 24 * 3_600_000;

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

#[tokio::test]
async fn order_is_not_the_clocks() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = Store::open(one.path(), Options::default()).unwrap();
    let two = Store::open(two.path(), Options::default()).unwrap();
    let id = one.add_space(space()).await.unwrap();
    two.add_space(space()).await.unwrap();
    let now = 56 * YEAR;
    let jumps = [now, 0, now + 50 * YEAR, now - YEAR, u64::MAX, 1, now];
    for (number, time) in jumps.into_iter().enumerate() {
        let (writer, reader) = if number % 2 == 0 { (&one, &two) } else { (&two, &one) };
        let body = Body::new(BodyKind::App, number.to_string());
        let run = writer.append(id, vec![body], time).await.unwrap().run;
        reader.ingest(id, vec![run]).await.unwrap();
    }
    for store in [&one, &two] {
        let query = Query { limit: 100, kinds: vec![BodyKind::App], ..Query::default() };
        let mut entries = store.entries(&id, &query).unwrap().entries;
        let texts = |entries: &[StoredEntry]| -> Vec<String> {
            let bodies = entries.iter().map(|entry| entry.body.clone().unwrap());
            bodies.map(|body| String::from_utf8(body.payload).unwrap()).collect()
        };
        let expected = ["0", "1", "2", "3", "4", "5", "6"];
        assert_eq!(texts(&entries), expected, "by serial");
        entries.sort_by_key(|entry| (entry.lamport, entry.author, entry.index));
        assert_eq!(texts(&entries), expected, "by Lamport clock");
        let times: Vec<_> = entries.iter().map(|entry| entry.time).collect();
        assert_eq!(times, jumps.map(|time| time.min(MAX_TIME_MS)), "as they were given");
    }
}
