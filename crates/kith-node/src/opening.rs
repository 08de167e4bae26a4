//! Opening a link: find the app, ask the person, enter the space.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data_encoding::HEXLOWER;
use kith_api::{
    Error, ErrorCode, Event, EventStream, OpenBegin, OpenBegun, OpenConfirm, OpenedSpace, Opening,
    OpeningStage, Publish, Result, SpaceChoice,
};
use kith_app::{AppId, Destination, Link, SignedVersion, SpaceSecret};
use kith_log::SpaceId;
use kith_overlay::transport::Reason;
use tokio::sync::watch;

use crate::apps::no_app;
use crate::clock::now_ms;
use crate::node::Inner;
use crate::random::random;
use crate::store::SpaceRecord;
use crate::{bundled, streams};

/// Openings remembered, those that ended included; the oldest goes first.
const MAX_OPENINGS: usize = 64;
/// Between two reports of one stage.
const REPORT_GAP: Duration = Duration::from_millis(100);

/// The openings under way.
#[derive(Default)]
pub(crate) struct Openings(Mutex<VecDeque<Arc<OneOpening>>>);

/// One of them.
pub(crate) struct OneOpening {
    id: String,
    link: Link,
    stage: watch::Sender<OpeningStage>,
    /// The app's version that was fetched and waits for the person's word.
    fetched: Mutex<Option<SignedVersion>>,
    task: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Openings {
    fn add(&self, link: Link) -> Result<Arc<OneOpening>> {
        let id = HEXLOWER.encode(&random::<16>()?);
        let fetching = OpeningStage::Fetching { tried: Vec::new(), bytes: 0, size: None };
        let opening = Arc::new(OneOpening {
            id,
            link,
            stage: watch::Sender::new(fetching),
            fetched: Mutex::default(),
            task: Mutex::default(),
        });
        let mut openings = self.0.lock().expect("no panic while held");
        if openings.len() == MAX_OPENINGS
            && let Some(oldest) = openings.pop_front()
        {
            oldest.cancel();
        }
        openings.push_back(opening.clone());
        Ok(opening)
    }

    fn get(&self, id: &str) -> Result<Arc<OneOpening>> {
        let openings = self.0.lock().expect("no panic while held");
        openings.iter().find(|opening| opening.id == id).cloned().ok_or_else(|| {
            Error::new(ErrorCode::NotFound, "This opening is over.").todo("Open the link again.")
        })
    }

    /// The stages of an opening, from the present one.
    pub(crate) fn watch(&self, id: &str) -> Result<EventStream> {
        let opening = self.get(id)?;
        let id = opening.id.clone();
        Ok(stages(opening.stage.subscribe(), id))
    }

    /// How far an app is that is being fetched for any opening.
    pub(crate) fn arrival(&self, app: &AppId) -> Option<watch::Receiver<OpeningStage>> {
        let openings = self.0.lock().expect("no panic while held");
        let newest = openings.iter().rev().find(|opening| opening.link.app() == app)?;
        Some(newest.stage.subscribe())
    }

    /// Whether any of them may still lead to an app that is not installed.
    fn is_any_live(&self) -> bool {
        let openings = self.0.lock().expect("no panic while held");
        openings.iter().any(|opening| opening.is_live())
    }
}

/// The stages of an opening. Only how far a fetch is can wait for the next report.
pub(crate) fn stages(stage: watch::Receiver<OpeningStage>, opening: String) -> EventStream {
    let urgent = |stage: &OpeningStage| !matches!(stage, OpeningStage::Fetching { .. });
    streams::states(stage, REPORT_GAP, urgent, move |stage| {
        Event::Opening(Box::new(Opening { opening: opening.clone(), stage }))
    })
}

impl OneOpening {
    fn is_live(&self) -> bool {
        match *self.stage.borrow() {
            OpeningStage::Fetching { .. } | OpeningStage::Asking { .. } => true,
            OpeningStage::Ready(_) | OpeningStage::Failed { .. } => false,
        }
    }

    /// Gives it up, unless it is over.
    fn cancel(&self) {
        if let Some(task) = self.task.lock().expect("no panic while held").take() {
            task.abort();
        }
        if self.is_live() {
            *self.fetched.lock().expect("no panic while held") = None;
            let error = Error::new(ErrorCode::Cancelled, "Opening was cancelled.");
            self.stage.send_replace(OpeningStage::Failed { error });
        }
    }
}

impl Inner {
    /// Begins to open a link, a bundle file, or an installed app by its name.
    pub(crate) async fn open_begin(self: &Arc<Self>, begin: OpenBegin) -> Result<OpenBegun> {
        let link = self.read_target(&begin.target).await?;
        let app = *link.app();
        if let Some(inviter) = link.inviter() {
            self.meet_inviter(inviter, &link);
        }
        let opening = self.openings.add(link)?;
        let id = opening.id.clone();
        if !begin.yes {
            self.spawn_fetch(opening, false);
            return Ok(OpenBegun { opening: id, opened: None });
        }
        let opened = self.enter_granted(&opening.link, begin.new_space).await?;
        if self.apps.installed(&app) {
            opening.stage.send_replace(OpeningStage::Ready(opened.clone()));
        } else {
            self.spawn_fetch(opening, true);
        }
        Ok(OpenBegun { opening: id, opened: Some(opened) })
    }

    /// The person said no, or went away.
    pub(crate) async fn open_cancel(&self, id: &str) -> Result<()> {
        self.openings.get(id)?.cancel();
        self.collect_bundles().await;
        Ok(())
    }

    /// Deletes the bundles of apps that are not installed, while no opening may need them.
    pub(crate) async fn collect_bundles(&self) {
        if self.openings.is_any_live() || self.updates.is_busy() {
            return;
        }
        if let Err(error) = self.store.collect_bundles().await {
            tracing::debug!(%error, "bundles of apps that are not installed stay");
        }
    }

    /// The person said yes.
    pub(crate) async fn open_confirm(
        self: &Arc<Self>,
        confirm: OpenConfirm,
    ) -> Result<OpenedSpace> {
        let opening = self.openings.get(&confirm.opening)?;
        let fetched = *opening.fetched.lock().expect("no panic while held");
        if let Some(signed) = fetched {
            self.apps.install(signed, now_ms()).await?;
        }
        if !self.apps.installed(opening.link.app()) {
            return Err(Error::new(ErrorCode::NotFound, "The app is not here yet."));
        }
        let opened = self.enter(&opening.link, confirm.space).await?;
        opening.stage.send_replace(OpeningStage::Ready(opened.clone()));
        Ok(opened)
    }

    async fn read_target(&self, target: &str) -> Result<Link> {
        let target = target.trim();
        if target.starts_with("kith:") {
            return target.parse::<Link>().map_err(|error| {
                Error::new(ErrorCode::BadLink, "This link can't be opened.")
                    .why(format!("{error}."))
                    .todo("Copy it again, whole, from whoever sent it.")
            });
        }
        let app = if Path::new(target).is_absolute() {
            let publish = Publish { path: target.to_owned(), key: None };
            self.apps.publish(publish, now_ms()).await?.signed.app()
        } else {
            self.apps.resolve(target)?.signed.app()
        };
        Link::new(app, "", None).map_err(|error| Error::new(ErrorCode::BadLink, error.to_string()))
    }

    /// Enters the space that is meant where the person is not asked: the link's; where it has none,
    /// the one last used of this app, or a new one.
    async fn enter_granted(self: &Arc<Self>, link: &Link, new_space: bool) -> Result<OpenedSpace> {
        if new_space {
            return self.enter(link, SpaceChoice::Own).await;
        }
        if *link.destination() != Destination::App {
            return self.enter(link, SpaceChoice::Invited).await;
        }
        match self.last_used(link.app())? {
            Some(space) => self.opened(*link.app(), space, link.path()).await,
            None => self.enter(link, SpaceChoice::Own).await,
        }
    }

    /// Enters the chosen space, joining or making it where this node is not in it.
    async fn enter(self: &Arc<Self>, link: &Link, choice: SpaceChoice) -> Result<OpenedSpace> {
        let app = *link.app();
        let secret = match (choice, link.destination()) {
            (SpaceChoice::Invited, Destination::Space(secret)) => secret.clone(),
            (SpaceChoice::Invited, Destination::PublicSpace) | (SpaceChoice::Public, _) => {
                SpaceSecret::public(&app)
            }
            (SpaceChoice::Invited, Destination::App) => {
                return Err(Error::new(ErrorCode::InvalidParams, "This link leads to no space."));
            }
            (SpaceChoice::Own, _) => return self.enter_own(app, link.path()).await,
        };
        let space = self.join(app, secret, None).await?;
        if let Some(inviter) = link.inviter() {
            self.want_in_space(inviter, &space);
        }
        self.opened(app, space, link.path()).await
    }

    async fn enter_own(self: &Arc<Self>, app: AppId, path: &str) -> Result<OpenedSpace> {
        let space = self.join(app, SpaceSecret::from_bytes(random()?), None).await?;
        self.opened(app, space, path).await
    }

    /// Joins or makes a space; one that this node is in stays as it is.
    pub(crate) async fn join(
        self: &Arc<Self>,
        app: AppId,
        secret: SpaceSecret,
        name: Option<String>,
    ) -> Result<SpaceId> {
        let public = secret == SpaceSecret::public(&app);
        let now = now_ms();
        // Without a name of its own a space goes by its app's, which may not be here yet.
        let name = name.unwrap_or_default();
        let record = SpaceRecord { app, secret, public, name, joined: now, used: now };
        let space = record.id();
        if self.store.space(&space)?.is_some() {
            self.used(space).await;
            return Ok(space);
        }
        self.store.add_space(record.clone()).await?;
        if let Err(error) = self.take_up(space, &record).await {
            self.store.leave_space(space).await?;
            return Err(error);
        }
        self.changed();
        Ok(space)
    }

    /// The page of a space, with a token.
    pub(crate) async fn opened(
        &self,
        app: AppId,
        space: SpaceId,
        path: &str,
    ) -> Result<OpenedSpace> {
        let url = self.space_url(&space, path)?;
        Ok(OpenedSpace { url, app: app.to_string(), space: space.to_string() })
    }

    fn spawn_fetch(self: &Arc<Self>, opening: Arc<OneOpening>, granted: bool) {
        let (node, held) = (self.clone(), opening.clone());
        let task = self.spawn(async move {
            if let Err(error) = node.fetch_for(&opening, granted).await {
                opening.stage.send_replace(OpeningStage::Failed { error });
                node.collect_bundles().await;
            }
        });
        *held.task.lock().expect("no panic while held") = Some(task);
    }

    /// Fetches the app where it is not here, then asks; or installs it, where that was granted.
    async fn fetch_for(self: &Arc<Self>, opening: &OneOpening, granted: bool) -> Result<()> {
        let app = *opening.link.app();
        if !self.apps.installed(&app) {
            if bundled::find(&app).is_some() {
                return Err(no_app());
            }
            let fetched = self.fetch_app(&opening.link, &opening.stage).await;
            self.overlay.unwant_all(Reason::App(app));
            let signed = fetched?;
            if granted {
                self.apps.install(signed, now_ms()).await?;
                self.changed();
            } else {
                let info = self.apps.preview(signed).await?;
                *opening.fetched.lock().expect("no panic while held") = Some(signed);
                self.ask(opening, info);
                return Ok(());
            }
        }
        if granted {
            let opened = self.enter_granted(&opening.link, false).await?;
            opening.stage.send_replace(OpeningStage::Ready(opened));
            return Ok(());
        }
        let record = self.store.app(&app)?.ok_or_else(no_app)?;
        self.ask(opening, self.apps.unused(&record)?);
        Ok(())
    }

    fn ask(&self, opening: &OneOpening, app: kith_api::AppInfo) {
        let invited = !matches!(opening.link.destination(), Destination::App);
        opening.stage.send_replace(OpeningStage::Asking { app, invited });
    }
}
