//! The open spaces: what pages read, append, send and are told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use futures_util::stream::{self, StreamExt};
use kith_api::{
    Appended, Body, Entries, Entry, EntryEvent, EntryKind, Error, ErrorCode, Event, EventStream,
    MAX_BODY, MAX_READ, Me, Member, Members, MessageEvent, PresenceEvent, Read, Result,
    SendMessage, Sent, SetName,
};
use kith_app::AppId;
use kith_log::file::Attachment;
use kith_log::{AuthorId, BodyKind, SpaceId};
use kith_overlay::space::{self, Author, SpaceConfig};
use kith_overlay::transport::{SpaceKey, SpaceRef};
use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::files::file_ref;
use crate::manage::display_name;
use crate::settings::{SettingsStore, person_name};
use crate::store::{MAX_REMOVED, MemberRecord, Query, SpaceRecord, Store, StoreError, StoredEntry};
use crate::streams;
use crate::writer::Writer;

/// Messages that are not kept and wait for the slow pages of a space; the oldest go first. Bounds
/// memory at 8 MiB: they wait as they came.
const MAX_WAITING_MESSAGES: usize = 64;
/// Entries read at once for a subscriber: few, so that a slow page holds little memory.
const BATCH: usize = 64;
/// Bytes of these entries, but for the last one: 256 KiB for each subscription.
const BATCH_BYTES: usize = 256 * 1024;
/// How long a subscription waits when the disk fails, before it reads again.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// Entries that one `space.read` returns where the page names no limit.
const DEFAULT_READ: usize = 100;

/// A space, while the node runs.
pub(crate) struct OpenSpace {
    pub(crate) app: AppId,
    pub(crate) label: String,
    writer: Writer,
    messages: broadcast::Sender<(AuthorId, Bytes)>,
    online: watch::Sender<BTreeSet<AuthorId>>,
    /// Cancelled when the space was left.
    left: CancellationToken,
}

/// All spaces of the node.
pub(crate) struct Spaces {
    store: Store,
    sync: space::Spaces,
    settings: Arc<SettingsStore>,
    open: RwLock<Open>,
}

#[derive(Default)]
struct Open {
    by_id: BTreeMap<SpaceId, Arc<OpenSpace>>,
    by_label: BTreeMap<String, SpaceId>,
    /// Labels of spaces that were left, until the browser was told to forget what it has of them.
    removed: VecDeque<String>,
}

impl Spaces {
    pub(crate) fn new(store: Store, sync: space::Spaces, settings: Arc<SettingsStore>) -> Self {
        Self { store, sync, settings, open: RwLock::default() }
    }

    /// Takes a space up: its label answers from now on, and it is synced with whoever is in it.
    pub(crate) async fn add(
        &self,
        space: SpaceId,
        record: &SpaceRecord,
        label: String,
    ) -> Result<()> {
        let author = self.author(&space).await?;
        let id = author.secret.author();
        let at = SpaceRef { app: record.app, space };
        let key = SpaceKey { at, sync_key: *record.keys().sync.as_bytes() };
        let past = self.store.past_authors(&space)?;
        let config = SpaceConfig { past, ..SpaceConfig::new(key, Some(author)) };
        self.sync.join(config).await.map_err(|error| {
            Error::new(ErrorCode::TooMany, "A space could not be opened.")
                .why(format!("{error}."))
                .todo("Leave spaces that you don't need.")
        })?;
        let entry = Arc::new(OpenSpace {
            app: record.app,
            label: label.clone(),
            writer: Writer::start(space, id, self.store.clone(), self.sync.clone()),
            messages: broadcast::Sender::new(MAX_WAITING_MESSAGES),
            online: watch::Sender::default(),
            left: CancellationToken::new(),
        });
        let mut open = self.open.write().expect("no panic while held");
        open.removed.retain(|removed| *removed != label);
        open.by_label.insert(label, space);
        open.by_id.insert(space, entry);
        drop(open);
        // Whoever came since it was joined.
        self.presence(&space);
        Ok(())
    }

    /// Oneself in a space. An author without a log begins it by saying its name.
    async fn author(&self, space: &SpaceId) -> Result<Author> {
        loop {
            let own = self.store.own_author(space)?;
            if let Some(log) = self.store.log(space, &own.secret.author())? {
                return Ok(Author { secret: own.secret, opening: log.opening });
            }
            let body = kith_log::Body::new(BodyKind::Profile, self.own_name(space)?.into_bytes());
            self.store.append(*space, vec![body], now_ms()).await?;
        }
    }

    /// A peer holds entries of `author`, oneself, that this node lost: that one writes no more, the
    /// next one does, beginning with its name. Where this node wrote others in their place
    /// (`diverged`), the log as the peers hold it is fetched anew, and what is only here is carried
    /// over. What fails on the way can be done again.
    pub(crate) async fn own_log_ahead(
        &self,
        space: &SpaceId,
        author: AuthorId,
        diverged: bool,
    ) -> Result<()> {
        if diverged {
            self.store.set_aside(*space, author).await?;
        }
        let own = self.store.next_incarnation(*space, author).await?;
        if self.store.log(space, &own.secret.author())?.is_none() {
            let name = self.own_name(space)?;
            self.write(space, kith_log::Body::new(BodyKind::Profile, name.into_bytes())).await?;
        }
        if diverged && self.store.has_aside(space)? {
            self.sync.forget(space, author).await;
            self.get(space)?.writer.carry_over();
        }
        Ok(())
    }

    fn own_name(&self, space: &SpaceId) -> Result<String> {
        let me = self.store.members(space)?.into_iter().find(|member| member.me);
        Ok(me.and_then(|me| me.name).unwrap_or_else(|| self.settings.get().name))
    }

    /// Puts a space down. Its subscriptions end, and its pages are told.
    pub(crate) fn remove(&self, space: &SpaceId) {
        let mut open = self.open.write().expect("no panic while held");
        if let Some(entry) = open.by_id.remove(space) {
            open.by_label.remove(&entry.label);
            if open.removed.len() == MAX_REMOVED {
                open.removed.pop_front();
            }
            open.removed.push_back(entry.label.clone());
            entry.left.cancel();
        }
    }

    /// Labels that were removed in an earlier run, and whose browser was not told.
    pub(crate) fn expect_removed(&self, labels: Vec<String>) {
        self.open.write().expect("no panic while held").removed.extend(labels);
    }

    /// Whether the browser has still to be told that a label was removed.
    pub(crate) fn is_removed(&self, label: &str) -> bool {
        self.open.read().expect("no panic while held").removed.iter().any(|one| one == label)
    }

    /// The spaces of an app.
    pub(crate) fn of_app(&self, app: &AppId) -> Vec<SpaceId> {
        let open = self.open.read().expect("no panic while held");
        let spaces = open.by_id.iter().filter(|(_, space)| space.app == *app);
        spaces.map(|(space, _)| *space).collect()
    }

    /// Whether the space behind a label was left. Says so once.
    pub(crate) fn removed(&self, label: &str) -> bool {
        let mut open = self.open.write().expect("no panic while held");
        let at = open.removed.iter().position(|removed| removed == label);
        at.is_some_and(|at| open.removed.remove(at).is_some())
    }

    /// Waits until a space was left.
    pub(crate) async fn left(&self, space: &SpaceId) {
        let Ok(left) = self.get(space).map(|open| open.left.clone()) else { return };
        left.cancelled().await;
    }

    /// The space behind a label.
    pub(crate) fn behind(&self, label: &str) -> Option<(SpaceId, Arc<OpenSpace>)> {
        let open = self.open.read().expect("no panic while held");
        let space = *open.by_label.get(label)?;
        Some((space, open.by_id.get(&space)?.clone()))
    }

    /// An open space.
    pub(crate) fn get(&self, space: &SpaceId) -> Result<Arc<OpenSpace>> {
        let open = self.open.read().expect("no panic while held");
        open.by_id.get(space).cloned().ok_or_else(no_space)
    }

    /// A message came.
    pub(crate) fn message(&self, space: &SpaceId, author: &AuthorId, payload: &Bytes) {
        let Ok(open) = self.get(space) else { return };
        let Ok(member) = self.store.member_of(space, author) else { return };
        // Nobody may be listening.
        let _ = open.messages.send((member.unwrap_or(*author), payload.clone()));
    }

    /// Who is here has changed.
    pub(crate) fn presence(&self, space: &SpaceId) {
        let Ok(open) = self.get(space) else { return };
        // Read while the state is held, so that who tells last tells what is so.
        open.online.send_modify(|online| {
            *online = self.sync.status(space).map(|status| status.online).unwrap_or_default();
        });
    }

    /// When the newest entry of the app's was written.
    pub(crate) fn newest(&self, space: &SpaceId) -> Result<Option<u64>> {
        let newest =
            Query { before: Some(u64::MAX), limit: 1, kinds: kinds(None), ..Query::default() };
        Ok(self.store.entries(space, &newest)?.entries.first().map(|entry| entry.time))
    }

    pub(crate) fn me(&self, space: &SpaceId) -> Result<Me> {
        let record = self.store.space(space)?.ok_or_else(no_space)?;
        let members = self.store.members(space)?;
        let me = members.iter().find(|member| member.me).ok_or_else(no_space)?;
        let app_name = self.store.app(&record.app)?.map(|app| app.name).unwrap_or_default();
        Ok(Me {
            id: me.id.to_string(),
            name: me.name.clone().unwrap_or_else(|| self.settings.get().name),
            space: space.to_string(),
            app: record.app.to_string(),
            space_name: display_name(&record, &app_name),
        })
    }

    pub(crate) async fn set_name(&self, space: &SpaceId, name: &SetName) -> Result<()> {
        let name = person_name(&name.name)?;
        if self.me(space)?.name != name {
            self.write(space, kith_log::Body::new(BodyKind::Profile, name.into_bytes())).await?;
        }
        Ok(())
    }

    /// Appends what a page says.
    pub(crate) async fn append(
        &self,
        space: &SpaceId,
        kind: EntryKind,
        body: Body,
        attachments: Vec<Attachment>,
    ) -> Result<Appended> {
        let (kind, payload) = match (kind, body) {
            (EntryKind::App, Body::Json(json)) => (BodyKind::App, to_json(&json)?),
            (EntryKind::App, Body::Bytes(text)) => (BodyKind::Bytes, from_base64(&text)?),
            (EntryKind::Update, Body::Json(json)) => (BodyKind::Update, to_json(&json)?),
            (EntryKind::Update, Body::Bytes(_)) => {
                return Err(Error::new(ErrorCode::InvalidParams, "An update is JSON, not bytes."));
            }
        };
        self.write(space, kith_log::Body::with_attachments(kind, attachments, payload)).await
    }

    /// Writes to one's own log, then tells the peers.
    async fn write(&self, space: &SpaceId, body: kith_log::Body) -> Result<Appended> {
        if body.to_plain().map_or(true, |plain| plain.len() > MAX_BODY + 1) {
            return Err(too_large("An entry"));
        }
        self.get(space)?.writer.write(body).await
    }

    pub(crate) fn read(&self, space: &SpaceId, read: &Read) -> Result<Entries> {
        let limit = read.limit.unwrap_or(DEFAULT_READ).clamp(1, MAX_READ);
        let query = Query {
            after: read.after,
            before: read.before,
            limit,
            kinds: kinds(read.kind),
            ..Query::default()
        };
        let page = self.store.entries(space, &query)?;
        let entries = page.entries.into_iter().filter_map(to_entry).collect();
        Ok(Entries { entries, max_serial: page.max_serial })
    }

    pub(crate) fn members(&self, space: &SpaceId) -> Result<Members> {
        // One that could not be opened has its people all the same.
        let online = self.get(space).map(|open| open.online.borrow().clone()).unwrap_or_default();
        let members = self.store.members(space)?;
        let members = members.into_iter().map(|member| self.to_member(member, &online)).collect();
        Ok(Members { members })
    }

    fn to_member(&self, member: MemberRecord, online: &BTreeSet<AuthorId>) -> Member {
        let unnamed = || {
            if member.me { self.settings.get().name } else { "Someone".to_owned() }
        };
        Member {
            id: member.id.to_string(),
            name: member.name.clone().unwrap_or_else(unnamed),
            online: member.me || member.authors.iter().any(|author| online.contains(author)),
            me: member.me,
            forked: member.forked,
        }
    }

    /// The name of whoever has a connection with one of these authors; the first that has one.
    pub(crate) fn name_of(&self, space: &SpaceId, author: &AuthorId) -> Option<String> {
        let members = self.store.members(space).ok()?;
        members.into_iter().find(|member| member.authors.contains(author))?.name
    }

    pub(crate) fn send(&self, space: &SpaceId, message: SendMessage) -> Result<Sent> {
        self.get(space)?;
        let (kind, mut bytes) = match message.body {
            Body::Json(json) => (BodyKind::App, to_json(&json)?),
            Body::Bytes(text) => (BodyKind::Bytes, from_base64(&text)?),
        };
        bytes.insert(0, kind as u8);
        if bytes.len() > MAX_BODY {
            return Err(too_large("A message"));
        }
        let to = self.sync.send_message(space, bytes).map_err(|error| {
            Error::new(ErrorCode::Internal, "The message was not sent.").why(error.to_string())
        })?;
        Ok(Sent { to: u32::try_from(to).unwrap_or(u32::MAX) })
    }

    /// Entries after a serial, then those to come. Read from the store at the reader's pace.
    pub(crate) fn watch_entries(
        &self,
        space: SpaceId,
        after: u64,
        kind: Option<EntryKind>,
    ) -> Result<EventStream> {
        self.get(&space)?;
        let watch = self.store.watch(&space)?;
        let start = Reader {
            store: self.store.clone(),
            space,
            after,
            kind,
            watch,
            batch: VecDeque::new(),
            max_serial: 0,
        };
        Ok(stream::unfold(start, |mut reader| async move {
            let event = reader.next().await?;
            Some((Event::Entry(event), reader))
        })
        .boxed())
    }

    pub(crate) fn watch_messages(&self, space: &SpaceId) -> Result<EventStream> {
        let messages = self.get(space)?.messages.subscribe();
        Ok(streams::messages(messages, |(from, payload): (AuthorId, Bytes)| {
            let body = message_body(&payload)?;
            Some(Event::Message(MessageEvent { from: from.to_string(), body }))
        }))
    }

    pub(crate) fn watch_presence(&self, space: &SpaceId) -> Result<EventStream> {
        let receiver = self.get(space)?.online.subscribe();
        let (store, space) = (self.store.clone(), *space);
        Ok(streams::states(
            receiver,
            Duration::ZERO,
            |_| true,
            move |authors: BTreeSet<AuthorId>| {
                let members = store.members(&space).unwrap_or_default();
                let online: BTreeSet<_> =
                    authors.iter().map(|author| member_of(&members, author).to_string()).collect();
                Event::Presence(PresenceEvent { online: online.into_iter().collect() })
            },
        ))
    }

    /// The spaces' records, those last used first.
    pub(crate) fn records(&self) -> Result<Vec<(SpaceId, SpaceRecord)>> {
        let mut records = self.store.spaces()?;
        records.sort_by_key(|(_, record)| std::cmp::Reverse(record.used));
        Ok(records)
    }
}

/// Reads a space's entries one after the other, a batch at a time.
struct Reader {
    store: Store,
    space: SpaceId,
    after: u64,
    kind: Option<EntryKind>,
    watch: watch::Receiver<u64>,
    /// As they are stored: JSON takes ten times as much once it is parsed.
    batch: VecDeque<StoredEntry>,
    max_serial: u64,
}

impl Reader {
    /// The next entry; `None` when the space was left, or the node is stopping.
    async fn next(&mut self) -> Option<EntryEvent> {
        loop {
            if let Some(entry) = self.batch.pop_front() {
                let Some(entry) = to_entry(entry) else { continue };
                return Some(EntryEvent { entry, max_serial: self.max_serial });
            }
            // Noted before reading, so that what arrives meanwhile wakes us again.
            let newest = *self.watch.borrow_and_update();
            if newest > self.after {
                match self.fill() {
                    Ok(()) => {}
                    Err(StoreError::NotFound(_) | StoreError::Closed) => return None,
                    Err(error) => {
                        tracing::warn!(space = %self.space, %error, "entries can't be read");
                        tokio::time::sleep(READ_AGAIN).await;
                        continue;
                    }
                }
            }
            if self.batch.is_empty() && self.after >= newest {
                self.watch.changed().await.ok()?;
            }
        }
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        let query = Query {
            after: self.after,
            before: None,
            limit: BATCH,
            kinds: kinds(self.kind),
            max_bytes: Some(BATCH_BYTES),
        };
        let page = self.store.entries(&self.space, &query)?;
        self.max_serial = page.max_serial;
        // Nothing more of these kinds: what is left are entries of others.
        self.after = page.entries.last().map_or(page.max_serial, |entry| entry.serial);
        self.batch.extend(page.entries);
        Ok(())
    }
}

/// The kinds of bodies that an entry of that kind can have; for none, all that pages see.
fn kinds(kind: Option<EntryKind>) -> Vec<BodyKind> {
    match kind {
        None => vec![BodyKind::App, BodyKind::Bytes, BodyKind::Update],
        Some(EntryKind::App) => vec![BodyKind::App, BodyKind::Bytes],
        Some(EntryKind::Update) => vec![BodyKind::Update],
    }
}

/// An entry as a page sees it; `None` for those of kith itself.
fn to_entry(entry: StoredEntry) -> Option<Entry> {
    let attachments = entry.body.iter().flat_map(|body| &body.attachments).map(file_ref).collect();
    let (kind, body) = match entry.body {
        None => (EntryKind::App, None),
        Some(body) => match body.kind {
            BodyKind::Opening | BodyKind::Profile => return None,
            BodyKind::App => (EntryKind::App, from_json(&body.payload)),
            BodyKind::Update => (EntryKind::Update, from_json(&body.payload)),
            BodyKind::Bytes => {
                (EntryKind::App, Some(Body::Bytes(BASE64URL_NOPAD.encode(&body.payload))))
            }
        },
    };
    Some(Entry {
        serial: entry.serial,
        author: entry.member.to_string(),
        index: entry.index,
        lamport: entry.lamport,
        time: entry.time,
        kind,
        body,
        attachments,
    })
}

fn message_body(payload: &[u8]) -> Option<Body> {
    let (kind, rest) = payload.split_first()?;
    match BodyKind::try_from(*kind).ok()? {
        BodyKind::App => from_json(rest),
        BodyKind::Bytes => Some(Body::Bytes(BASE64URL_NOPAD.encode(rest))),
        BodyKind::Opening | BodyKind::Profile | BodyKind::Update => None,
    }
}

fn from_json(payload: &[u8]) -> Option<Body> {
    serde_json::from_slice(payload).ok().map(Body::Json)
}

fn to_json(json: &serde_json::Value) -> Result<Vec<u8>> {
    serde_json::to_vec(json).map_err(|error| {
        Error::new(ErrorCode::InvalidParams, "This is not JSON.").why(error.to_string())
    })
}

fn from_base64(text: &str) -> Result<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|error| {
        Error::new(ErrorCode::InvalidParams, "The bytes are not base64url without padding.")
            .why(error.to_string())
    })
}

/// The member that an author belongs to; before the author's log is here, the author.
fn member_of(members: &[MemberRecord], author: &AuthorId) -> AuthorId {
    let member = members.iter().find(|member| member.authors.contains(author));
    member.map_or(*author, |member| member.id)
}

fn too_large(what: &str) -> Error {
    Error::new(ErrorCode::TooLarge, format!("{what} has 128 KiB at most."))
        .todo("Split it, or send it as a file.")
}

pub(crate) fn no_space() -> Error {
    Error::new(ErrorCode::NotFound, "There is no such space here.")
        .why("It was left, or it belongs to another kith.")
}
