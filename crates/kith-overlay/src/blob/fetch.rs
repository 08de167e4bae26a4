//! Getting a blob from whoever has it: parts of it from several peers at once, the rest from others
//! where one fails, first what readers wait for.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt};
use iroh::EndpointId;
use kith_app::AppId;
use kith_log::AuthorId;
use n0_future::task::AbortOnDropHandle;
use n0_future::time::{Instant, sleep_until};
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};

use super::groups::{GROUP, Groups};
use super::plan::{MAX_CANDIDATES, MAX_URGENT, Order, PACE_LOOK, Plan, Step};
use super::progress::{BlobProgress, FetchError, FetchStage, PeerProgress, PeerShare};
use super::receive::{OnPart, Pace, PeerFailure, Sink, Target, receive};
use crate::boxed::{BoxFuture, Threaded};
use crate::storage::{BlobScope, BlobState, BlobStorage};
use crate::transport::{RecvStream, SendStream, StreamError, StreamHeader};

/// Which blob, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlobWanted {
    /// The app its bytes are counted for.
    pub app: AppId,
    /// Who may have it, and so whom to ask how.
    pub scope: BlobScope,
    /// Its BLAKE3 hash.
    pub hash: [u8; 32],
    /// Its size in bytes, from whoever signed the hash.
    pub size: u64,
}

/// The peers of a space, and who each is there, once it said so.
pub type SpacePeers = BTreeMap<EndpointId, Option<AuthorId>>;

/// A stream to ask on, held back while too much is asked of the peer already.
pub(crate) struct AskStream {
    pub(crate) send: SendStream,
    pub(crate) recv: RecvStream,
    /// One of the requests that may be under way to a peer; none for one that can't wait.
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

/// What a fetch needs of the connections.
pub(crate) trait Streams: Threaded {
    /// Opens a stream to a peer, dialling it where need be.
    fn open<'a>(
        &'a self,
        peer: EndpointId,
        header: StreamHeader,
    ) -> BoxFuture<'a, Result<(SendStream, RecvStream), StreamError>>;

    /// Opens a stream for a blob's bytes. Waits for other requests to the same peer to end, unless
    /// it is urgent.
    fn open_ask<'a>(
        &'a self,
        peer: EndpointId,
        header: StreamHeader,
        urgent: bool,
    ) -> BoxFuture<'a, Result<AskStream, StreamError>>;

    /// The peer sent wrong bytes, or broke the protocol.
    fn misbehaved(&self, peer: EndpointId, failure: &PeerFailure);
}

/// Whom a fetch asks.
pub(crate) enum Sources {
    /// These, and those that are added; it fails when none of them can give it.
    Listed(Vec<EndpointId>),
    /// Who is in a space, now and later: it waits for them.
    Members(watch::Receiver<SpacePeers>),
}

/// A fetch under way. Dropping it cancels it; what came is kept.
#[derive(Debug)]
pub struct BlobFetch {
    steer: FetchSteer,
    task: AbortOnDropHandle<Result<(), FetchError>>,
}

/// Says what a fetch does first, and waits for it. Cheap to clone; does not keep the fetch alive.
#[derive(Clone, Debug)]
pub struct FetchSteer {
    shared: Arc<Shared>,
    progress: watch::Receiver<BlobProgress>,
}

#[derive(Debug, Default)]
struct Shared {
    /// What is stored.
    held: Mutex<Groups>,
    asked: Mutex<Wishes>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Wishes {
    /// Oldest first; [`MAX_URGENT`] at most.
    urgent: Vec<Range<u64>>,
    /// [`MAX_CANDIDATES`] at most.
    candidates: Vec<EndpointId>,
}

impl BlobFetch {
    /// Starts a fetch.
    pub(crate) fn start<S: BlobStorage + ?Sized>(
        storage: Arc<S>,
        streams: Arc<dyn Streams>,
        wanted: BlobWanted,
        sources: Sources,
    ) -> Self {
        let (sender, progress) = watch::channel(BlobProgress {
            bytes: 0,
            size: wanted.size,
            stage: FetchStage::Waiting,
            peers: Vec::new(),
        });
        let shared = Arc::<Shared>::default();
        let (listed, members) = match sources {
            Sources::Listed(listed) => (listed, None),
            Sources::Members(members) => (Vec::new(), Some(members)),
        };
        let mut fetch = Fetch {
            plan: Plan::new(wanted.size, members.is_some()),
            io: Io { storage, streams, wanted, progress: Arc::new(sender), shared: shared.clone() },
            members,
        };
        listed.into_iter().take(MAX_CANDIDATES).for_each(|peer| fetch.add(peer, None));
        let task = n0_future::task::spawn(fetch.run());
        let steer = FetchSteer { shared, progress };
        Self { steer, task: AbortOnDropHandle::new(task) }
    }

    /// How far it is, now and as it goes on.
    pub fn progress(&self) -> watch::Receiver<BlobProgress> {
        self.steer.progress.clone()
    }

    /// What says where it goes on; for readers.
    pub fn steer(&self) -> FetchSteer {
        self.steer.clone()
    }

    /// See [`FetchSteer::urgent`].
    pub fn urgent(&self, bytes: Range<u64>) {
        self.steer.urgent(bytes);
    }

    /// See [`FetchSteer::add_candidate`].
    pub fn add_candidate(&self, peer: EndpointId) {
        self.steer.add_candidate(peer);
    }

    /// Waits for the end: the blob is complete and durable then.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn finished(self) -> Result<(), FetchError> {
        self.task.await.unwrap_or(Err(FetchError::Stopped))
    }
}

impl FetchSteer {
    /// A reader waits for these bytes: they are asked for first, 1 MiB at a time, from the peer that
    /// was fastest; what is asked for after that lies behind them. Of [`MAX_URGENT`] places that are
    /// waited for at once the oldest gives way.
    pub fn urgent(&self, bytes: Range<u64>) {
        {
            let mut wishes = self.shared.wishes();
            if wishes.urgent.len() >= MAX_URGENT {
                wishes.urgent.remove(0);
            }
            wishes.urgent.push(bytes);
        }
        self.shared.changed.notify_one();
    }

    /// One more peer may have it; [`MAX_CANDIDATES`] are tried. One that failed before, by no fault of
    /// its own, is tried anew.
    pub fn add_candidate(&self, peer: EndpointId) {
        {
            let mut wishes = self.shared.wishes();
            if wishes.candidates.len() < MAX_CANDIDATES && !wishes.candidates.contains(&peer) {
                wishes.candidates.push(peer);
            }
        }
        self.shared.changed.notify_one();
    }

    /// Up to which byte everything is stored that stands from this one on; the same byte where it is
    /// missing.
    pub fn held_from(&self, at: u64) -> u64 {
        let end = self.shared.held().end_of(at / GROUP);
        end.map_or(at, |end| end.saturating_mul(GROUP).max(at))
    }

    /// Waits until the byte is stored; what follows it, up to `end`, is fetched first meanwhile.
    /// Returns as [`Self::held_from`].
    ///
    /// # Errors
    /// [`FetchError::Stopped`] where the fetch ended before.
    pub async fn arrived(&self, at: u64, end: u64) -> Result<u64, FetchError> {
        let mut progress = self.progress.clone();
        let mut told = false;
        loop {
            progress.mark_unchanged();
            let held = self.held_from(at);
            if held > at {
                return Ok(held);
            }
            if !told {
                told = true;
                self.urgent(at..end);
            }
            if progress.changed().await.is_err() {
                let held = self.held_from(at);
                return if held > at { Ok(held) } else { Err(FetchError::Stopped) };
            }
        }
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Groups> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Fetch<S: ?Sized> {
    plan: Plan,
    io: Io<S>,
    members: Option<watch::Receiver<SpacePeers>>,
}

/// What a request needs.
struct Io<S: ?Sized> {
    storage: Arc<S>,
    streams: Arc<dyn Streams>,
    wanted: BlobWanted,
    progress: Arc<watch::Sender<BlobProgress>>,
    shared: Arc<Shared>,
}

impl<S: ?Sized> Clone for Io<S> {
    fn clone(&self) -> Self {
        Self {
            storage: self.storage.clone(),
            streams: self.streams.clone(),
            wanted: self.wanted,
            progress: self.progress.clone(),
            shared: self.shared.clone(),
        }
    }
}

/// What became of a request.
struct Asked {
    order: Order,
    outcome: Result<(), PeerFailure>,
}

impl<S: BlobStorage + ?Sized> Fetch<S> {
    async fn run(mut self) -> Result<(), FetchError> {
        let BlobWanted { scope, hash, size, .. } = self.io.wanted;
        let held = match self.io.storage.blob_state(scope, &hash).await? {
            BlobState::Complete { .. } => Groups::all(size),
            BlobState::Partial { held, .. } => held,
            BlobState::Absent => Groups::none(),
        };
        self.io.tell(|progress| progress.bytes = held.bytes(size));
        *self.io.shared.held() = held;
        self.follow_members();
        let io = self.io.clone();
        let mut active = FuturesUnordered::new();
        let mut paces: Vec<(u64, Arc<Pace>)> = Vec::new();
        let mut look = Instant::now() + PACE_LOOK;
        loop {
            self.take_wishes();
            let held = io.shared.held().clone();
            if held.covers(&Groups::all(size)) {
                break;
            }
            let wake = match self.plan.next(Instant::now(), &held) {
                Step::Ask(order) => {
                    let pace = Arc::<Pace>::default();
                    paces.push((order.id, pace.clone()));
                    active.push(io.ask(order, pace));
                    continue;
                }
                Step::GiveUp => {
                    return Err(FetchError::NoPeers { asked: self.plan.candidates() });
                }
                Step::Wait(wake) => wake,
            };
            self.note_stage();
            let (asking, members) = (self.plan.is_asking(), &mut self.members);
            tokio::select! {
                Some(Asked { order, outcome }) = active.next() => {
                    let pace = paces.iter().position(|(id, _)| *id == order.id);
                    let came = pace.map_or(0, |at| paces.swap_remove(at).1.received());
                    self.plan.done(Instant::now(), order.id, came, &outcome);
                    self.report(&order, &outcome);
                    if let Err(PeerFailure::Storage(error)) = outcome {
                        return Err(error.into());
                    }
                }
                () = io.shared.changed.notified() => {}
                () = at(wake), if wake.is_some() => {}
                () = sleep_until(look), if asking => {
                    look = Instant::now() + PACE_LOOK;
                    let pace = |id| paces.iter().find(|(of, _)| *of == id).map(|(_, pace)| pace);
                    let received = |id| pace(id).filter(|p| p.has_begun()).map(|p| p.received());
                    if let Some(slow) = self.plan.look(&held, received).and_then(pace) {
                        slow.cut();
                    }
                }
                there = changed(members) => {
                    if !there {
                        return Err(FetchError::Stopped);
                    }
                    self.follow_members();
                }
            }
        }
        io.tell(|progress| progress.stage = FetchStage::Finishing);
        Ok(io.storage.finish_blob(scope, &hash).await?)
    }

    fn take_wishes(&mut self) {
        let Wishes { urgent, candidates } = std::mem::take(&mut *self.io.shared.wishes());
        let now = Instant::now();
        urgent.iter().for_each(|bytes| self.plan.urgent(now, bytes));
        candidates.into_iter().for_each(|peer| self.add(peer, None));
    }

    fn follow_members(&mut self) {
        let Some(members) = &mut self.members else { return };
        let members = members.borrow_and_update().clone();
        let known: Vec<_> = self.io.progress.borrow().peers.iter().map(|s| s.peer).collect();
        for gone in known.iter().filter(|peer| !members.contains_key(*peer)) {
            if let Some(index) = self.plan.away(gone) {
                self.io.note(index, PeerProgress::Away);
            }
        }
        for (peer, author) in members {
            // Only who is new there is tried anew.
            match self.plan.find(&peer).filter(|index| !self.plan.is_away(*index)) {
                None => self.add(peer, author),
                Some(index) => self.io.tell(|progress| {
                    let known = &mut progress.peers[index];
                    known.author = author.or(known.author);
                }),
            }
        }
    }

    fn add(&mut self, peer: EndpointId, author: Option<AuthorId>) {
        let Some(index) = self.plan.add(peer) else { return };
        self.io.tell(|progress| {
            let new = PeerShare { peer, author, bytes: 0, state: PeerProgress::Waiting };
            match progress.peers.get_mut(index) {
                Some(known) if known.peer == peer => {
                    known.author = author.or(known.author);
                    if matches!(known.state, PeerProgress::Away) {
                        known.state = PeerProgress::Waiting;
                    }
                }
                Some(other) => *other = new,
                None => progress.peers.push(new),
            }
        });
    }

    fn report(&self, order: &Order, outcome: &Result<(), PeerFailure>) {
        match outcome {
            Ok(()) => self.io.note(order.index, PeerProgress::Gave),
            Err(failure) => {
                if failure.is_fault() {
                    self.io.streams.misbehaved(order.peer, failure);
                }
                if !self.plan.is_away(order.index) {
                    self.io.note(order.index, PeerProgress::Failed(failure.clone()));
                }
            }
        }
    }

    fn note_stage(&self) {
        let stage = if self.plan.is_asking() { FetchStage::Fetching } else { FetchStage::Waiting };
        self.io.progress.send_if_modified(|progress| {
            let changed = progress.stage != stage;
            progress.stage = stage;
            changed
        });
    }
}

impl<S: BlobStorage + ?Sized> Io<S> {
    async fn ask(&self, order: Order, pace: Arc<Pace>) -> Asked {
        let BlobWanted { app, scope, hash, size } = self.wanted;
        let index = order.index;
        self.note(index, PeerProgress::Asked);
        let io = self.clone();
        let on_part: Box<OnPart> = Box::new(move |groups| {
            let new = {
                let mut held = io.shared.held();
                let new = Groups::range(groups.clone()).without(&held);
                held.insert(groups);
                new.bytes(size)
            };
            io.tell(|progress| {
                progress.bytes += new;
                progress.peers[index].bytes += new;
            });
        });
        let space = match scope {
            BlobScope::Public => None,
            BlobScope::Space(space) => Some(space),
        };
        let target = Target { scope, hash, size };
        let sink = Sink { storage: &*self.storage, target: &target, on_part: &*on_part };
        let header = StreamHeader::blob(app, space);
        let outcome = match self.streams.open_ask(order.peer, header, order.urgent).await {
            Ok(stream) => receive(&order.groups, stream, &sink, &pace).await,
            Err(error) => Err(error.into()),
        };
        Asked { order, outcome }
    }
}

impl<S: ?Sized> Io<S> {
    fn note(&self, index: usize, state: PeerProgress) {
        self.tell(|progress| progress.peers[index].state = state);
    }

    fn tell(&self, change: impl FnOnce(&mut BlobProgress)) {
        self.progress.send_modify(change);
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// Waits for a change; false where there will be none any more.
async fn changed(members: &mut Option<watch::Receiver<SpacePeers>>) -> bool {
    match members {
        Some(members) => members.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
