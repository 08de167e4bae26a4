//! The node: what is started, in which order, and how it ends.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kith_api::{Error, ErrorCode, Result};
use kith_log::{AuthorId, SpaceId};
use kith_overlay::space::{self, SpaceEvent, SpaceEvents};
use kith_overlay::transport::Overlay;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::apps::AppStore;
use crate::asks::Asks;
use crate::clock::now_ms;
use crate::config::Config;
use crate::discovery::{Discovery, Remembered};
use crate::doorkeeper::Doorkeeper;
use crate::files::{Fetches, Jobs, Transfers, Uploads};
use crate::network;
use crate::opening::Openings;
use crate::problems::Problems;
use crate::running::Running;
use crate::settings::SettingsStore;
use crate::spaces::Spaces;
use crate::store::{Options, SpaceRecord, Store};
use crate::updates::Updates;

/// How long the disk has, before what must be written is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(30);

/// A running node. Implements [`kith_api::Service`]; a handle, so that clones are the same node.
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

/// What all parts of the node share.
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) overlay: Overlay,
    /// What is done in spaces with connected peers.
    pub(crate) sync: space::Spaces,
    pub(crate) doorkeeper: Doorkeeper,
    pub(crate) settings: Arc<SettingsStore>,
    pub(crate) apps: AppStore,
    pub(crate) spaces: Spaces,
    pub(crate) openings: Openings,
    pub(crate) asks: Asks,
    pub(crate) updates: Updates,
    pub(crate) running: Running,
    pub(crate) transfers: Transfers,
    pub(crate) fetches: Fetches,
    pub(crate) uploads: Uploads,
    pub(crate) jobs: Jobs,
    pub(crate) discovery: Mutex<Discovery>,
    pub(crate) remembered: Remembered,
    pub(crate) problems: Mutex<Problems>,
    pub(crate) started: Instant,
    /// Rises whenever something changed that a person may see.
    pub(crate) changes: watch::Sender<u64>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Node {
    /// Starts a node in its data directory: opens the store, binds the overlay, takes up every space.
    ///
    /// # Errors
    /// What a person can do something about: the directory is in use, full, read-only or damaged, or
    /// a port is taken.
    pub async fn start(config: Config) -> Result<Self> {
        let dir = config.data_dir.clone();
        let store = tokio::task::spawn_blocking(move || Store::open(&dir, Options::default()))
            .await
            .map_err(|_| Error::new(ErrorCode::Internal, "The store could not be opened."))??;
        let settings = Arc::new(SettingsStore::load(store.clone(), &config.default_name)?);
        let (overlay, sync, events) = network::bind(&config, &store, &settings).await?;
        let spaces = Spaces::new(store.clone(), sync.clone(), settings.clone());
        let (discovery, found) = Discovery::new();
        let remembered = Remembered::load(store.clone(), now_ms()).await;
        let inner = Arc::new(Inner {
            doorkeeper: Doorkeeper::new(store.page_secret().0),
            apps: AppStore::new(store.clone()),
            openings: Openings::default(),
            asks: Asks::default(),
            updates: Updates::default(),
            running: Running::default(),
            transfers: Transfers::default(),
            fetches: Fetches::default(),
            uploads: Uploads::default(),
            jobs: Jobs::default(),
            discovery: Mutex::new(discovery),
            remembered,
            problems: Mutex::default(),
            started: Instant::now(),
            changes: watch::Sender::new(0),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            config,
            store,
            overlay,
            sync,
            settings,
            spaces,
        });
        if let Err(error) = inner.apps.install_bundled(now_ms()).await {
            // A full disk, most likely, which is no reason not to show what is on it.
            inner.problems.lock().expect("no panic while held").add(error, None);
        }
        inner.collect_bundles().await;
        inner.spaces.expect_removed(inner.store.removed()?);
        let before = inner.store.versions_before()?;
        for (space, record) in inner.store.spaces()? {
            inner.expect_pages(space, &record.app, &before);
            // One that can't be opened is no reason to keep the others closed.
            if let Err(error) = inner.take_up(space, &record).await {
                inner.problem(space, error);
            }
        }
        inner.spawn(inner.clone().run_events(events));
        inner.spawn(inner.clone().follow_updates());
        inner.spawn(inner.clone().tell_changed_files());
        inner.spawn(inner.clone().resume_files());
        inner.spawn(inner.clone().collect_files());
        inner.start_discovery(found);
        Ok(Self { inner })
    }

    /// Waits until somebody stops the node.
    pub async fn stopped(&self) {
        self.inner.stop.cancelled().await;
    }

    /// Ends everything in order: no new work, then the peers, then the disk.
    pub async fn close(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.stop_discovery().await;
        self.inner.note_peers().await;
        self.inner.sync.close();
        self.inner.overlay.close().await;
        self.inner.tasks.wait().await;
        self.inner.store.close().await;
    }

    /// What `--peer` of another node takes.
    pub fn addr(&self) -> String {
        self.inner.addr().to_string()
    }

    /// The endpoint's id, in hex.
    pub fn node_id(&self) -> String {
        self.inner.overlay.id().to_string()
    }
}

impl Inner {
    /// Runs a task that ends when the node stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let stop = self.stop.clone();
        let task = self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
        task.abort_handle()
    }

    /// Something changed that a person may see.
    pub(crate) fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Puts a problem where the person sees it, with the space that it is about.
    pub(crate) fn problem(&self, space: SpaceId, error: Error) {
        self.problems.lock().expect("no panic while held").add(error, Some(space));
        self.changed();
    }

    /// The person has seen a problem, or has mended it.
    pub(crate) fn dismiss_problem(&self, id: u64) {
        self.problems.lock().expect("no panic while held").dismiss(id);
        self.changed();
    }

    /// Serves a space's pages, and meets its members.
    pub(crate) async fn take_up(&self, space: SpaceId, record: &SpaceRecord) -> Result<()> {
        let label = self.doorkeeper.label(&record.app, &space);
        if self.spaces.is_removed(&label) {
            self.store.forget_removed(&label).await?;
        }
        self.spaces.add(space, record, label).await
    }

    async fn run_events(self: Arc<Self>, mut events: SpaceEvents) {
        while let Some(event) = events.next().await {
            self.on_event(event).await;
        }
    }

    /// A peer holds entries of ours that we lost. Said once, so what fails is tried again.
    async fn own_log_ahead(self: &Arc<Self>, space: SpaceId, author: AuthorId, diverged: bool) {
        let Err(error) = self.spaces.own_log_ahead(&space, author, diverged).await else { return };
        self.problem(space, error);
        let node = self.clone();
        self.spawn(async move {
            loop {
                tokio::time::sleep(TRY_AGAIN).await;
                match node.spaces.own_log_ahead(&space, author, diverged).await {
                    Ok(()) => return,
                    Err(error) if error.code == ErrorCode::NotFound => return,
                    Err(error) => tracing::debug!(%space, %error, "the own log is still behind"),
                }
            }
        });
    }

    async fn on_event(self: &Arc<Self>, event: SpaceEvent) {
        match event {
            SpaceEvent::Message { space, author, payload } => {
                if !self.hear_version(&space, &payload) {
                    self.spaces.message(&space, &author, &payload);
                }
            }
            SpaceEvent::Presence { space, .. } => {
                self.spaces.presence(&space);
                self.changed();
            }
            SpaceEvent::Forked { space, author, .. } => {
                tracing::warn!(%space, %author, "an author signed two histories");
                self.problem(space, forked(self.spaces.name_of(&space, &author)));
            }
            SpaceEvent::OwnLogAhead { space, author, diverged, .. } => {
                tracing::info!(%space, %author, diverged, "a peer holds what we lost of our log");
                self.own_log_ahead(space, author, diverged).await;
            }
            SpaceEvent::QuotaReached { space, .. } => {
                tracing::info!(%space, "a quota is reached");
                self.problem(
                    space,
                    Error::new(ErrorCode::TooLarge, "A space has more entries than its quota.")
                        .why("The rest is not taken.")
                        .todo("Leave the space if you don't know its people."),
                );
            }
            SpaceEvent::StoreFailed { space, error, .. } => {
                self.problem(
                    space,
                    Error::new(ErrorCode::Storage, "Something that arrived could not be saved.")
                        .why(format!("The reason: {error}."))
                        .todo("It is tried again. Look whether the disk is full."),
                );
            }
            SpaceEvent::Lagged { space, count } => {
                tracing::debug!(%space, count, "messages were lost");
            }
        }
    }
}

fn forked(name: Option<String>) -> Error {
    let who = name.unwrap_or_else(|| "Someone".into());
    Error::new(ErrorCode::BadSignature, format!("{who} signed two different histories."))
        .why("Their key is used in two places, or they want to deceive. What came first stays.")
        .todo("Ask them.")
}
