//! What the person does with apps and spaces, and how the node stands.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use futures_util::stream::{self, StreamExt};
use kith_api::{
    AppInfo, CreateSpace, DiscoveryStatus, Error, ErrorCode, Event, EventStream, Invite,
    InviteLink, OpenedSpace, OpeningStage, PageLink, PageUrl, Place, Problem, Publish, Published,
    RenameSpace, Result, SpaceInfo, Spaces, Status, Traffic,
};
use kith_app::{AppId, Destination, Invitation, Inviter, Link, SpaceSecret};
use kith_log::SpaceId;
use kith_overlay::transport::{PeerState, Reason, Snapshot};
use qrcode::QrCode;
use qrcode::render::svg;

use crate::apps::{AppStore, no_app};
use crate::clock::now_ms;
use crate::node::Inner;
use crate::opening::stages;
use crate::random::random;
use crate::settings::person_name;
use crate::spaces::no_space;
use crate::store::{AppRecord, SpaceRecord};
use crate::updates::file_use;

/// Between two reports of the node's state.
const STATUS_GAP: Duration = Duration::from_millis(250);
/// Between two looks at what changes without telling.
const STATUS_LOOK: Duration = Duration::from_millis(750);
/// The folder of files that redirect a browser, each with a token that works once.
const OPEN_DIR: &str = "open";

impl Inner {
    /// The space of an app that was used last.
    pub(crate) fn last_used(&self, app: &AppId) -> Result<Option<SpaceId>> {
        let records = self.spaces.records()?;
        Ok(records.into_iter().find(|(_, record)| record.app == *app).map(|(space, _)| space))
    }

    /// Notes that a space is used now. A full disk, which can't note it, is no reason not to open it.
    pub(crate) async fn used(&self, space: SpaceId) {
        if let Err(error) = self.store.use_space(space, now_ms()).await {
            tracing::debug!(%space, %error, "that it was opened is not noted");
        }
    }

    /// The URL of a space's page, with a token that works once.
    pub(crate) fn space_url(&self, space: &SpaceId, path: &str) -> Result<String> {
        let label = self.spaces.get(space)?.label.clone();
        let token = self.mint(Place::Space(*space))?;
        let port = self.config.http.port();
        let path = encode_path(path);
        Ok(format!("http://{label}.localhost:{port}/{path}?kith-token={token}"))
    }

    fn mint(&self, place: Place) -> Result<String> {
        Ok(self.doorkeeper.mint(place, random()?, std::time::Instant::now()))
    }

    /// A URL of the dashboard or a space, and a file that leads a browser there.
    pub(crate) async fn page_url(&self, page: &PageUrl) -> Result<PageLink> {
        let url = match &page.space {
            Some(space) => {
                let space = self.parse_space(space)?;
                self.used(space).await;
                self.space_url(&space, &page.path)?
            }
            None => {
                let token = self.mint(Place::Dashboard)?;
                format!("{}#token={token}&at=/{}", self.http(), page.path)
            }
        };
        let file = self.write_redirect(&url)?;
        Ok(PageLink { url, file })
    }

    /// The dashboard's URL.
    pub(crate) fn http(&self) -> String {
        format!("http://localhost:{}/", self.config.http.port())
    }

    /// Writes the file, readable by its owner alone, in place of those before it.
    fn write_redirect(&self, url: &str) -> Result<String> {
        let failed = |error: std::io::Error| {
            Error::new(ErrorCode::Storage, "The page could not be opened.").why(error.to_string())
        };
        let dir = self.config.data_dir.join(OPEN_DIR);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&dir).map_err(failed)?;
        remove_old(&dir);
        let name = BASE64URL_NOPAD.encode(&random::<12>()?);
        let path = dir.join(format!("{name}.html"));
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(failed)?;
        // Tokens, labels and paths of bundles have no character that HTML minds, but for `&`.
        let url = url.replace('&', "&amp;").replace('"', "&quot;");
        writeln!(
            file,
            "<!doctype html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
             <title>kith</title><meta http-equiv=\"refresh\" content=\"0;url={url}\">"
        )
        .map_err(failed)?;
        Ok(path.to_string_lossy().into_owned())
    }

    pub(crate) fn parse_space(&self, text: &str) -> Result<SpaceId> {
        let space = SpaceId::from_hex(text).ok_or_else(no_space)?;
        self.spaces.get(&space)?;
        Ok(space)
    }

    pub(crate) async fn publish(&self, publish: Publish) -> Result<Published> {
        let record = self.apps.publish(publish, now_ms()).await?;
        self.installed(&record.signed);
        let link = self.link(record.signed.app(), Destination::App)?;
        Ok(AppStore::published(&record, link))
    }

    /// A link with this node's addresses.
    fn link(&self, app: AppId, destination: Destination) -> Result<String> {
        let addr = self.addr();
        let inviter = Inviter::new(*addr.id.as_bytes(), addr.addrs.iter().copied());
        let invitation = Invitation { destination, inviter: Some(inviter) };
        let link = Link::new(app, "", Some(invitation)).map_err(|error| {
            Error::new(ErrorCode::Internal, "The link could not be made.").why(error.to_string())
        })?;
        Ok(link.to_string())
    }

    pub(crate) async fn create_space(
        self: &std::sync::Arc<Self>,
        create: CreateSpace,
    ) -> Result<OpenedSpace> {
        let app = self.apps.resolve(&create.app)?.signed.app();
        let name = create.name.map(|name| person_name(&name)).transpose()?;
        let secret = if create.public {
            SpaceSecret::public(&app)
        } else {
            SpaceSecret::from_bytes(random()?)
        };
        let space = self.join(app, secret, name).await?;
        self.opened(app, space, "").await
    }

    /// A link into a space, or into an app's space that was used last, or a new one.
    pub(crate) async fn invite(self: &std::sync::Arc<Self>, invite: &Invite) -> Result<InviteLink> {
        let known = SpaceId::from_hex(&invite.target);
        let space = match known.filter(|space| self.spaces.get(space).is_ok()) {
            Some(space) => space,
            None => {
                let app = self.apps.resolve(&invite.target)?.signed.app();
                match self.last_used(&app)? {
                    Some(space) => space,
                    None => self.join(app, SpaceSecret::from_bytes(random()?), None).await?,
                }
            }
        };
        let record = self.store.space(&space)?.ok_or_else(no_space)?;
        let destination = if record.public {
            Destination::PublicSpace
        } else {
            Destination::Space(record.secret.clone())
        };
        let link = self.link(record.app, destination)?;
        let code = QrCode::new(&link).map_err(|error| {
            Error::new(ErrorCode::Internal, "The QR code could not be made.").why(error.to_string())
        })?;
        let qr = code.render::<svg::Color<'_>>().min_dimensions(200, 200).build();
        Ok(InviteLink { link, space: space.to_string(), qr })
    }

    pub(crate) async fn leave(&self, space: &str) -> Result<()> {
        let space = SpaceId::from_hex(space).ok_or_else(no_space)?;
        let record = self.store.space(&space)?.ok_or_else(no_space)?;
        // Before it is left: its browser is to forget it, whatever becomes of this node.
        let label = self.doorkeeper.label(&record.app, &space);
        if let Err(error) = self.store.add_removed(&label).await {
            tracing::debug!(%space, %error, "its browser is told in this run only");
        }
        let left = self.store.leave_space(space).await;
        if self.store.space(&space)?.is_none() {
            self.running.forget(&space);
            self.sync.leave(&space);
            self.overlay.unwant_all(Reason::Space(space));
            self.spaces.remove(&space);
            self.transfers.forget(&space);
            self.problems.lock().expect("no panic while held").forget(&space);
            self.changed();
        }
        Ok(left?)
    }

    pub(crate) async fn rename_space(&self, rename: RenameSpace) -> Result<()> {
        let space = self.parse_space(&rename.space)?;
        self.store.rename_space(space, person_name(&rename.name)?).await?;
        self.changed();
        Ok(())
    }

    pub(crate) fn spaces_list(&self) -> Result<Spaces> {
        let peers = self.overlay.snapshot().peers;
        let files = self.file_usages()?;
        let infos = self.spaces.records()?.into_iter().map(|(space, record)| {
            let usage = self.store.space_usage(&space)?;
            let app_name = self.store.app(&record.app)?.map(|app| app.name);
            let app_name = app_name.unwrap_or_else(|| "App on its way".to_owned());
            Ok(SpaceInfo {
                space: space.to_string(),
                app: record.app.to_string(),
                name: display_name(&record, &app_name),
                app_name,
                public: record.public,
                joined: record.joined,
                members: self.spaces.members(&space)?.members,
                entries: usage.entries,
                bytes: usage.bytes,
                files: file_use(files.spaces.get(&space)),
                newest: self.spaces.newest(&space)?,
                trying: self.trying(&peers, &space),
            })
        });
        Ok(Spaces { spaces: infos.collect::<Result<_>>()? })
    }

    pub(crate) fn app_infos(&self) -> Result<Vec<AppInfo>> {
        self.app_infos_of(&self.store.apps()?, &self.overlay.snapshot())
    }

    fn app_infos_of(&self, apps: &[AppRecord], snapshot: &Snapshot) -> Result<Vec<AppInfo>> {
        let mut spaces: BTreeMap<AppId, u32> = BTreeMap::new();
        for (_, record) in self.store.spaces()? {
            *spaces.entry(record.app).or_default() += 1;
        }
        let ours = self.apps.ours()?;
        let files = self.file_usages()?;
        let mut apps: Vec<_> = apps.iter().collect();
        apps.sort_by_key(|app| (!app.bundled, app.name.to_lowercase()));
        let infos = apps.into_iter().map(|record| {
            let app = record.signed.app();
            let bytes = snapshot.traffic.apps.get(&app).copied().unwrap_or_default();
            let traffic = Traffic { sent: bytes.sent, received: bytes.received };
            let spaces = spaces.get(&app).copied().unwrap_or_default();
            let info = self.apps.info(record, &ours, traffic, spaces)?;
            let behind = self.running.behind(&record.signed);
            Ok(AppInfo { behind, files: file_use(files.apps.get(&app)), ..info })
        });
        infos.collect()
    }

    /// How the node stands. What can't be read is told as a problem.
    pub(crate) fn status(&self) -> Status {
        let snapshot = self.overlay.snapshot();
        let connected =
            snapshot.peers.iter().filter(|peer| peer.state == PeerState::Connected).count();
        let total = snapshot.traffic.total();
        let dropped = self.discovery.lock().expect("no panic while held").finder().dropped();
        let refused = snapshot.refused.iter().map(|(limit, count)| ((*limit).to_owned(), *count));
        let refused =
            refused.chain((dropped > 0).then(|| ("found_queue_full".to_owned(), dropped)));
        let mut problems = self.problems.lock().expect("no panic while held").told();
        let apps = self.apps.listed().and_then(|apps| self.app_infos_of(&apps, &snapshot));
        let apps = apps.unwrap_or_else(|error| {
            problems.push(Problem { id: 0, error, space: None });
            Vec::new()
        });
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            node_id: self.overlay.id().to_string(),
            addr: self.addr().to_string(),
            http: self.http(),
            data_dir: self.config.data_dir.to_string_lossy().into_owned(),
            uptime: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            offline: self.config.offline,
            discovery: self.discovery_status(&snapshot),
            connected: u32::try_from(connected).unwrap_or(u32::MAX),
            traffic: Traffic { sent: total.sent, received: total.received },
            apps,
            refused: refused.collect(),
            problems,
            asks: self.asks.told(),
        }
    }

    fn discovery_status(&self, snapshot: &Snapshot) -> Vec<DiscoveryStatus> {
        self.discovery.lock().expect("no panic while held").status(&snapshot.found)
    }

    /// The status at once, and when it has changed: soon after what tells of itself, within a second
    /// of what only counts, like traffic.
    pub(crate) fn watch_status(self: &std::sync::Arc<Self>) -> EventStream {
        let start = (self.clone(), self.changes.subscribe(), None::<Status>);
        let events = stream::unfold(start, |(node, mut changes, last)| async move {
            loop {
                if last.is_some() {
                    tokio::time::sleep(STATUS_GAP).await;
                    // The node's end is the stream's; a timeout is a look at what only counts.
                    if let Ok(told) = tokio::time::timeout(STATUS_LOOK, changes.changed()).await {
                        told.ok()?;
                    }
                }
                changes.mark_unchanged();
                let status = node.status();
                if last.as_ref().is_none_or(|last| is_news(last, &status)) {
                    let event = Event::Status(Box::new(status.clone()));
                    return Some((event, (node, changes, Some(status))));
                }
            }
        });
        events.boxed()
    }

    /// How far the app of a page is.
    pub(crate) fn watch_arrival(&self, space: &SpaceId) -> Result<EventStream> {
        let open = self.spaces.get(space)?;
        let (app, space) = (open.app, *space);
        let receiver = match self.openings.arrival(&app) {
            Some(receiver) if !self.apps.installed(&app) => receiver,
            _ if self.apps.installed(&app) => {
                let url = self.space_url(&space, "")?;
                let (app, space) = (app.to_string(), space.to_string());
                let ready = OpeningStage::Ready(OpenedSpace { url, app, space });
                tokio::sync::watch::channel(ready).1
            }
            _ if self.store.app(&app)?.is_some() => {
                return Err(Error::new(ErrorCode::NotFound, "The files of this app are gone.")
                    .why("They were found damaged on this computer's disk.")
                    .todo("Open a link to the app again: it is fetched anew."));
            }
            _ => return Err(no_app()),
        };
        Ok(stages(receiver, String::new()))
    }
}

/// Whether two states differ in more than the time.
fn is_news(last: &Status, status: &Status) -> bool {
    Status { uptime: last.uptime, ..status.clone() } != *last
}

/// What a space is called: its own name, or its app's.
pub(crate) fn display_name(record: &SpaceRecord, app_name: &str) -> String {
    if record.name.is_empty() { app_name.to_owned() } else { record.name.clone() }
}

/// A path as it stands in a URL (RFC 3986, section 3.3): what means something there is encoded.
pub(crate) fn encode_path(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut url, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&format!("%{byte:02X}"));
        }
        url
    })
}

/// Removes redirects whose token is long spent.
fn remove_old(dir: &std::path::Path) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let old = entry.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|modified| {
            modified.elapsed().is_ok_and(|age| age > Duration::from_secs(30))
        });
        if old {
            // Another process of ours may have done it already.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_a_url_is_encoded() {
        assert_eq!(encode_path("a b/c#d?e%.html"), "a%20b/c%23d%3Fe%25.html");
        assert_eq!(encode_path("ü"), "%C3%BC");
    }
}
