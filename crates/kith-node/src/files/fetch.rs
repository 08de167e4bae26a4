//! Getting one blob of a space from whoever is there.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};

use kith_api::{Error, ErrorCode, Result};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_log::file::{Attachment, FileKey};
use kith_overlay::blob::{BlobFetch, BlobProgress, BlobWanted, FetchError, FetchSteer, MAX_SIZES};
use kith_overlay::space::Spaces;
use kith_overlay::storage::{BlobScope, StorageError};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::transfers::{Key, Transfer};
use crate::node::Inner;
use crate::store::{Expected, Store, StoreError};

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

impl Fetches {
    /// A fetch of the same blob, in any space, that goes by another size.
    fn of_other_size(&self, hash: &[u8; 32], size: u64) -> Option<Arc<Fetching>> {
        let fetches = self.0.lock().expect("no panic while held");
        let mut live = fetches.iter().filter(|((_, of), _)| of == hash);
        live.find_map(|(_, fetching)| {
            let fetching = fetching.upgrade()?;
            let is_other = fetching.size != size && !fetching.state.borrow().is_over();
            is_other.then_some(fetching)
        })
    }
}

/// A blob that is being fetched for as long as somebody holds this.
pub(super) struct Fetching {
    size: u64,
    /// Other sizes that somebody says it has; [`MAX_SIZES`] at most.
    others: watch::Sender<BTreeSet<u64>>,
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
    /// It proved to have another size, and is not fetched any more.
    OtherSize(u64),
}

impl State {
    pub(super) fn is_over(&self) -> bool {
        !matches!(self, Self::Going(_))
    }
}

impl Fetching {
    fn start(fetch: BlobFetch, doubt: Doubt, others: watch::Sender<BTreeSet<u64>>) -> Self {
        let (sender, state) = watch::channel(State::Going(None));
        let (steer, size) = (fetch.steer(), doubt.size);
        let task = tokio::spawn(async move {
            let mut progress = fetch.progress();
            let (finished, resolved) = (fetch.finished(), doubt.resolved());
            tokio::pin!(finished, resolved);
            let last = loop {
                tokio::select! {
                    done = &mut finished => break State::Done(done.map_err(not_fetched)),
                    size = &mut resolved => break State::OtherSize(size),
                    Ok(()) = progress.changed() => {
                        let now = progress.borrow_and_update().clone();
                        sender.send_replace(State::Going(Some(now)));
                    }
                }
            };
            sender.send_replace(last);
        });
        Self { size, others, state, steer, _task: AbortOnDropHandle::new(task) }
    }

    /// Somebody says that it has another size: which one is right is found out.
    fn doubt(&self, size: u64) {
        self.others.send_if_modified(|others| others.len() < MAX_SIZES && others.insert(size));
    }

    /// What became of it for who wants this piece, once it is over.
    pub(super) fn over(&self, state: &State, piece: &Piece) -> Option<Result<()>> {
        match state {
            State::Going(_) => None,
            State::Done(Ok(())) if self.size == piece.size => Some(Ok(())),
            State::Done(Err(error)) => Some(Err(error.clone())),
            State::Done(Ok(())) | State::OtherSize(_) => Some(Err(StoreError::OtherSize.into())),
        }
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

/// What finds out whether a blob is fetched with its right size.
struct Doubt {
    store: Store,
    sync: Spaces,
    app: AppId,
    space: SpaceId,
    hash: [u8; 32],
    /// The size that it is fetched with.
    size: u64,
    others: watch::Receiver<BTreeSet<u64>>,
    /// Entries of the space: they may name the blob, too.
    arrivals: watch::Receiver<u64>,
}

impl Doubt {
    /// Ends with the size that the blob has, where that is another one than it is fetched with.
    async fn resolved(mut self) -> u64 {
        loop {
            self.arrivals.mark_unchanged();
            self.others.mark_unchanged();
            let sizes = self.sizes();
            let Self { store, sync, app, space, hash, size, others, arrivals } = &mut self;
            let proven = async {
                let proven = match sizes.len() {
                    0 | 1 => None,
                    _ => sync.prove_size(*app, *space, *hash, &sizes).await,
                };
                match proven {
                    Some(size) => size,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                proven = proven => {
                    if let Err(error) = store.note_size(*space, *hash, proven).await {
                        tracing::debug!(%error, "a file's size is not noted");
                    }
                    if proven != *size {
                        return proven;
                    }
                    return std::future::pending().await;
                }
                Ok(()) = others.changed() => {}
                Ok(()) = arrivals.changed() => {}
                else => return std::future::pending().await,
            }
        }
    }

    /// The sizes that it may have; one at most where there is no doubt.
    fn sizes(&self) -> Vec<u64> {
        if let Ok(Some(_)) = self.store.proven_size(&self.hash) {
            return Vec::new();
        }
        let claims = self.store.claims(&self.space, &self.hash).unwrap_or_default();
        let mut sizes = self.others.borrow().clone();
        sizes.extend(claims.sizes());
        sizes.insert(self.size);
        sizes.into_iter().collect()
    }
}

impl Inner {
    /// Says where a blob goes before it is fetched. Where it is being fetched with another size, this
    /// waits until it is known which one is right.
    pub(super) async fn expect_piece(
        &self,
        space: SpaceId,
        piece: &Piece,
        destination: Option<&Path>,
    ) -> Result<Expected> {
        let Piece { hash, size, key } = piece;
        while let Some(other) = self.fetches.of_other_size(hash, *size) {
            other.doubt(*size);
            let mut state = other.watch();
            let state = state.wait_for(State::is_over).await.map_err(|_| stopping())?;
            match &*state {
                State::OtherSize(right) if right == size => {}
                State::Done(Ok(())) | State::OtherSize(_) => {
                    return Err(StoreError::OtherSize.into());
                }
                State::Done(Err(_)) | State::Going(_) => {}
            }
        }
        let (scope, destination) = (BlobScope::Space(space), destination.map(Path::to_owned));
        Ok(self.store.expect_file(scope, hash, *size, key.clone(), destination).await?)
    }

    /// Fetches a blob of a space from its members, who are waited for, while what is returned is held.
    pub(super) fn fetch_piece(
        &self,
        space: SpaceId,
        app: AppId,
        piece: &Piece,
    ) -> Result<Arc<Fetching>> {
        let Piece { hash, size, .. } = *piece;
        let arrivals = self.store.watch(&space)?;
        let mut fetches = self.fetches.0.lock().expect("no panic while held");
        if let Some(live) = fetches.get(&(space, hash)).and_then(Weak::upgrade)
            && !matches!(*live.state.borrow(), State::OtherSize(_))
        {
            if live.size != size {
                live.doubt(size);
            }
            return Ok(live);
        }
        fetches.retain(|_, fetching| fetching.strong_count() > 0);
        let wanted = BlobWanted { app, scope: BlobScope::Space(space), hash, size };
        let fetch = self.sync.fetch_from_members(wanted).ok_or_else(stopping)?;
        let (sender, others) = watch::channel(BTreeSet::new());
        let (store, sync) = (self.store.clone(), self.sync.clone());
        let doubt = Doubt { store, sync, app, space, hash, size, others, arrivals };
        let fetching = Arc::new(Fetching::start(fetch, doubt, sender));
        fetches.insert((space, hash), Arc::downgrade(&fetching));
        Ok(fetching)
    }

    /// Waits until all of a file is here.
    pub(super) async fn bring_file(&self, transfer: &Transfer) -> Result<()> {
        let piece = Piece::of(&transfer.attachment());
        self.bring_piece(transfer, &piece, transfer.destination().as_deref()).await.map(|_| ())
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
        let Piece { hash, size, .. } = piece;
        let expected = self.expect_piece(space, piece, destination).await?;
        if let Expected::Held(_) = expected {
            transfer.update(|meter| meter.arrived(hash, *size));
            return Ok(expected);
        }
        let _slot = self.transfers.slots.acquire().await;
        let fetching = self.fetch_piece(space, transfer.app, piece)?;
        let mut state = fetching.watch();
        loop {
            let now = state.borrow_and_update().clone();
            match (fetching.over(&now, piece), now) {
                (None, State::Going(Some(progress))) => transfer.went_on(hash, &progress),
                (None, _) => {}
                (Some(done), _) => {
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
