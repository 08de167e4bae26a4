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
use tokio::sync::{Semaphore, SemaphorePermit, watch};
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

/// Blobs that are begun at the same time, by their hashes: others wait for the few writes that it takes.
const TURNS: usize = 16;

/// The blobs that are being fetched; each once, whoever wants it.
pub(crate) struct Fetches {
    all: Mutex<HashMap<Key, Weak<Fetching>>>,
    /// One at a time says where a blob goes, and begins to fetch it: what one writes, no other gives up.
    turns: [Semaphore; TURNS],
}

impl Default for Fetches {
    fn default() -> Self {
        Self { all: Mutex::default(), turns: std::array::from_fn(|_| Semaphore::new(1)) }
    }
}

impl Fetches {
    async fn turn(&self, hash: &[u8; 32]) -> Result<SemaphorePermit<'_>> {
        let turn = &self.turns[usize::from(hash[0]) % TURNS];
        turn.acquire().await.map_err(|_| stopping())
    }

    /// A fetch of a blob that goes on, in any space. All of them go by one size.
    fn live(&self, hash: &[u8; 32]) -> Option<Arc<Fetching>> {
        let all = self.all.lock().expect("no panic while held");
        let mut of = all.iter().filter(|((_, of), _)| of == hash);
        of.find_map(|(_, fetching)| {
            fetching.upgrade().filter(|fetching| !fetching.state.borrow().is_over())
        })
    }
}

/// What became of the wish for a blob.
pub(super) enum Begun {
    /// All of it is here, wherever that is.
    Here,
    Coming(Arc<Fetching>),
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
            // What fetched it is gone when it is told that it is over.
            let last = {
                let mut progress = fetch.progress();
                let (finished, resolved) = (fetch.finished(), doubt.resolved());
                tokio::pin!(finished, resolved);
                loop {
                    tokio::select! {
                        done = &mut finished => break State::Done(done.map_err(not_fetched)),
                        size = &mut resolved => break State::OtherSize(size),
                        Ok(()) = progress.changed() => {
                            let now = progress.borrow_and_update().clone();
                            sender.send_replace(State::Going(Some(now)));
                        }
                    }
                }
            };
            sender.send_replace(last);
        });
        Self { size, others, state, steer, _task: AbortOnDropHandle::new(task) }
    }

    /// Somebody says that it has this size, which is another one: waits until it is known which one is
    /// right, or it is not fetched any more.
    ///
    /// # Errors
    /// [`StoreError::OtherSize`] where this one is wrong.
    async fn doubt(&self, size: u64) -> Result<()> {
        self.others.send_if_modified(|others| others.len() < MAX_SIZES && others.insert(size));
        let mut state = self.watch();
        let state = state.wait_for(State::is_over).await.map_err(|_| stopping())?;
        match &*state {
            State::OtherSize(right) if *right == size => Ok(()),
            State::Done(Ok(())) | State::OtherSize(_) => Err(StoreError::OtherSize.into()),
            State::Done(Err(_)) | State::Going(_) => Ok(()),
        }
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
            match self.proven().await {
                Some(proven) if proven != self.size => return proven,
                Some(_) => return std::future::pending().await,
                None => {}
            }
            tokio::select! {
                Ok(()) = self.others.changed() => {}
                Ok(()) = self.arrivals.changed() => {}
                else => return std::future::pending().await,
            }
        }
    }

    /// The size that the blob has, once a member proves it; none where nobody says another one, or the
    /// space is left.
    async fn proven(&mut self) -> Option<u64> {
        loop {
            self.arrivals.mark_unchanged();
            self.others.mark_unchanged();
            let sizes = self.sizes();
            if sizes.len() < 2 {
                return None;
            }
            let Self { store, sync, app, space, hash, others, arrivals, .. } = self;
            tokio::select! {
                proven = sync.prove_size(*app, *space, *hash, &sizes) => {
                    let proven = proven?;
                    if let Err(error) = store.note_size(*space, *hash, proven).await {
                        tracing::debug!(%error, "a file's size is not noted");
                    }
                    return Some(proven);
                }
                Ok(()) = others.changed() => {}
                Ok(()) = arrivals.changed() => {}
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
    /// Begins to fetch a blob of a space from its members, who are waited for, while what is returned is
    /// held. Where it goes is said by who wants it first; others have it from there. Where it is being
    /// fetched with another size, this waits until it is known which one is right.
    pub(super) async fn begin(
        &self,
        space: SpaceId,
        app: AppId,
        piece: &Piece,
        destination: Option<&Path>,
    ) -> Result<Begun> {
        let Piece { hash, size, key } = piece;
        loop {
            let turn = self.fetches.turn(hash).await?;
            let live = self.fetches.live(hash);
            if let Some(other) = live.as_ref().filter(|live| live.size != *size) {
                drop(turn);
                other.doubt(*size).await?;
                continue;
            }
            let scope = BlobScope::Space(space);
            let destination = destination.filter(|_| live.is_none()).map(Path::to_owned);
            let expecting = self.store.expect_file(scope, hash, *size, key.clone(), destination);
            return match expecting.await {
                Ok(Expected::Held(_)) => Ok(Begun::Here),
                Ok(Expected::Destination | Expected::Own) => {
                    self.fetch_piece(space, app, piece).map(Begun::Coming)
                }
                Err(error @ StoreError::NoRoom { .. }) => {
                    drop(turn);
                    Err(self.has_no_room(space, app, piece, error).await?)
                }
                Err(error) => Err(error.into()),
            };
        }
    }

    /// There is no room for a blob as large as it is said to be. Where somebody says another size, this
    /// waits until it is known which one is right.
    async fn has_no_room(
        &self,
        space: SpaceId,
        app: AppId,
        piece: &Piece,
        error: StoreError,
    ) -> Result<Error> {
        let mut doubt = self.doubt_of(space, app, piece, watch::channel(BTreeSet::new()).1)?;
        match doubt.proven().await {
            Some(size) if size != piece.size => Ok(StoreError::OtherSize.into()),
            _ => Ok(error.into()),
        }
    }

    fn doubt_of(
        &self,
        space: SpaceId,
        app: AppId,
        piece: &Piece,
        others: watch::Receiver<BTreeSet<u64>>,
    ) -> Result<Doubt> {
        let arrivals = self.store.watch(&space)?;
        let Piece { hash, size, .. } = *piece;
        let (store, sync) = (self.store.clone(), self.sync.clone());
        Ok(Doubt { store, sync, app, space, hash, size, others, arrivals })
    }

    fn fetch_piece(&self, space: SpaceId, app: AppId, piece: &Piece) -> Result<Arc<Fetching>> {
        let Piece { hash, size, .. } = *piece;
        let (sender, others) = watch::channel(BTreeSet::new());
        let doubt = self.doubt_of(space, app, piece, others)?;
        let mut fetches = self.fetches.all.lock().expect("no panic while held");
        if let Some(live) = fetches.get(&(space, hash)).and_then(Weak::upgrade)
            && !live.state.borrow().is_over()
        {
            return Ok(live);
        }
        fetches.retain(|_, fetching| fetching.strong_count() > 0);
        let wanted = BlobWanted { app, scope: BlobScope::Space(space), hash, size };
        let fetch = self.sync.fetch_from_members(wanted).ok_or_else(stopping)?;
        let fetching = Arc::new(Fetching::start(fetch, doubt, sender));
        fetches.insert((space, hash), Arc::downgrade(&fetching));
        Ok(fetching)
    }

    /// Waits until all of a file is here.
    pub(super) async fn bring_file(&self, transfer: &Transfer) -> Result<()> {
        let piece = Piece::of(&transfer.attachment());
        self.bring_piece(transfer, &piece, transfer.destination().as_deref()).await
    }

    /// Waits until a blob is here, complete: in the store, or where it is to be written, unless it is
    /// here, or comes, in another place already.
    pub(super) async fn bring_piece(
        &self,
        transfer: &Transfer,
        piece: &Piece,
        destination: Option<&Path>,
    ) -> Result<()> {
        let (space, _) = transfer.key;
        let Piece { hash, size, .. } = piece;
        // What is here waits for nothing that comes.
        let _slot = match self.store.is_whole(hash)? {
            true => None,
            false => Some(self.transfers.slots.acquire().await.map_err(|_| stopping())?),
        };
        let begun = self.begin(space, transfer.app, piece, destination).await?;
        let Begun::Coming(fetching) = begun else {
            transfer.update(|meter| meter.arrived(hash, *size));
            return Ok(());
        };
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
                    return done;
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
