//! Files and folders that come, or were wanted since the start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use kith_api::{Error, ErrorCode, FileSource, FileStage, FileState, Result};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_log::file::Attachment;
use kith_overlay::storage::{BlobScope, BlobState};
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;

use super::meter::Meter;
use super::{hex, no_file};
use crate::node::Inner;

/// Transfers remembered, those that ended included; one that is over goes first. Bounds memory at
/// 10 MB with [`MAX_SOURCES`](super::meter).
const MAX_TRANSFERS: usize = 4_096;
/// Blobs that are fetched at once, over all spaces. What a page waits for is not counted.
pub(super) const MAX_FETCHES: usize = 8;

/// The transfers of a node.
pub(crate) struct Transfers {
    all: Mutex<BTreeMap<Key, Arc<Transfer>>>,
    /// Rises with each change of one of them.
    changes: watch::Sender<u64>,
    pub(super) slots: Arc<Semaphore>,
}

/// A file or folder of a space.
pub(super) type Key = (SpaceId, [u8; 32]);

/// One of them.
pub(crate) struct Transfer {
    pub(super) key: Key,
    pub(super) app: AppId,
    pub(super) attachment: Attachment,
    /// Where it is written; `None` for kith's own store.
    pub(super) destination: Option<PathBuf>,
    meter: watch::Sender<Meter>,
    /// Names that had to be changed.
    renamed: Mutex<Vec<String>>,
    changes: watch::Sender<u64>,
    task: Mutex<Option<AbortHandle>>,
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
            changes: watch::Sender::new(0),
            slots: Arc::new(Semaphore::new(MAX_FETCHES)),
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

    /// Those of a space.
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
        for transfer in self.of(space) {
            self.all().remove(&transfer.key);
            transfer.halt();
            transfer.update(|meter| {
                meter.stage = FileStage::Failed;
                meter.error = Some(Error::new(ErrorCode::SpaceLeft, "The space was left."));
            });
        }
    }

    /// A file of a space is here without having been fetched: pages are told.
    pub(super) fn is_here(&self, space: SpaceId, app: AppId, attachment: Attachment) {
        let size = attachment.size;
        let here = Transfer {
            key: (space, attachment.hash),
            app,
            attachment,
            destination: None,
            meter: watch::Sender::new(Meter::new(FileStage::Complete, size, size)),
            renamed: Mutex::default(),
            changes: self.changes.clone(),
            task: Mutex::default(),
        };
        // Without room pages find it out when they begin anew.
        if let Ok((transfer, _)) = self.add(here) {
            transfer.update(|_| ());
        }
    }

    /// Adds one, unless it is there and goes on; says whether it was added.
    fn add(&self, transfer: Transfer) -> Result<(Arc<Transfer>, bool)> {
        let mut all = self.all();
        if let Some(live) = all.get(&transfer.key).filter(|live| !is_over(live.stage())) {
            return Ok((live.clone(), false));
        }
        if all.len() >= MAX_TRANSFERS {
            let over = all.iter().find(|(_, transfer)| is_over(transfer.stage()));
            let over = over.map(|(key, _)| *key).ok_or_else(|| {
                Error::new(ErrorCode::TooMany, "4,096 files are being fetched already.")
                    .todo("Wait until some of them are here, or stop some.")
            })?;
            all.remove(&over);
        }
        let transfer = Arc::new(transfer);
        all.insert(transfer.key, transfer.clone());
        Ok((transfer, true))
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
        let meter = Meter::new(FileStage::Waiting, attachment.size, 0);
        let (transfer, new) = self.transfers.add(Transfer {
            key: (space, hash),
            app: open.app,
            attachment,
            destination,
            meter: watch::Sender::new(meter),
            renamed: Mutex::default(),
            changes: self.transfers.changes.clone(),
            task: Mutex::default(),
        })?;
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

    /// Brings all of a file or folder to where it is wanted.
    async fn bring(self: &Arc<Self>, transfer: &Arc<Transfer>) -> Result<()> {
        if transfer.attachment.folder {
            self.bring_folder(transfer).await
        } else {
            self.bring_file(transfer).await
        }
    }

    async fn ended(&self, transfer: &Transfer, done: Result<()>) {
        let (space, hash) = transfer.key;
        if done.is_ok()
            && let Err(error) = self.store.unwant(space, hash).await
        {
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

    /// Stops fetching. What came is kept.
    pub(crate) async fn pause_file(&self, space: SpaceId, hash: [u8; 32]) -> Result<()> {
        let transfer = self.transfers.get(&space, &hash).ok_or_else(no_file)?;
        if is_over(transfer.stage()) {
            return Ok(());
        }
        self.store.want(space, hash, transfer.destination.as_deref(), true).await?;
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
            let size = transfer.attachment.size;
            transfer.update(|meter| *meter = Meter::new(FileStage::Absent, size, 0));
        }
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
        if let Some(transfer) = self.transfers.get(space, &hash) {
            return Ok(self.state_of(&transfer));
        }
        let (bytes, stage) = match self.store.blob(BlobScope::Space(*space), &hash)? {
            BlobState::Absent => (0, FileStage::Absent),
            BlobState::Partial { size, held } => (held.bytes(size), FileStage::Paused),
            BlobState::Complete { size } => (size, FileStage::Complete),
        };
        Ok(FileState {
            hash: hex(&hash),
            size: attachment.size,
            bytes,
            stage,
            speed: 0,
            left: None,
            from: Vec::new(),
            error: None,
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
