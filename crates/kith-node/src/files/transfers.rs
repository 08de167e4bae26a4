//! Files and folders that come, or were wanted since the start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use kith_api::{Error, ErrorCode, FileSource, FileStage, FileState, Result};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_log::file::Attachment;
use kith_overlay::blob::{BlobProgress, FetchStage};
use kith_overlay::storage::{BlobScope, BlobState};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use super::claims::is_same_file;
use super::export::Opened;
use super::fetch::{Fetching, State};
use super::get::free;
use super::lists::Lists;
use super::meter::Meter;
use super::news::Touched;
use super::{hex, no_file};
use crate::node::Inner;
use crate::store::Folder;

/// Transfers remembered, those that ended included; one that is over goes first. Bounds memory at
/// 10 MB with [`MAX_SOURCES`](super::meter).
const MAX_TRANSFERS: usize = 4_096;
/// Blobs that are fetched at once, over all spaces. What a page waits for is not counted.
pub(super) const MAX_FETCHES: usize = 8;

/// The transfers of a node.
pub(crate) struct Transfers {
    all: Mutex<BTreeMap<Key, Arc<Transfer>>>,
    /// What comes for readers alone, for as long as they read: nobody asked for all of it. As many as
    /// the gateway serves at once.
    reads: Mutex<BTreeMap<Key, Read>>,
    touched: Mutex<Touched>,
    /// Rises with each change of one of them.
    changes: watch::Sender<u64>,
    pub(super) slots: Arc<Semaphore>,
    pub(super) lists: Lists<Opened>,
    /// Files are read to try keys on them one after the other.
    pub(super) proving: Semaphore,
}

/// A file or folder of a space.
pub(super) type Key = (SpaceId, [u8; 32]);

/// A file that comes because it is read, and the fetch that its readers share.
type Read = (Arc<Transfer>, watch::Receiver<State>);

/// One of them.
pub(crate) struct Transfer {
    pub(super) key: Key,
    pub(super) app: AppId,
    goal: Mutex<Goal>,
    meter: watch::Sender<Meter>,
    /// Names that had to be changed.
    renamed: Mutex<Vec<String>>,
    changes: watch::Sender<u64>,
    task: Mutex<Option<AbortHandle>>,
}

/// What a transfer is to bring.
#[derive(Clone)]
struct Goal {
    /// The claim that it goes by.
    claim: Attachment,
    /// Where it is written; `None` for kith's own store.
    destination: Option<PathBuf>,
}

/// Whether nothing more happens to it by itself.
pub(super) fn is_over(stage: FileStage) -> bool {
    !matches!(stage, FileStage::Waiting | FileStage::Fetching)
}

impl Transfer {
    /// Changes how far it is, and tells it.
    pub(super) fn update(&self, change: impl FnOnce(&mut Meter)) {
        self.meter.send_modify(change);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Tells how far one of its blobs is.
    pub(super) fn went_on(&self, hash: &[u8; 32], progress: &BlobProgress) {
        self.update(|meter| {
            meter.stage = match progress.stage {
                FetchStage::Waiting => FileStage::Waiting,
                FetchStage::Fetching | FetchStage::Finishing => FileStage::Fetching,
            };
            meter.went_on(*hash, progress, Instant::now());
        });
    }

    /// The claim that it goes by.
    pub(super) fn attachment(&self) -> Attachment {
        self.goal().claim
    }

    /// Where it is written; `None` for kith's own store.
    pub(super) fn destination(&self) -> Option<PathBuf> {
        self.goal().destination
    }

    fn goal(&self) -> Goal {
        self.goal.lock().expect("no panic while held").clone()
    }

    pub(super) fn watch(&self) -> watch::Receiver<Meter> {
        self.meter.subscribe()
    }

    pub(super) fn stage(&self) -> FileStage {
        self.meter.borrow().stage
    }

    pub(super) fn rename(&self, shared: &str, written: &str) {
        const MAX_TOLD: usize = 1_000;
        let mut renamed = self.renamed.lock().expect("no panic while held");
        if renamed.len() < MAX_TOLD {
            renamed.push(format!("{shared} is {written} here"));
        }
    }

    pub(super) fn renamed(&self) -> Vec<String> {
        self.renamed.lock().expect("no panic while held").clone()
    }

    /// Waits until it is complete.
    pub(super) async fn finished(&self) -> Result<()> {
        let mut meter = self.watch();
        // The sender is ours.
        let Ok(meter) = meter.wait_for(|meter| is_over(meter.stage)).await else { return Ok(()) };
        match (meter.stage, &meter.error) {
            (FileStage::Complete, _) => Ok(()),
            (_, Some(error)) => Err(error.clone()),
            _ => Err(Error::new(ErrorCode::Cancelled, "It was stopped.")),
        }
    }

    fn halt(&self) {
        if let Some(task) = self.task.lock().expect("no panic while held").take() {
            task.abort();
        }
    }
}

impl Default for Transfers {
    fn default() -> Self {
        Self {
            all: Mutex::default(),
            reads: Mutex::default(),
            touched: Mutex::default(),
            changes: watch::Sender::new(0),
            slots: Arc::new(Semaphore::new(MAX_FETCHES)),
            lists: Lists::default(),
            proving: Semaphore::new(1),
        }
    }
}

impl Transfers {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Key, Arc<Transfer>>> {
        self.all.lock().expect("no panic while held")
    }

    pub(super) fn get(&self, space: &SpaceId, hash: &[u8; 32]) -> Option<Arc<Transfer>> {
        self.all().get(&(*space, *hash)).cloned()
    }

    fn reads(&self) -> MutexGuard<'_, BTreeMap<Key, Read>> {
        self.reads.lock().expect("no panic while held")
    }

    /// What comes of a file, or came: what was asked for before what is only read.
    fn standing(&self, space: &SpaceId, hash: &[u8; 32]) -> Option<Arc<Transfer>> {
        let asked = self.get(space, hash);
        if asked.as_ref().is_some_and(|asked| !is_over(asked.stage())) {
            return asked;
        }
        self.reads().get(&(*space, *hash)).map(|(read, _)| read.clone()).or(asked)
    }

    /// What comes of a space's files, or came.
    pub(super) fn standing_of(&self, space: &SpaceId) -> Vec<Arc<Transfer>> {
        let of = (*space, [0; 32])..=(*space, [0xff; 32]);
        let mut standing: BTreeMap<Key, Arc<Transfer>> =
            self.of(space).into_iter().map(|transfer| (transfer.key, transfer)).collect();
        for (key, (read, _)) in self.reads().range(of) {
            let asked = standing.get(key).filter(|asked| !is_over(asked.stage()));
            if asked.is_none() {
                standing.insert(*key, read.clone());
            }
        }
        standing.into_values().collect()
    }

    /// Files of a space that changed and may not be among those, since there were so many changes of
    /// this kind, and how many there are now. `None` where too many were missed.
    pub(super) fn touched(&self, space: &SpaceId, since: u64) -> (Option<Vec<[u8; 32]>>, u64) {
        let touched = self.touched.lock().expect("no panic while held");
        (touched.since(since, space), touched.count())
    }

    /// A file is not what it was, although nothing of it is under way: who is told of changes looks.
    fn touch(&self, key: Key) {
        self.touched.lock().expect("no panic while held").add(key);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Those of a space that were asked for.
    pub(super) fn of(&self, space: &SpaceId) -> Vec<Arc<Transfer>> {
        let all = self.all();
        let of = all.range((*space, [0; 32])..=(*space, [0xff; 32]));
        of.map(|(_, transfer)| transfer.clone()).collect()
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// A space was left: nothing more comes of it, and who waits is told.
    pub(crate) fn forget(&self, space: &SpaceId) {
        self.lists.forget(space);
        for transfer in self.of(space) {
            self.all().remove(&transfer.key);
            transfer.halt();
            transfer.update(|meter| {
                meter.stage = FileStage::Failed;
                meter.error = Some(Error::new(ErrorCode::SpaceLeft, "The space was left."));
            });
        }
    }

    /// A file or folder of a space is here without having been fetched: pages are told.
    pub(super) fn is_here(&self, space: SpaceId, app: AppId, attachment: Attachment, size: u64) {
        let key = (space, attachment.hash);
        let here = self.make(key, app, attachment, None, FileStage::Complete);
        here.update(|meter| *meter = Meter::new(FileStage::Complete, size, size));
        match self.add(here) {
            Ok((transfer, _)) => transfer.update(|_| ()),
            Err(_) => self.touch(key),
        }
    }

    fn make(
        &self,
        key: Key,
        app: AppId,
        attachment: Attachment,
        destination: Option<PathBuf>,
        stage: FileStage,
    ) -> Transfer {
        let meter = watch::Sender::new(Meter::new(stage, attachment.size, 0));
        let (changes, renamed, task) = (self.changes.clone(), Mutex::default(), Mutex::default());
        let goal = Mutex::new(Goal { claim: attachment, destination });
        Transfer { key, app, goal, meter, renamed, changes, task }
    }

    /// A page reads a file that comes by this fetch; `None` where another reader of it was first.
    fn begin_read(&self, read: Transfer, state: &watch::Receiver<State>) -> Option<Arc<Transfer>> {
        let mut reads = self.reads();
        if reads.get(&read.key).is_some_and(|(_, other)| other.same_channel(state)) {
            return None;
        }
        let read = Arc::new(read);
        reads.insert(read.key, (read.clone(), state.clone()));
        Some(read)
    }

    /// Nobody reads it any more. What came, and from whom, is still told.
    fn end_read(&self, read: &Arc<Transfer>) {
        {
            let mut reads = self.reads();
            if reads.get(&read.key).is_some_and(|(other, _)| Arc::ptr_eq(other, read)) {
                reads.remove(&read.key);
            }
        }
        let mut all = self.all();
        let known = all.contains_key(&read.key);
        if !known && self.make_room(&mut all).is_ok() {
            all.insert(read.key, read.clone());
        }
        drop(all);
        self.touch(read.key);
    }

    /// Adds one, unless it is there and goes on; says whether it was added.
    fn add(&self, transfer: Transfer) -> Result<(Arc<Transfer>, bool)> {
        let mut all = self.all();
        if let Some(live) = all.get(&transfer.key).filter(|live| !is_over(live.stage())) {
            return Ok((live.clone(), false));
        }
        if !all.contains_key(&transfer.key) {
            self.make_room(&mut all)?;
        }
        let transfer = Arc::new(transfer);
        all.insert(transfer.key, transfer.clone());
        Ok((transfer, true))
    }

    /// Forgets one that is over, where there is no room for another. Who was not told yet how it
    /// ended finds it in the store.
    fn make_room(&self, all: &mut BTreeMap<Key, Arc<Transfer>>) -> Result<()> {
        if all.len() < MAX_TRANSFERS {
            return Ok(());
        }
        let over = all.iter().find(|(_, transfer)| is_over(transfer.stage()));
        let over = over.map(|(key, _)| *key).ok_or_else(|| {
            Error::new(ErrorCode::TooMany, "4,096 files are being fetched already.")
                .todo("Wait until some of them are here, or stop some.")
        })?;
        all.remove(&over);
        self.touch(over);
        Ok(())
    }
}

impl Inner {
    /// Begins to fetch a file or folder of a space, or goes on; one that is under way stays as it is.
    pub(crate) async fn fetch_file(
        self: &Arc<Self>,
        space: SpaceId,
        hash: [u8; 32],
        destination: Option<PathBuf>,
    ) -> Result<Arc<Transfer>> {
        let open = self.spaces.get(&space)?;
        let attachment = self.attachment(&space, &hash)?;
        self.store.want(space, hash, destination.as_deref(), false).await?;
        let key = (space, hash);
        let made = self.transfers.make(key, open.app, attachment, destination, FileStage::Waiting);
        let (transfer, new) = self.transfers.add(made)?;
        if new {
            transfer.update(|_| ());
            let (node, work) = (self.clone(), transfer.clone());
            let task = self.spawn(async move {
                let done = node.bring(&work).await;
                node.ended(&work, done).await;
            });
            *transfer.task.lock().expect("no panic while held") = Some(task);
        }
        Ok(transfer)
    }

    /// Brings all of a file or folder to where it is wanted; anew, where what came shows that another
    /// claim is right than the one that it went by.
    async fn bring(self: &Arc<Self>, transfer: &Arc<Transfer>) -> Result<()> {
        let (space, hash) = transfer.key;
        loop {
            let claim = transfer.attachment();
            let done = if claim.folder {
                self.bring_folder(transfer).await
            } else {
                self.bring_file(transfer).await
            };
            let right = self.settled(space, hash).await?;
            let same = is_same_file(&right, &claim);
            if same && done.is_err() {
                return done;
            }
            self.take_back(transfer, &right).await?;
            if same {
                return done;
            }
            let mut destination = transfer.destination();
            if let Some(to) = destination.as_ref().and_then(|path| path.parent())
                && claim.name != right.name
            {
                destination = Some(free(to, &right.name, &mut BTreeSet::new())?);
                self.store.want(space, hash, destination.as_deref(), false).await?;
            }
            let goal = Goal { claim: right, destination };
            *transfer.goal.lock().expect("no panic while held") = goal;
        }
    }

    async fn ended(&self, transfer: &Transfer, done: Result<()>) {
        let (space, hash) = transfer.key;
        let noted = match done {
            Ok(()) if transfer.attachment().folder => self.store.folder_is_here(space, hash).await,
            Ok(()) => self.store.unwant(space, hash).await,
            Err(_) => Ok(()),
        };
        if let Err(error) = noted {
            // It is looked for again at the next start, and found to be here.
            tracing::debug!(%error, "that a file is here is not noted");
        }
        transfer.update(|meter| match done {
            Ok(()) => meter.stage = FileStage::Complete,
            Err(error) => {
                meter.stage = FileStage::Failed;
                meter.error = Some(error);
            }
        });
        self.changed();
    }

    /// Tells how far a file is that a page reads and that comes by this fetch, until nobody reads it.
    pub(super) fn follow_read(
        self: &Arc<Self>,
        space: SpaceId,
        app: AppId,
        attachment: Attachment,
        fetching: &Fetching,
    ) {
        let (key, mut state) = ((space, attachment.hash), fetching.watch());
        let read = self.transfers.make(key, app, attachment, None, FileStage::Waiting);
        let Some(read) = self.transfers.begin_read(read, &state) else { return };
        let node = self.clone();
        self.spawn(async move {
            loop {
                let now = state.borrow_and_update().clone();
                match now {
                    State::Going(Some(progress)) => read.went_on(&key.1, &progress),
                    State::Going(None) => {}
                    State::Done(_) | State::OtherSize(_) => break,
                }
                // The fetch is held by its readers alone.
                if state.changed().await.is_err() {
                    break;
                }
            }
            let (bytes, stage) = node.rests(&space, &key.1).unwrap_or((0, FileStage::Absent));
            read.update(|meter| meter.rests(&key.1, stage, bytes));
            node.transfers.end_read(&read);
        });
    }

    /// Stops fetching. What came is kept. What a page reads comes for as long as it reads.
    pub(crate) async fn pause_file(&self, space: SpaceId, hash: [u8; 32]) -> Result<()> {
        let Some(transfer) = self.transfers.get(&space, &hash) else {
            return self.transfers.standing(&space, &hash).map(|_| ()).ok_or_else(no_file);
        };
        if is_over(transfer.stage()) {
            return Ok(());
        }
        self.store.want(space, hash, transfer.destination().as_deref(), true).await?;
        transfer.halt();
        transfer.update(|meter| {
            if !is_over(meter.stage) {
                meter.stage = FileStage::Paused;
            }
        });
        Ok(())
    }

    /// Stops fetching, and deletes what is held.
    pub(crate) async fn drop_file(&self, space: SpaceId, hash: [u8; 32]) -> Result<()> {
        self.attachment(&space, &hash)?;
        let transfer = self.transfers.get(&space, &hash);
        if let Some(transfer) = &transfer {
            transfer.halt();
        }
        self.store.unwant(space, hash).await?;
        self.store.drop_file(space, hash).await?;
        if let Some(transfer) = transfer {
            let size = transfer.attachment().size;
            transfer.update(|meter| *meter = Meter::new(FileStage::Absent, size, 0));
        }
        self.transfers.touch((space, hash));
        self.changed();
        Ok(())
    }

    /// Goes on with what was under way when the node ended.
    pub(crate) async fn resume_files(self: Arc<Self>) {
        let wanted = self.store.wanted().unwrap_or_else(|error| {
            tracing::warn!(%error, "what was being fetched can't be read");
            Vec::new()
        });
        for wanted in wanted {
            if wanted.paused {
                continue;
            }
            let (space, hash) = (wanted.space, wanted.hash);
            if let Err(error) = self.fetch_file(space, hash, wanted.destination).await {
                // Its space could not be taken up, which was told.
                tracing::debug!(%space, %error, "a file is not fetched further");
            }
        }
    }

    /// How a file or folder stands, whether or not it is under way.
    pub(super) fn file_state(&self, space: &SpaceId, attachment: &Attachment) -> Result<FileState> {
        let hash = attachment.hash;
        if let Some(transfer) = self.transfers.standing(space, &hash) {
            return Ok(self.state_of(&transfer));
        }
        let (bytes, stage) = self.rests(space, &hash)?;
        let (size, bytes, stage) = match stage {
            FileStage::Complete if attachment.folder => self.folder_rests(space, &hash)?,
            stage => (attachment.size, bytes, stage),
        };
        Ok(FileState {
            hash: hex(&hash),
            size,
            bytes,
            stage,
            speed: 0,
            left: None,
            from: Vec::new(),
            error: None,
        })
    }

    /// What is here of a file that nobody fetches.
    fn rests(&self, space: &SpaceId, hash: &[u8; 32]) -> Result<(u64, FileStage)> {
        Ok(match self.store.blob(BlobScope::Space(*space), hash)? {
            BlobState::Absent => (0, FileStage::Absent),
            BlobState::Partial { size, held } => (held.bytes(size), FileStage::Paused),
            BlobState::Complete { size } => (size, FileStage::Complete),
        })
    }

    /// The same of a folder whose list is here: its size, too.
    fn folder_rests(&self, space: &SpaceId, hash: &[u8; 32]) -> Result<(u64, u64, FileStage)> {
        Ok(match self.store.folder(space, hash)? {
            Some(Folder { size, bytes, is_whole: true }) => (size, bytes, FileStage::Complete),
            Some(Folder { size, bytes, is_whole: false }) => (size, bytes, FileStage::Paused),
            // Nobody wanted more than the names.
            None => (0, 0, FileStage::Absent),
        })
    }

    /// How a transfer stands.
    pub(super) fn state_of(&self, transfer: &Transfer) -> FileState {
        let (space, hash) = transfer.key;
        let meter = transfer.meter.borrow().clone();
        let now = Instant::now();
        let from = meter.sources().map(|source| {
            let member = source.author.map(|author| {
                let member = self.store.member_of(&space, &author).ok().flatten();
                member.unwrap_or(author).to_string()
            });
            FileSource {
                member,
                bytes: source.bytes(),
                sending: source.sending && meter.stage == FileStage::Fetching,
                failure: source.failure.clone(),
            }
        });
        FileState {
            hash: hex(&hash),
            size: meter.size,
            bytes: meter.bytes(),
            stage: meter.stage,
            speed: meter.speed(now),
            left: meter.left(now),
            from: from.collect(),
            error: meter.error.clone(),
        }
    }
}
