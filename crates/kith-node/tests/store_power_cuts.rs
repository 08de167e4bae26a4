//! The power fails at every sync of a session with everything in it. What was acknowledged before
//! is there afterwards; nothing half-written is believed; no serial is given twice, and no author
//! forks.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "a failure prints its seed")]

mod power;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kith_app::{AppId, AppSecret, SignedVersion, SpaceSecret};
use kith_log::{
    AuthorId, Body, BodyKind, CompactRange, Hash, Header, SpaceId, VerifiedRun, verify_run,
};
use kith_node::store::{AppRecord, Appended, Options, Query, SpaceRecord, Store, Usage};
use kith_overlay::blob::{GROUP, tree_of};
use kith_overlay::storage::{BlobPart, BlobScope, BlobState};
use power::{Cut, Dice, Event, Image, Replay, SimDisk};

const DIR: &str = "/kith";
const PUBLIC: BlobScope = BlobScope::Public;

/// What the store acknowledged.
enum Promise {
    /// Entries of a log, under these serials. Own ones have left for peers.
    Written { space: SpaceId, run: Box<VerifiedRun>, serials: RangeInclusive<u64> },
    /// A space is left; its highest serial was this one.
    Left { space: SpaceId, serial: u64 },
    /// A blob is complete.
    Blob { data: Bytes },
    /// An app has this version.
    Installed { app: AppRecord },
    /// The settings are these.
    Settings { settings: Vec<u8> },
    /// A publishing key is kept.
    Key { name: String, secret: AppSecret },
}

fn open(disk: &SimDisk) -> Store {
    let options = Options { cache: 1 << 20, disk: Arc::new(disk.clone()) };
    Store::open(Path::new(DIR), options).unwrap()
}

fn space(secret: u8) -> SpaceRecord {
    SpaceRecord {
        app: AppId::from_bytes([7; 32]),
        secret: SpaceSecret::from_bytes([secret; 32]),
        public: secret.is_multiple_of(2),
        name: "friends".into(),
        joined: 1,
        used: 1,
    }
}

fn data(seed: u8, size: usize) -> Bytes {
    let mut bytes = vec![0; size];
    blake3::Hasher::new().update(&[seed]).finalize_xof().fill(&mut bytes);
    bytes.into()
}

/// A session, and what was acknowledged in it.
struct Session {
    disk: SimDisk,
    store: Store,
    promises: Vec<Promise>,
}

impl Session {
    fn promise(&mut self, promise: Promise) {
        self.promises.push(promise);
        self.disk.told(self.promises.len());
    }

    fn appended(&mut self, space: SpaceId, appended: Appended) {
        self.promise(Promise::Written {
            space,
            run: appended.run.into(),
            serials: appended.serials,
        });
    }

    async fn say(&mut self, space: SpaceId, size: usize) {
        let body = Body::new(BodyKind::App, vec![b'x'; size]);
        let appended = self.store.append(space, vec![body], 7).await.unwrap();
        self.appended(space, appended);
    }

    /// Several at once: what waits while one commits is the next group.
    async fn talk(&mut self, space: SpaceId) {
        let said: Vec<_> = (0..8_u8)
            .map(|_| {
                let store = self.store.clone();
                let body = Body::new(BodyKind::Profile, "Ada");
                tokio::spawn(async move { store.append(space, vec![body], 7).await.unwrap() })
            })
            .collect();
        for appended in said {
            let appended = appended.await.unwrap();
            self.appended(space, appended);
        }
    }

    /// Takes in what another node wrote.
    async fn listen(&mut self, space: SpaceId, other: &Store, size: usize) {
        let body = Body::new(BodyKind::App, vec![b'y'; size]);
        let run = other.append(space, vec![body], 7).await.unwrap().run;
        let serials = self.store.ingest(space, vec![run.clone()]).await.unwrap().remove(0).unwrap();
        self.promise(Promise::Written { space, run: run.into(), serials });
    }

    async fn install(&mut self, version: u64, seed: u8, size: usize) {
        let data = data(seed, size);
        let hash = self.store.add_blob(PUBLIC, data.clone()).await.unwrap();
        if version == 0 {
            return self.promise(Promise::Blob { data });
        }
        let secret = AppSecret::bundled("test");
        let app = AppRecord {
            signed: SignedVersion::sign(&secret, version, hash, size as u64).unwrap(),
            bundled: false,
            name: "App".into(),
            description: "x".repeat(300),
            icon: None,
            granted: vec!["blobs".into()],
            installed: 1,
        };
        self.store.install_app(app.clone()).await.unwrap();
        self.promise(Promise::Installed { app });
    }

    /// Begins a transfer that never ends.
    async fn transfer(&mut self, groups: &[u64]) {
        let data = data(99, 20 * GROUP as usize);
        let hash = *tree_of(&data).0.as_bytes();
        for group in groups {
            let (start, end) = (*group * GROUP, (*group + 1) * GROUP);
            let data = data.slice(start as usize..end as usize);
            let part = BlobPart { offset: start, data, pairs: Vec::new() };
            self.store.write_blob(PUBLIC, &hash, 20 * GROUP, part).await.unwrap();
        }
    }
}

/// Does everything that a store does.
async fn live(session: &mut Session, other: &Store) {
    let first = session.store.add_space(space(1)).await.unwrap();
    let second = session.store.add_space(space(2)).await.unwrap();
    other.add_space(space(1)).await.unwrap();
    session.say(first, 10).await;
    session.talk(first).await;
    session.listen(first, other, 300).await;
    session.say(second, 100_000).await;
    session.install(1, 1, 50_000).await;
    session.transfer(&[3, 4, 9]).await;
    session.store.change_settings(|_| vec![1; 100]).await.unwrap();
    session.promise(Promise::Settings { settings: vec![1; 100] });
    let secret = AppSecret::bundled("own");
    session.store.add_key("own", &secret).await.unwrap();
    session.promise(Promise::Key { name: "own".into(), secret });

    session.store.close().await;
    session.store = open(&session.disk);
    session.transfer(&[10, 1]).await;
    session.install(2, 2, 70_000).await;
    session.install(0, 3, 0).await;
    session.listen(first, other, 20_000).await;
    session.talk(second).await;
    let serial = session.store.max_serial(&second).unwrap();
    session.store.leave_space(second).await.unwrap();
    session.promise(Promise::Left { space: second, serial });
    session.say(first, 10).await;
    let third = session.store.add_space(space(3)).await.unwrap();
    session.say(third, 10).await;
}

/// A reopened store, and what it must have kept.
struct Checked<'a> {
    store: Store,
    promises: &'a [Promise],
    left: BTreeSet<SpaceId>,
}

impl<'a> Checked<'a> {
    /// What is done and not yet acknowledged may be there or not: a space may be left early.
    fn open(disk: &SimDisk, promises: &'a [Promise], told: usize) -> Self {
        let store = open(disk);
        let left = promises.iter().enumerate().filter_map(|(at, promise)| match promise {
            Promise::Left { space, .. } if at < told || store.space(space).unwrap().is_none() => {
                Some(*space)
            }
            _ => None,
        });
        Self { left: left.collect(), store, promises: &promises[..told] }
    }

    async fn check(&self) {
        assert!(!self.store.restored());
        let mut serials = BTreeMap::<SpaceId, u64>::new();
        let newest = self.promises.iter().rev();
        let installed = newest.clone().find(|promise| matches!(promise, Promise::Installed { .. }));
        for promise in self.promises {
            match promise {
                Promise::Written { space, run, serials: given } if !self.left.contains(space) => {
                    self.written(space, run, given);
                    let last = serials.entry(*space).or_default();
                    *last = (*last).max(*given.end());
                }
                Promise::Written { space, run, .. } => {
                    assert!(self.store.log(space, run.author()).unwrap().is_none());
                }
                Promise::Left { space, serial } => {
                    serials.insert(*space, *serial);
                }
                Promise::Blob { data } => self.blob(data).await,
                Promise::Installed { .. } => {}
                Promise::Settings { settings } => {
                    assert_eq!(self.store.settings().unwrap().as_ref(), Some(settings));
                }
                Promise::Key { name, secret } => {
                    let key = self.store.key(name).unwrap().unwrap();
                    assert_eq!(key.seed(), secret.seed());
                }
            }
        }
        if let Some(Promise::Installed { app }) = installed {
            let held = self.store.app(&app.signed.app()).unwrap().unwrap();
            assert!(held == *app || held.signed.supersedes(&app.signed));
            self.blob_of(&held).await;
        }
        self.partial().await;
        self.logs();
        self.go_on(serials).await;
    }

    fn written(&self, space: &SpaceId, run: &VerifiedRun, serials: &RangeInclusive<u64>) {
        let query = Query {
            after: serials.start() - 1,
            before: Some(serials.end() + 1),
            limit: 1_000,
            kinds: Vec::new(),
            max_bytes: None,
        };
        let page = self.store.entries(space, &query).unwrap();
        assert_eq!(page.entries.len(), run.entries().len());
        for (entry, ((index, serial), written)) in
            page.entries.iter().zip((run.start()..).zip(serials.clone()).zip(run.entries()))
        {
            assert_eq!((entry.author, entry.index, entry.serial), (*run.author(), index, serial));
            assert_eq!(entry.lamport, written.header.lamport);
            assert!(entry.body.is_some());
        }
        let held = roots(&self.store, space, run.author());
        assert_eq!(held.get(&run.end()), Some(&run.head().range.root()), "the author forked");
    }

    async fn blob(&self, data: &Bytes) {
        let hash = *blake3::hash(data).as_bytes();
        let state = self.store.blob(PUBLIC, &hash).unwrap();
        assert_eq!(state, BlobState::Complete { size: data.len() as u64 });
        assert_eq!(self.store.whole_blob(&hash).await.unwrap(), *data);
    }

    async fn blob_of(&self, app: &AppRecord) {
        let bytes = self.store.whole_blob(&app.signed.bundle()).await.unwrap();
        assert_eq!(bytes.len() as u64, app.signed.size());
    }

    /// Of a transfer, what is believed is right.
    async fn partial(&self) {
        let data = data(99, 20 * GROUP as usize);
        let hash = *tree_of(&data).0.as_bytes();
        match self.store.blob(PUBLIC, &hash).unwrap() {
            BlobState::Absent => {}
            BlobState::Complete { .. } => panic!("it was never complete"),
            BlobState::Partial { held, .. } => {
                for range in held.byte_ranges(data.len() as u64) {
                    let length = (range.end - range.start) as usize;
                    let read = self.store.read_blob(&hash, range.start, length).await.unwrap();
                    assert_eq!(read, data.slice(range.start as usize..range.end as usize));
                }
            }
        }
    }

    /// All logs are whole and signed, and counted right.
    fn logs(&self) {
        let mut all = Usage::default();
        for (space, record) in self.store.spaces().unwrap() {
            let mut usage = Usage::default();
            for (author, known) in self.store.logs(&space).unwrap() {
                let roots = roots(&self.store, &space, &author);
                assert_eq!(roots.get(&known.size()), Some(&known.head.range.root()));
                known.head.checkpoint(&author).verify(&space).unwrap();
                usage.entries += known.size();
                // An entry's row: header, a byte, body. A log's weight: 64 and the body.
                usage.bytes += known.weight - known.size() * 64;
                usage.bytes += known.size() * (Header::LEN as u64 + 1);
            }
            assert_eq!(self.store.space_usage(&space).unwrap(), usage);
            assert_eq!(record.app, AppId::from_bytes([7; 32]));
            all.bytes += usage.bytes;
            all.entries += usage.entries;
        }
        assert_eq!(self.store.app_usage(&AppId::from_bytes([7; 32])).unwrap(), all);
    }

    /// Writing goes on where it ended, and gives no serial twice.
    async fn go_on(&self, serials: BTreeMap<SpaceId, u64>) {
        for (space, last) in serials {
            let record = (1..=3).map(self::space).find(|record| record.id() == space).unwrap();
            if self.store.space(&space).unwrap().is_none() {
                self.store.add_space(record).await.unwrap();
            }
            let author = self.store.own_author(&space).unwrap().secret.author();
            let size = self.store.log(&space, &author).unwrap().map_or(0, |known| known.size());
            let body = Body::new(BodyKind::App, "after");
            let appended = self.store.append(space, vec![body], 0).await.unwrap();
            assert!(*appended.serials.start() > last);
            assert_eq!(appended.run.start(), size);
        }
    }
}

/// The root of a log at each of its sizes, from the entries that are stored.
fn roots(store: &Store, space: &SpaceId, author: &AuthorId) -> BTreeMap<u64, Hash> {
    let mut range = CompactRange::new();
    let mut roots = BTreeMap::new();
    while let Some(segment) = store.segment(space, author, range.size()).unwrap() {
        assert_eq!(segment.start(), range.size());
        for entry in &segment.entries {
            assert!(entry.header.matches(entry.body.as_ref().unwrap()));
            range.push(entry.header.leaf_hash());
            roots.insert(range.size(), range.root());
        }
        assert_eq!(segment.after.range, range);
    }
    roots
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Opens what a cut left and checks it; returns what happened to that disk meanwhile.
fn check(image: Image, promises: &[Promise], told: usize) -> Vec<Event> {
    let disk = SimDisk::with(image);
    let checked = Checked::open(&disk, promises, told);
    run(checked.check());
    disk.events()
}

/// Says where it was when something panics.
struct Where {
    seed: u64,
    event: usize,
    cut: Cut,
    again: Option<usize>,
}

impl Drop for Where {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, event, cut, again } = self;
            println!("KITH_SEED={seed}: cut {cut:?} at event {event}, then {again:?}");
        }
    }
}

fn seed() -> u64 {
    let given = std::env::var("KITH_SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| {
        u64::from_be_bytes(blake3::hash(b"power").as_bytes()[..8].try_into().unwrap())
    })
}

#[test]
fn nothing_acknowledged_is_lost_by_a_power_cut_at_any_sync() {
    let seed = seed();
    let mut dice = Dice::new(seed);
    let disk = SimDisk::default();
    let other_dir = tempfile::tempdir().unwrap();
    let other = Store::open(other_dir.path(), Options::default()).unwrap();
    let mut session = Session { store: open(&disk), disk: disk.clone(), promises: Vec::new() };
    run(live(&mut session, &other));
    let Session { store, promises, .. } = session;
    let events = disk.events();
    drop(store);

    let mut replay = Replay::of(Image::default());
    let (mut told, mut cuts) = (0, 0);
    for (at, event) in events.iter().enumerate() {
        if let Event::Told(number) = event {
            told = *number;
        }
        if event.is_sync() {
            for cut in Cut::ALL {
                let mut place = Where { seed, event: at, cut, again: None };
                let image = replay.cut(cut, &mut dice);
                let recovery = check(image.clone(), &promises, told);
                cuts += 1;
                if dice.below(12) == 0 {
                    let cuts_again =
                        Again { promises: &promises, told, dice: &mut dice, place: &mut place };
                    cuts += cuts_again.cut(image, &recovery);
                }
            }
        }
        replay.step(event);
    }
    assert_eq!(told, promises.len());
    println!(
        "{cuts} power cuts at {} syncs",
        events.iter().filter(|event| event.is_sync()).count()
    );
    assert!(cuts > 500);
}

/// The power fails again while the store comes back.
struct Again<'a> {
    promises: &'a [Promise],
    told: usize,
    dice: &'a mut Dice,
    place: &'a mut Where,
}

impl Again<'_> {
    fn cut(self, image: Image, events: &[Event]) -> usize {
        let mut replay = Replay::of(image);
        let mut cuts = 0;
        for (at, event) in events.iter().enumerate() {
            if event.is_sync() && cuts < 8 {
                self.place.again = Some(at);
                let cut = Cut::ALL[self.dice.below(Cut::ALL.len())];
                check(replay.cut(cut, self.dice), self.promises, self.told);
                cuts += 1;
            }
            replay.step(event);
        }
        cuts
    }
}

/// The simulation is worth something: a disk that acknowledges syncs without doing them loses data.
#[test]
fn a_disk_that_lies_about_syncs_is_caught() {
    let disk = SimDisk::default();
    let mut session = Session { store: open(&disk), disk: disk.clone(), promises: Vec::new() };
    run(async {
        let space = session.store.add_space(space(1)).await.unwrap();
        session.say(space, 10).await;
    });
    let mut replay = Replay::of(Image::default());
    let syncs = disk.events().iter().filter(|event| event.is_sync()).count();
    let mut done = 0;
    for event in disk.events() {
        done += usize::from(event.is_sync());
        // The last three syncs are those of the entry's commit, and none of them happens.
        if !event.is_sync() || done + 3 <= syncs {
            replay.step(&event);
        }
    }
    let image = replay.cut(Cut::Nothing, &mut Dice::new(1));
    let promises = session.promises;
    let caught = std::panic::catch_unwind(move || check(image, &promises, promises.len()));
    assert!(caught.is_err());
}

/// What peers were given verifies for somebody who knows nothing.
#[test]
fn what_was_pushed_verifies_elsewhere() {
    let disk = SimDisk::default();
    let mut session = Session { store: open(&disk), disk, promises: Vec::new() };
    run(async {
        let space = session.store.add_space(space(1)).await.unwrap();
        session.talk(space).await;
        let mut known = None;
        let mut promises = std::mem::take(&mut session.promises);
        promises.sort_by_key(|promise| match promise {
            Promise::Written { run, .. } => run.start(),
            _ => unreachable!("only entries were written"),
        });
        for promise in promises {
            let Promise::Written { run, .. } = promise else { unreachable!() };
            let run = verify_run(&space, known.as_ref(), run.to_run()).unwrap();
            known = Some(kith_log::KnownLog::after(known.as_ref(), &run));
        }
    });
}
