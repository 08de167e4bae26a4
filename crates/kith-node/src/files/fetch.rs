//! Getting one blob of a space from whoever is there.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use kith_api::{Error, ErrorCode, Result};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_log::file::{Attachment, FileKey};
use kith_overlay::blob::{BlobFetch, BlobProgress, BlobWanted, FetchError, FetchSteer};
use kith_overlay::storage::{BlobScope, StorageError};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::transfers::{Key, Transfer};
use crate::node::Inner;
use crate::store::{Expected, StoreError};

/// A blob of a space, and what opens it.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    pub(super) hash: [u8; 32],
    pub(super) size: u64,
    pub(super) key: Option<FileKey>,
}

impl Piece {
    /// The blob that an entry names.
    pub(super) fn of(attachment: &Attachment) -> Self {
        let Attachment { hash, size, key, .. } = attachment;
        Self { hash: *hash, size: *size, key: key.clone() }
    }
}

/// The blobs that are being fetched; each once, whoever wants it.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<HashMap<Key, Weak<Fetching>>>);

/// A blob that is being fetched for as long as somebody holds this.
pub(super) struct Fetching {
    state: watch::Receiver<State>,
    steer: FetchSteer,
    _task: AbortOnDropHandle<()>,
}

/// How far it is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// On its way.
    Going(Option<BlobProgress>),
    /// Here, or it can't be stored.
    Done(Result<()>),
}

impl Fetching {
    fn start(fetch: BlobFetch) -> Self {
        let (sender, state) = watch::channel(State::Going(None));
        let steer = fetch.steer();
        let task = tokio::spawn(async move {
            let mut progress = fetch.progress();
            let finished = fetch.finished();
            tokio::pin!(finished);
            loop {
                tokio::select! {
                    done = &mut finished => {
                        sender.send_replace(State::Done(done.map_err(not_fetched)));
                        return;
                    }
                    Ok(()) = progress.changed() => {
                        let now = progress.borrow_and_update().clone();
                        sender.send_replace(State::Going(Some(now)));
                    }
                }
            }
        });
        Self { state, steer, _task: AbortOnDropHandle::new(task) }
    }

    /// How far it is, now and as it goes on.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }

    /// A reader waits for these bytes.
    pub(super) fn urgent(&self, range: Range<u64>) {
        self.steer.urgent(range);
    }
}

impl Inner {
    /// Fetches a blob of a space from its members, who are waited for, while what is returned is held.
    pub(super) fn fetch_piece(
        &self,
        space: SpaceId,
        app: AppId,
        piece: &Piece,
    ) -> Result<Arc<Fetching>> {
        let key = (space, piece.hash);
        let mut fetches = self.fetches.0.lock().expect("no panic while held");
        if let Some(live) = fetches.get(&key).and_then(Weak::upgrade) {
            return Ok(live);
        }
        fetches.retain(|_, fetching| fetching.strong_count() > 0);
        let scope = BlobScope::Space(space);
        let wanted = BlobWanted { app, scope, hash: piece.hash, size: piece.size };
        let fetch = self.sync.fetch_from_members(wanted).ok_or_else(stopping)?;
        let fetching = Arc::new(Fetching::start(fetch));
        fetches.insert(key, Arc::downgrade(&fetching));
        Ok(fetching)
    }

    /// Waits until all of a file is here.
    pub(super) async fn bring_file(&self, transfer: &Transfer) -> Result<()> {
        let piece = Piece::of(&transfer.attachment);
        self.bring_piece(transfer, &piece, transfer.destination.as_deref()).await.map(|_| ())
    }

    /// Waits until a blob is here, complete: in the store, or where it is to be written, unless it is
    /// here in another place already. Says where.
    pub(super) async fn bring_piece(
        &self,
        transfer: &Transfer,
        piece: &Piece,
        destination: Option<&Path>,
    ) -> Result<Expected> {
        let (space, _) = transfer.key;
        let scope = BlobScope::Space(space);
        let Piece { hash, size, key } = piece;
        let destination = destination.map(Path::to_owned);
        let expected = self.store.expect_file(scope, hash, *size, key.clone(), destination).await?;
        if let Expected::Held(_) = expected {
            transfer.update(|meter| meter.arrived(hash, *size));
            return Ok(expected);
        }
        let _slot = self.transfers.slots.acquire().await;
        let fetching = self.fetch_piece(space, transfer.app, piece)?;
        let mut state = fetching.watch();
        loop {
            let now = state.borrow_and_update().clone();
            match now {
                State::Going(None) => {}
                State::Going(Some(progress)) => transfer.went_on(hash, &progress),
                State::Done(done) => {
                    if done.is_ok() {
                        transfer.update(|meter| meter.arrived(hash, *size));
                    }
                    return done.map(|()| expected);
                }
            }
            state.changed().await.map_err(|_| stopping())?;
        }
    }
}

fn stopping() -> Error {
    Error::new(ErrorCode::Stopping, "The space was left, or kith is stopping.")
}

fn not_fetched(error: FetchError) -> Error {
    match error {
        FetchError::Storage(StorageError::Full) => StoreError::DiskFull.into(),
        FetchError::Storage(error) => {
            Error::new(ErrorCode::Storage, "What came could not be saved.")
                .why(format!("{error}."))
                .todo("Look at the disk, then go on.")
        }
        FetchError::NoPeers { .. } => {
            Error::new(ErrorCode::Unreachable, "Nobody who is here has it.")
                .todo("Try again when whoever shared it is online.")
        }
        FetchError::Stopped => stopping(),
    }
}
