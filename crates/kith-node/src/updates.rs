//! Newer versions of apps: learning of them, fetching them, and putting them in the old ones' place.
//!
//! The members of an app's spaces tell each other. Whom this node meets is asked, those who are here
//! now and then, and who gets a newer version says so at once to everybody in its spaces. What is
//! newer is fetched and checked; then the person decides. Nothing ever goes back, and the apps of the
//! binary are left alone.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use kith_api::{
    AppInfo, AppRef, AppUpdate, Error, ErrorCode, Event, EventStream, FileUse, PageUpdate, Removed,
    Result,
};
use kith_app::{AppId, SignedVersion};
use kith_log::SpaceId;
use kith_overlay::blob::BlobWanted;
use kith_overlay::space::MAX_VERSION_CANDIDATES;
use kith_overlay::storage::BlobScope;
use kith_overlay::transport::{EndpointId, PeerState, Reason};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::apps::{granted, no_app};
use crate::bundled;
use crate::clock::now_ms;
use crate::node::Inner;
use crate::store::{AppRecord, FileUsage, FileUsages};

/// The first byte of a message between nodes that tells of a newer version; a signed version follows.
/// No body of a page's begins with it.
const TELLS_VERSION: u8 = 0x80;
/// Who is connected is asked again after this time: a word may have been lost.
const ASK_AGAIN: Duration = Duration::from_secs(30 * 60);
/// Between two looks at who came: they come in crowds.
const LOOK_GAP: Duration = Duration::from_millis(250);
/// Longest time without a look at which versions are still in use.
const LOOK_AT_LEAST: Duration = Duration::from_secs(60);
/// How long the fetch of a bundle may take: 64 MiB at 100 kB/s.
const FETCH_TIME: Duration = Duration::from_secs(11 * 60);
/// Apps that are asked for or fetched at once: a slow peer holds up its app, not all.
const MAX_BUSY: usize = 4;
/// What files take is looked at so often at most, each blob's row being read.
const FILES_GAP: Duration = Duration::from_secs(5);
/// And this times as long as it took: a fiftieth of one core at most.
const FILES_SHARE: u32 = 50;
/// Bundles that turned out bad and are not fetched again; the oldest go first. 2 kB.
const MAX_BAD: usize = 64;

/// What is known of newer versions.
#[derive(Default)]
pub(crate) struct Updates {
    /// When which peer was last asked for which app.
    asked: Mutex<BTreeMap<(AppId, EndpointId), Instant>>,
    /// Versions that this node was told of, until they are looked for. One for each app.
    told: Mutex<BTreeMap<AppId, SignedVersion>>,
    /// Bundles that can't be used.
    bad: Mutex<VecDeque<[u8; 32]>>,
    /// Apps that are asked for or fetched now.
    busy: Mutex<BTreeSet<AppId>>,
    wake: Notify,
    /// What files take, when that was looked at, and how long it took.
    files: Mutex<Option<(Instant, Duration, Arc<FileUsages>)>>,
}

/// An app that is asked for or fetched, until this is dropped.
struct Busy(Arc<Inner>, AppId);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.updates.busy.lock().expect("no panic while held").remove(&self.1);
        self.0.updates.wake.notify_one();
    }
}

impl Updates {
    /// Whether a bundle may be on its way that no app has yet.
    pub(crate) fn is_busy(&self) -> bool {
        !self.busy.lock().expect("no panic while held").is_empty()
    }

    fn is_bad(&self, bundle: &[u8; 32]) -> bool {
        self.bad.lock().expect("no panic while held").contains(bundle)
    }

    fn add_bad(&self, bundle: [u8; 32]) {
        let mut bad = self.bad.lock().expect("no panic while held");
        if bad.len() == MAX_BAD {
            bad.pop_front();
        }
        bad.push_back(bundle);
    }

    /// Whether an app may be looked for now. What is not is looked for when another is done.
    fn has_room(&self, app: &AppId) -> bool {
        let busy = self.busy.lock().expect("no panic while held");
        busy.len() < MAX_BUSY && !busy.contains(app)
    }

    /// Those of `peers` whose turn it is to be asked for an app: who was not asked since they came,
    /// and not for a while.
    fn due(&self, app: AppId, peers: &[(EndpointId, Instant)], now: Instant) -> Vec<EndpointId> {
        let mut asked = self.asked.lock().expect("no panic while held");
        let is_due = |(peer, since): &&(EndpointId, Instant)| {
            asked.get(&(app, *peer)).is_none_or(|at| at < since || now - *at >= ASK_AGAIN)
        };
        let mut due: Vec<_> = peers.iter().filter(is_due).map(|(peer, _)| *peer).collect();
        due.truncate(MAX_VERSION_CANDIDATES);
        asked.extend(due.iter().map(|peer| ((app, *peer), now)));
        due
    }

    /// Forgets who was asked and has gone.
    fn forget_gone(&self, here: &BTreeSet<EndpointId>) {
        let mut asked = self.asked.lock().expect("no panic while held");
        asked.retain(|(_, peer), _| here.contains(peer));
    }
}

impl Inner {
    /// Looks for newer versions for as long as the node runs.
    pub(crate) async fn follow_updates(self: Arc<Self>) {
        let mut peers = self.overlay.changes();
        self.describe_updates().await;
        loop {
            self.look_for_updates().await;
            self.retire_versions().await;
            tokio::time::sleep(LOOK_GAP).await;
            tokio::select! {
                changed = peers.changed() => if changed.is_err() { return },
                () = self.updates.wake.notified() => {}
                () = tokio::time::sleep(LOOK_AT_LEAST) => {}
            }
        }
    }

    async fn look_for_updates(self: &Arc<Self>) {
        let Ok(apps) = self.apps.listed() else { return };
        let members = self.members_by_app();
        let here = members.values().flatten().map(|(peer, _)| *peer).collect();
        self.updates.forget_gone(&here);
        for record in apps.iter().filter(|app| !app.bundled) {
            let app = record.signed.app();
            let Some(peers) = members.get(&app) else { continue };
            if !self.updates.has_room(&app) {
                continue;
            }
            let mut asked = self.updates.due(app, peers, Instant::now());
            if self.updates.told.lock().expect("no panic while held").remove(&app).is_some() {
                // Whoever told of it has it, and is among them.
                asked = peers.iter().map(|(peer, _)| *peer).collect();
            }
            if asked.is_empty() {
                continue;
            }
            self.updates.busy.lock().expect("no panic while held").insert(app);
            let busy = Busy(self.clone(), app);
            let node = self.clone();
            self.spawn(async move {
                node.ask_for_update(app, asked).await;
                drop(busy);
            });
        }
    }

    /// The connected members of each app's spaces, with when they came.
    fn members_by_app(&self) -> BTreeMap<AppId, Vec<(EndpointId, Instant)>> {
        let mut members: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for peer in self.overlay.snapshot().peers {
            let (PeerState::Connected, Some(since)) = (peer.state, peer.since) else { continue };
            for space in &peer.spaces {
                if let Ok(open) = self.spaces.get(space) {
                    members.entry(open.app).or_default().insert(peer.id, since);
                }
            }
        }
        members.into_iter().map(|(app, peers)| (app, peers.into_iter().collect())).collect()
    }

    async fn ask_for_update(self: &Arc<Self>, app: AppId, peers: Vec<EndpointId>) {
        let Ok(found) = self.sync.fetch_version(app, peers).await else { return };
        if !self.is_newer(&found.version) {
            return;
        }
        let signed = found.version;
        tracing::info!(%app, version = signed.version(), "a newer version of an app is fetched");
        match self.fetch_update(signed, found.peers).await {
            Ok(()) => self.changed(),
            Err(error) => tracing::info!(%app, %error, "the newer version is not here"),
        }
    }

    /// Whether a version is newer than what is here of its app, which others may bring.
    fn is_newer(&self, signed: &SignedVersion) -> bool {
        let app = signed.app();
        let Ok(Some(held)) = self.store.app(&app) else { return false };
        let Ok(waiting) = self.store.update_of(&app) else { return false };
        bundled::find(&app).is_none()
            && signed.supersedes(&held.signed)
            && waiting.is_none_or(|waiting| signed.supersedes(&waiting))
            && !self.updates.is_bad(&signed.bundle())
    }

    async fn fetch_update(
        self: &Arc<Self>,
        signed: SignedVersion,
        peers: Vec<EndpointId>,
    ) -> Result<()> {
        let (app, hash, size) = (signed.app(), signed.bundle(), signed.size());
        if !self.store.has_bundle(&signed)? {
            let wanted = BlobWanted { app, scope: BlobScope::Public, hash, size };
            let fetch = self.sync.fetch_blob(wanted, peers);
            let fetched = tokio::time::timeout(FETCH_TIME, fetch.finished()).await;
            let why = match fetched {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some("it took too long".to_owned()),
            };
            if let Some(why) = why {
                return Err(Error::new(ErrorCode::Unreachable, "It was not fetched.").why(why));
            }
        }
        let record = match self.apps.checked(signed, now_ms()).await {
            Ok(record) => record,
            Err(error) => {
                self.updates.add_bad(hash);
                self.store.delete_blob(&hash).await?;
                return Err(error);
            }
        };
        self.store.offer_update(signed).await?;
        let held = self.store.app(&app)?.ok_or_else(no_app)?;
        let update = changes(&held, &record);
        if self.settings.get().auto_update && update.adds.is_empty() {
            return self.install_update(record).await;
        }
        self.apps.offer(update, &held);
        self.tell_version(&signed);
        Ok(())
    }

    /// Installs what waits for an app.
    pub(crate) async fn update_app(self: &Arc<Self>, app: &AppRef) -> Result<AppInfo> {
        let held = self.apps.resolve(&app.app)?;
        let id = held.signed.app();
        let signed = self.store.update_of(&id)?.ok_or_else(|| no_update(&held))?;
        let record = match self.apps.checked(signed, now_ms()).await {
            Ok(record) => record,
            Err(error) => {
                // It is fetched again, from whoever has it whole.
                self.store.forget_update(&id).await?;
                self.updates.asked.lock().expect("no panic while held").clear();
                self.updates.wake.notify_one();
                self.changed();
                return Err(error);
            }
        };
        self.install_update(record).await?;
        let infos = self.app_infos()?;
        infos.into_iter().find(|info| info.app == id.to_string()).ok_or_else(no_app)
    }

    async fn install_update(&self, record: AppRecord) -> Result<()> {
        let signed = record.signed;
        self.apps.put(record).await?;
        self.installed(&signed);
        Ok(())
    }

    /// A version was installed: its pages are told, and the other members of its spaces.
    pub(crate) fn installed(&self, signed: &SignedVersion) {
        self.running.updated();
        self.tell_version(signed);
        self.updates.wake.notify_one();
        self.changed();
    }

    /// Tells the connected members of an app's spaces of a version.
    fn tell_version(&self, signed: &SignedVersion) {
        if bundled::find(&signed.app()).is_some() {
            return;
        }
        let payload = [&[TELLS_VERSION][..], &signed.to_bytes()].concat();
        for space in self.spaces.of_app(&signed.app()) {
            if let Err(error) = self.sync.send_message(&space, payload.clone()) {
                tracing::debug!(%space, %error, "nobody is told of a version");
            }
        }
    }

    /// A message between nodes: true for one that is no page's.
    pub(crate) fn hear_version(&self, space: &SpaceId, payload: &[u8]) -> bool {
        let Some((&TELLS_VERSION, signed)) = payload.split_first() else { return false };
        let app = self.spaces.get(space).map(|open| open.app);
        match (app, SignedVersion::from_bytes(signed)) {
            (Ok(app), Ok(signed)) if signed.app() == app && self.is_newer(&signed) => {
                let mut told = self.updates.told.lock().expect("no panic while held");
                told.insert(app, signed);
                self.updates.wake.notify_one();
            }
            (Ok(_), Ok(_)) => {}
            (_, Err(error)) => tracing::debug!(%space, %error, "a forged version was told"),
            (Err(_), Ok(_)) => {}
        }
        true
    }

    /// Reads what the versions that wait would change: from an earlier run.
    async fn describe_updates(&self) {
        for held in self.store.apps().unwrap_or_default() {
            let Ok(Some(waiting)) = self.store.update_of(&held.signed.app()) else { continue };
            match self.apps.checked(waiting, 0).await {
                Ok(record) => self.apps.offer(changes(&held, &record), &held),
                Err(error) => {
                    tracing::debug!(%error, "a version that waited is fetched again");
                    if let Err(error) = self.store.forget_update(&held.signed.app()).await {
                        tracing::debug!(%error, "it stays");
                    }
                }
            }
        }
        self.changed();
    }

    /// Deletes the bundles of versions that no page runs any more.
    async fn retire_versions(&self) {
        let Ok(versions) = self.store.versions_before() else { return };
        for version in versions {
            if self.running.retire(&version, std::time::Instant::now())
                && let Err(error) = self.store.forget_before(&version).await
            {
                tracing::debug!(%error, "the bundle of a former version stays");
            }
        }
    }

    /// Pages from before the start may come back: they go on with the files that they had.
    pub(crate) fn expect_pages(&self, space: SpaceId, app: &AppId, before: &[SignedVersion]) {
        let before = before.iter().filter(|version| version.app() == *app);
        let before = before.max_by_key(|version| version.version()).copied();
        let installed = self.store.app(app).ok().flatten().filter(|held| !held.bundled);
        if let Some(installed) = installed {
            let version = before.unwrap_or(installed.signed);
            self.running.expect(space, version, std::time::Instant::now());
        }
    }

    /// Removes an app with all that is here of it, but for its publishing key.
    pub(crate) async fn remove_app(&self, app: &AppRef) -> Result<Removed> {
        let record = self.apps.resolve(&app.app)?;
        let id = record.signed.app();
        if record.bundled {
            return Err(Error::new(ErrorCode::NotPermitted, "This app can't be removed.")
                .why("It is part of kith itself, and takes no room of its own.")
                .todo("Leave its spaces: that frees what they take."));
        }
        let waiting = self.store.update_of(&id)?;
        let mut freed = record.signed.size() + waiting.map_or(0, |waiting| waiting.size());
        let spaces = self.store.spaces()?.into_iter().filter(|(_, space)| space.app == id);
        let spaces: Vec<_> = spaces.map(|(space, _)| space).collect();
        freed += file_use(self.store.file_usage()?.apps.get(&id)).freed;
        for space in &spaces {
            freed += self.store.space_usage(space)?.bytes;
            self.leave(&space.to_string()).await?;
        }
        self.store.remove_app(&id).await?;
        self.apps.forget(&id);
        self.forget_file_usages();
        self.overlay.unwant_all(Reason::App(id));
        self.changed();
        let count = u32::try_from(spaces.len()).unwrap_or(u32::MAX);
        Ok(Removed { app: id.to_string(), name: record.name, spaces: count, freed })
    }

    /// Much was deleted: what files take is looked at anew.
    pub(crate) fn forget_file_usages(&self) {
        *self.updates.files.lock().expect("no panic while held") = None;
    }

    /// What files take, as of a few seconds ago.
    pub(crate) fn file_usages(&self) -> Result<Arc<FileUsages>> {
        let mut files = self.updates.files.lock().expect("no panic while held");
        if let Some((at, took, held)) = &*files
            && at.elapsed() < FILES_GAP.max(*took * FILES_SHARE)
        {
            return Ok(held.clone());
        }
        let start = Instant::now();
        let now = Arc::new(self.store.file_usage()?);
        *files = Some((start, start.elapsed(), now.clone()));
        Ok(now)
    }

    /// Which version a space's pages are served.
    pub(crate) fn version_of(&self, space: &SpaceId, app: &AppId) -> Result<SignedVersion> {
        let installed = self.store.app(app)?.ok_or_else(no_app)?;
        if installed.bundled {
            return Ok(installed.signed);
        }
        Ok(self.running.version(space, installed.signed, std::time::Instant::now()))
    }

    /// Waits until a page's space was left; until then, it counts as open.
    pub(crate) async fn page_open(&self, space: SpaceId, app: &AppId) {
        let installed = self.store.app(app).ok().flatten().filter(|app| !app.bundled);
        let _page = installed.map(|installed| self.running.page(space, installed.signed));
        self.spaces.left(&space).await;
    }

    /// A page of a space is about to be loaded.
    pub(crate) fn page_loads(&self, space: SpaceId, app: &AppId, again: bool) {
        if let Ok(Some(installed)) = self.store.app(app)
            && !installed.bundled
        {
            self.running.loads(space, installed.signed, again, std::time::Instant::now());
        }
    }

    /// All pages of a space load anew.
    pub(crate) fn reload_pages(&self, space: &SpaceId) -> Result<()> {
        let app = self.spaces.get(space)?.app;
        let installed = self.store.app(&app)?.ok_or_else(no_app)?;
        self.running.reload(space, installed.signed);
        self.updates.wake.notify_one();
        self.changed();
        Ok(())
    }

    /// How the version that a page runs stands to the installed one, and each change of that.
    pub(crate) fn watch_app(
        self: &Arc<Self>,
        space: SpaceId,
        loaded: Option<&str>,
    ) -> Result<EventStream> {
        let app = self.spaces.get(&space)?.app;
        let loaded = match loaded {
            Some(loaded) => {
                let loaded = bundle_of(loaded)?;
                let installed = self.store.app(&app)?.ok_or_else(no_app)?.signed;
                let mut here = self.store.versions_before()?.into_iter().chain([installed]);
                if let Some(version) = here.find(|one| one.app() == app && one.bundle() == loaded) {
                    self.running.returns(&space, version);
                }
                loaded
            }
            None => self.version_of(&space, &app)?.bundle(),
        };
        let reloads = self.running.reloads(&space);
        let watch = self.running.watch();
        let start = (self.clone(), watch, None::<PageUpdate>);
        let events =
            futures_util::stream::unfold(start, move |(node, mut watch, last)| async move {
                loop {
                    watch.borrow_and_update();
                    node.spaces.get(&space).ok()?;
                    let installed = node.store.app(&app).ok()??.signed;
                    let stands = node.running.stands(&space, loaded, installed, reloads);
                    if last.as_ref() != Some(&stands) {
                        return Some((Event::Update(stands.clone()), (node, watch, Some(stands))));
                    }
                    watch.changed().await.ok()?;
                }
            });
        Ok(events.boxed())
    }
}

/// As it is told.
pub(crate) fn file_use(usage: Option<&FileUsage>) -> FileUse {
    let FileUsage { bytes, freed, outside, .. } = usage.copied().unwrap_or_default();
    FileUse { bytes, freed, outside }
}

/// What a version changes.
fn changes(held: &AppRecord, new: &AppRecord) -> AppUpdate {
    let words = |of: &AppRecord, without: &AppRecord| {
        let asks = granted(of).filter(|one| !granted(without).any(|other| other == *one));
        asks.map(|one| one.words().to_owned()).collect()
    };
    AppUpdate {
        version: new.signed.version(),
        name: new.name.clone(),
        size: new.signed.size(),
        adds: words(new, held),
        removes: words(held, new),
    }
}

fn bundle_of(loaded: &str) -> Result<[u8; 32]> {
    let bytes = data_encoding::HEXLOWER.decode(loaded.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        Error::new(ErrorCode::InvalidParams, "“loaded” is not what the first event told.")
    })
}

fn no_update(held: &AppRecord) -> Error {
    let what = format!("There is no newer version of {} here.", held.name);
    if held.bundled {
        return Error::new(ErrorCode::NotFound, what)
            .why("It comes with kith, and a newer one comes with a newer kith.");
    }
    Error::new(ErrorCode::NotFound, what)
        .why("Nobody who shares a space with you has told of one.")
        .todo("It is fetched by itself when somebody has one.")
}
