//! A newer version of an app: who learns of it, what open pages get, and what never happens.

mod fixture;

use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt;
use kith_api::{
    AppInfo, AppRef, Caller, Doorkeeper, Empty, ErrorCode, Event, EventStream, Events, Invite,
    OpenBegin, OpenedSpace, Origin, PageState, Publish, Service, SettingsChange, SpaceRef,
    Subscription,
};
use kith_app::{AppSecret, Destination, Link, SignedVersion, SpaceKeys};
use kith_log::{AuthorSecret, Draft, Opening, SpaceId, append};
use kith_node::Node;
use kith_overlay::space::{Author, SpaceConfig, Spaces};
use kith_overlay::storage::BlobScope;
use kith_overlay::storage::memory::MemoryStorage;
use kith_overlay::transport::{Bind, Config, Overlay, Reason, SpaceKey, SpaceRef as Place, Way};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use fixture::start;

const OWNER: Caller = Caller::Owner;

/// Publishes a version; its link. What it asks for stands in its manifest.
async fn publish(node: &Node, text: &str, asks: &str) -> String {
    let app = TempDir::new().expect("a directory");
    std::fs::write(app.path().join("index.html"), text).expect("a file");
    std::fs::write(app.path().join("late.js"), text).expect("a file");
    let manifest = format!("name = \"Notes\"\n[kith]\npermissions = [{asks}]");
    std::fs::write(app.path().join("manifest.toml"), manifest).expect("a file");
    let publish = Publish { path: app.path().to_string_lossy().into(), key: Some("notes".into()) };
    node.apps_publish(&OWNER, publish).await.expect("it is published").link
}

async fn open(node: &Node, target: &str) -> OpenedSpace {
    let begin = OpenBegin { target: target.into(), new_space: false, yes: true };
    let opened = node.open_begin(&OWNER, begin).await.expect("it opens").opened.expect("at once");
    until(node, |apps| apps.iter().any(|app| app.app == opened.app)).await;
    opened
}

/// Waits until it holds of the apps.
async fn until(node: &Node, holds: impl Fn(&[AppInfo]) -> bool) {
    let mut stream = node.subscribe(&OWNER, Subscription::Status).await.expect("it is told");
    loop {
        match stream.next().await {
            Some(Event::Status(status)) if holds(&status.apps) => return,
            Some(Event::Status(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn notes(node: &Node) -> AppInfo {
    let apps = node.apps_list(&OWNER, Empty {}).await.expect("they are listed").apps;
    apps.into_iter().find(|app| app.name == "Notes").expect("it is there")
}

fn the(app: &AppInfo) -> AppRef {
    AppRef { app: app.app.clone() }
}

/// A page as the browser has it: loaded, with its socket.
struct Page {
    node: Node,
    caller: Caller,
    origin: Origin,
    events: EventStream,
    loaded: String,
    socket: JoinHandle<()>,
}

impl Page {
    async fn load(node: &Node, opened: &OpenedSpace) -> Self {
        let space = SpaceId::from_hex(&opened.space).expect("an id");
        let app = opened.app.parse().expect("an id");
        let origin = Origin { app, space, ready: true, granted: Vec::new() };
        node.loads(&origin, false);
        Self::connect(node, origin, None).await
    }

    async fn connect(node: &Node, origin: Origin, loaded: Option<String>) -> Self {
        let caller = Caller::Page { app: origin.app, space: origin.space };
        let (kept, page) = (node.clone(), caller.clone());
        let socket = tokio::spawn(async move { kept.place_lost(&page).await });
        let to = Subscription::App { loaded };
        let events = node.subscribe(&caller, to).await.expect("it is told");
        let node = node.clone();
        Self { node, caller, origin, events, loaded: String::new(), socket }
    }

    async fn state(&mut self) -> (PageState, u64) {
        match self.events.next().await {
            Some(Event::Update(update)) => {
                self.loaded = update.loaded;
                (update.state, update.version)
            }
            other => panic!("{other:?}"),
        }
    }

    async fn file(&self, path: &str) -> String {
        let file = self.node.file(&self.origin, path).await.expect("it is served");
        String::from_utf8_lossy(&file.bytes).into_owned()
    }
}

fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("blobs")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_reaches_all_and_each_decides() {
    let dirs: Vec<_> = (0..3).map(|_| TempDir::new().expect("a directory")).collect();
    let ada = start(dirs[0].path(), "Ada", &[]).await;
    let link = publish(&ada, "one", "").await;
    let mine = open(&ada, "Notes").await;
    let invite = Invite { target: mine.space.clone() };
    let invited = ada.spaces_invite(&OWNER, invite).await.expect("a link").link;
    let ben = start(dirs[1].path(), "Ben", &[]).await;
    let cleo = start(dirs[2].path(), "Cleo", &[&ben]).await;
    let (bens, cleos) = (open(&ben, &invited).await, open(&cleo, &invited).await);
    assert_eq!((&bens.space, &bens.app), (&mine.space, &cleos.app));
    let mut pages = [Page::load(&ada, &mine).await, Page::load(&ben, &bens).await];
    for page in &mut pages {
        assert_eq!(page.state().await, (PageState::Current, 1));
    }
    cleo.close().await;

    // The publisher's own page is told, and goes on with the files that it has.
    publish(&ada, "two", "\"camera\"").await;
    assert_eq!(pages[0].state().await, (PageState::Older, 2));
    assert_eq!(pages[0].file("late.js").await, "one");
    assert_eq!(notes(&ada).await.behind, 1);

    // Ben is asked, and nothing changes until he says so.
    until(&ben, |apps| apps.iter().any(|app| app.update.is_some())).await;
    let app = notes(&ben).await;
    let update = app.update.clone().expect("it waits");
    assert_eq!((app.version, update.version, update.adds.len()), (1, 2, 1), "{update:?}");
    assert!(update.removes.is_empty() && app.permissions.is_empty());
    assert_eq!(pages[1].file("late.js").await, "one");
    let updated = ben.apps_update(&OWNER, the(&app)).await.expect("it is updated");
    assert_eq!((updated.version, updated.permissions.len(), updated.update), (2, 1, None));
    assert_eq!(pages[1].state().await, (PageState::Older, 2));
    assert_eq!(pages[1].file("late.js").await, "one", "no page gets files of two versions");
    let again = ben.apps_update(&OWNER, the(&app)).await.expect_err("there is none");
    assert_eq!(again.code, ErrorCode::NotFound);

    // All pages of the space change together, and what they ran is freed.
    let page = &mut pages[1];
    ben.app_reload(&page.caller, Empty {}).await.expect("it is told");
    assert_eq!(page.state().await, (PageState::Reload, 2));
    assert_eq!(page.file("late.js").await, "two");
    until(&ben, |_| files(dirs[1].path()) == 2).await;

    // Who was away learns it from whoever has it, the publisher or not.
    ada.close().await;
    let cleo = start(dirs[2].path(), "Cleo", &[&ben]).await;
    until(&cleo, |apps| apps.iter().any(|app| app.update.is_some())).await;
    cleo.close().await;
    let cleo = start(dirs[2].path(), "Cleo", &[]).await;
    until(&cleo, |apps| apps.iter().any(|app| app.update.is_some())).await;
    cleo.apps_update(&OWNER, the(&notes(&cleo).await)).await.expect("it is still there");
    assert_eq!(notes(&cleo).await.version, 2);
    drop(link);
    ben.close().await;
    cleo.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_open_over_a_restart_goes_on_with_its_files() {
    let dir = TempDir::new().expect("a directory");
    let node = start(dir.path(), "Ada", &[]).await;
    publish(&node, "one", "").await;
    let opened = open(&node, "Notes").await;
    let mut page = Page::load(&node, &opened).await;
    assert_eq!(page.state().await, (PageState::Current, 1));
    publish(&node, "two", "").await;
    assert_eq!(page.state().await, (PageState::Older, 2));
    let (origin, loaded) = (page.origin.clone(), page.loaded.clone());
    drop(page);
    node.close().await;
    let node = start(dir.path(), "Ada", &[]).await;
    let mut page = Page::connect(&node, origin, Some(loaded)).await;
    assert_eq!(page.state().await, (PageState::Older, 2));
    assert_eq!(page.file("late.js").await, "one");
    // It closes, and the next one gets what is installed.
    page.socket.abort();
    let _ = (&mut page.socket).await;
    node.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_for_nothing_new_can_come_by_itself() {
    let dirs: Vec<_> = (0..2).map(|_| TempDir::new().expect("a directory")).collect();
    let ada = start(dirs[0].path(), "Ada", &[]).await;
    publish(&ada, "one", "").await;
    let mine = open(&ada, "Notes").await;
    let invite = Invite { target: mine.space.clone() };
    let invited = ada.spaces_invite(&OWNER, invite).await.expect("a link").link;
    let ben = start(dirs[1].path(), "Ben", &[]).await;
    let change = SettingsChange { auto_update: Some(true), ..SettingsChange::default() };
    ben.settings_set(&OWNER, change).await.expect("it is set");
    open(&ben, &invited).await;
    publish(&ada, "two", "").await;
    until(&ben, |apps| apps.iter().any(|app| app.version == 2)).await;
    publish(&ada, "three", "\"camera\"").await;
    until(&ben, |apps| apps.iter().any(|app| app.update.is_some())).await;
    assert_eq!(notes(&ben).await.version, 2, "what asks for more is offered");
    ada.close().await;
    ben.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_goes_with_its_spaces_and_its_key_stays() {
    let dir = TempDir::new().expect("a directory");
    let node = start(dir.path(), "Ada", &[]).await;
    publish(&node, "one", "").await;
    let opened = open(&node, "Notes").await;
    let page = Page::load(&node, &opened).await;
    let label = opened.url.trim_start_matches("http://").split('.').next().expect("a label");
    let bundled = AppRef { app: "Chat".into() };
    let error = node.apps_remove(&OWNER, bundled).await.expect_err("it is part of kith");
    assert_eq!(error.code, ErrorCode::NotPermitted);

    let removed = node.apps_remove(&OWNER, the(&notes(&node).await)).await.expect("it is removed");
    assert_eq!((removed.name.as_str(), removed.spaces), ("Notes", 1));
    assert!(removed.freed > 0);
    page.socket.await.expect("its page is told");
    assert_eq!(files(dir.path()), 0);
    assert!(node.spaces_list(&OWNER, Empty {}).await.expect("a list").spaces.is_empty());
    assert_eq!(node.keys_list(&OWNER, Empty {}).await.expect("a list").keys.len(), 1);
    node.close().await;

    // The browser is told though kith was started anew in between; and once.
    let node = start(dir.path(), "Ada", &[]).await;
    assert!(node.origin(label).is_none());
    assert_eq!([node.removed(label), node.removed(label)], [true, false]);
    node.close().await;

    // Its key is there: it can be published again.
    let node = start(dir.path(), "Ada", &[]).await;
    publish(&node, "again", "").await;
    assert_eq!(notes(&node).await.app, opened.app);
    let left = SpaceRef { space: opened.space.clone() };
    let gone = node.spaces_leave(&OWNER, left).await.expect_err("it was left");
    assert_eq!(gone.code, ErrorCode::NotFound);
    node.close().await;
}

/// A member of a space that is no kith, and has of its app what the test gives it.
struct Intruder {
    overlay: Overlay,
    spaces: Spaces,
    storage: Arc<MemoryStorage>,
    space: SpaceId,
}

impl Intruder {
    async fn enter(invited: &str, meets: &Node) -> Self {
        let link: Link = invited.parse().expect("a link");
        let Destination::Space(secret) = link.destination() else { panic!("no invitation") };
        let keys = SpaceKeys::derive(link.app(), secret);
        let space = SpaceId::from_bytes(keys.space);
        let mut config = Config::new([77; 32]);
        config.offline = true;
        let addr = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        config.bind = vec![Bind { addr, prefix: Some(8), required: true }];
        let storage = Arc::new(MemoryStorage::new());
        let me = iroh::SecretKey::from_bytes(&config.secret_key).public();
        let (spaces, mut events) = Spaces::new(me, [77; 16], storage.clone());
        tokio::spawn(async move { while events.next().await.is_some() {} });
        let overlay = Overlay::bind(config, Arc::new(spaces.clone())).await.expect("a port");
        let secret = AuthorSecret::from_seed(&[77; 32]);
        let opening = Opening::admit(keys.admission.as_bytes(), &secret.author(), None);
        let first = Draft { lamport: 1, time_ms: 1, epoch: 0, body: opening.to_body() };
        let run = append(&secret, &space, None, vec![first]).expect("a log");
        storage.append(&space, run).expect("it is stored");
        let at = Place { app: *link.app(), space };
        let key = SpaceKey { at, sync_key: *keys.sync.as_bytes() };
        let author = Author { secret, opening };
        spaces.join(SpaceConfig::new(key, Some(author))).await.expect("it joins");
        let peer = meets.addr().parse().expect("an address");
        overlay.add_peer(&peer, Way::Manual, Some(Reason::Person));
        Self { overlay, spaces, storage, space }
    }

    /// Says what nodes say of a version, as soon as somebody hears it.
    async fn tell(&self, version: &[u8]) {
        let said = [&[0x80][..], version].concat();
        while self.spaces.send_message(&self.space, said.clone()).expect("it is sent") == 0 {
            tokio::task::yield_now().await;
        }
    }

    /// Has these bytes as the bundle of that version.
    fn add(&self, secret: &AppSecret, version: u64, bundle: &[u8]) -> SignedVersion {
        let hash = self.storage.add_blob(BlobScope::Public, bundle);
        let size = bundle.len() as u64;
        let signed = SignedVersion::sign(secret, version, hash, size).expect("it is signed");
        self.storage.add_version(signed);
        signed
    }
}

fn bundle(text: &str) -> Vec<u8> {
    kith_app::pack([("index.html", text.as_bytes())]).expect("a bundle")
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_back_and_nobody_else_signs() {
    let dir = TempDir::new().expect("a directory");
    let node = start(dir.path(), "Ada", &[]).await;
    publish(&node, "one", "").await;
    publish(&node, "two", "").await;
    publish(&node, "three", "").await;
    let mine = open(&node, "Notes").await;
    let invite = Invite { target: mine.space.clone() };
    let invited = node.spaces_invite(&OWNER, invite).await.expect("a link").link;
    let key = kith_api::KeyRef { key: "notes".into() };
    let exported = node.keys_export(&OWNER, key).await.expect("it is exported").secret;
    let publisher = AppSecret::import(&exported).expect("a key");

    let intruder = Intruder::enter(&invited, &node).await;
    let worse = bundle("worse");
    // An older one, which the publisher did sign.
    let old = intruder.add(&publisher, 2, &worse);
    intruder.tell(&old.to_bytes()).await;
    // A higher number, by another key, or put into what the publisher signed.
    let mut forged = old.to_bytes();
    forged[40] = 9;
    intruder.tell(&forged).await;
    let stranger = intruder.add(&AppSecret::from_seed(&[5; 32]), 9, &worse);
    intruder.tell(&stranger.to_bytes()).await;
    intruder.tell(b"no version at all").await;
    // One that is signed well and is no app: told, fetched, and refused.
    let broken = intruder.add(&publisher, 8, b"no bundle");
    intruder.tell(&broken.to_bytes()).await;
    assert_eq!(notes(&node).await.update, None);
    // What comes after all of that is the publisher's, and is taken.
    let next = intruder.add(&publisher, 9, &bundle("four"));
    intruder.tell(&next.to_bytes()).await;
    until(&node, |apps| {
        let update = apps.iter().find_map(|app| app.update.as_ref());
        assert!(update.is_none_or(|update| update.version == 9), "{update:?}");
        update.is_some()
    })
    .await;
    assert_eq!(notes(&node).await.version, 3);
    intruder.overlay.close().await;
    node.close().await;
}
