//! All spaces of a node: what the node asks of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::EndpointId;
use kith_app::AppId;
use kith_log::sync::{Config, Follow, OlderError};
use kith_log::{AuthorId, KnownLog, SpaceId, VerifiedRun};
use n0_future::time::{Duration, timeout};
use tokio::sync::{Semaphore, oneshot, watch};

use super::bulk::MAX_BULK_SENT;
use super::driver::{Driver, Local};
use super::events::{SpaceEvents, events};
use super::members::{Author, JoinError, Members, MessageError, Node, SpaceConfig, SpaceStatus};
use super::session::Session;
use super::version::{FoundVersion, NoVersion, fetch_version};
use crate::blob::{
    AskStream, BlobFetch, BlobWanted, MAX_SERVED, MAX_SERVED_PER_PEER, OfSpace, PeerFailure, Slots,
    Sources, SpacePeers, Streams, prove,
};
use crate::boxed::BoxFuture;
use crate::storage::{BlobScope, Storage};
use crate::transport::limits::{PRIORITY_BLOB, PRIORITY_VERSION};
use crate::transport::{
    Close, Peer, RecvStream, RunId, SendStream, SpaceKey, StreamError, StreamHeader, StreamKind,
};

/// Spaces that are joined at once. As many as can be entered on one connection.
pub const MAX_SPACES: usize = 1024;

/// How long a fetch waits for a candidate to be connected and to grant a stream.
pub const PEER_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests for blobs to one peer at once, over all fetches, for which no reader waits: one less than
/// it serves, so that a reader's goes past them.
const MAX_PATIENT_ASKS: usize = MAX_SERVED_PER_PEER - 1;

/// Why older entries were not asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OlderFailed {
    /// The space is not joined.
    #[error("the space is not joined")]
    NotJoined,
    /// There are none to be had.
    #[error(transparent)]
    Older(#[from] OlderError),
}

/// All spaces of a node. Cheap to clone; all clones are the same. To be given to the overlay as its
/// handler.
#[derive(Clone, Debug)]
pub struct Spaces(pub(super) Arc<Shared>);

pub(super) struct Shared {
    node: Node,
    pub(super) storage: Arc<dyn Storage>,
    state: Mutex<State>,
    served: Arc<Semaphore>,
    /// Rises with each connection.
    connections: watch::Sender<u64>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) sessions: BTreeMap<SpaceId, Arc<Session>>,
    pub(super) peers: BTreeMap<u64, Connected>,
}

/// A connection, and what is bounded for it.
#[derive(Clone, Debug)]
pub(super) struct Connected {
    pub(super) peer: Arc<Peer>,
    pub(super) blobs: Arc<Semaphore>,
    /// Requests of ours for blobs.
    asks: Arc<Semaphore>,
    pub(super) bulks: Arc<Semaphore>,
}

impl Spaces {
    /// No spaces yet. `me` is this node's key, `run` is random and new at each start.
    pub fn new(me: EndpointId, run: RunId, storage: Arc<dyn Storage>) -> (Self, SpaceEvents) {
        let (sender, receiver) = events();
        let shared = Shared {
            node: Node { me, run, talks: Arc::default(), events: sender },
            storage,
            state: Mutex::default(),
            served: Arc::new(Semaphore::new(MAX_SERVED)),
            connections: watch::Sender::new(0),
        };
        (Self(Arc::new(shared)), receiver)
    }

    /// Joins a space: from now on it is synced with every peer that proves it too.
    ///
    /// # Errors
    /// [`JoinError`].
    pub async fn join(&self, config: SpaceConfig) -> Result<(), JoinError> {
        let SpaceConfig { key, author, past, follow, order, quotas } = config;
        let space = key.at.space;
        self.check_join(&space)?;
        let logs = self.0.storage.logs(&space).await?;
        let own = author.as_ref().map(|author| author.secret.author());
        let config = Config { past, follow, order, quotas, ..Config::new(space, own) };
        let storage = self.0.storage.clone();
        let events = self.0.node.events.clone();
        let members = Arc::new(Members::new(key, author, self.0.node.clone()));
        let driver = Driver::start(members.clone(), config, logs, storage, events);
        let session = Session { members, driver };
        let peers: Vec<_> = {
            let mut state = self.0.state();
            if state.sessions.contains_key(&space) {
                return Err(JoinError::AlreadyJoined);
            }
            state.sessions.insert(space, Arc::new(session));
            state.peers.values().map(|connected| connected.peer.clone()).collect()
        };
        peers.iter().for_each(|peer| peer.offer(&[key]));
        Ok(())
    }

    fn check_join(&self, space: &SpaceId) -> Result<(), JoinError> {
        let state = self.0.state();
        if state.sessions.contains_key(space) {
            Err(JoinError::AlreadyJoined)
        } else if state.sessions.len() >= MAX_SPACES {
            Err(JoinError::TooMany)
        } else {
            Ok(())
        }
    }

    /// Leaves a space; false where it is not joined. What is stored stays.
    pub fn leave(&self, space: &SpaceId) -> bool {
        let (session, peers): (_, Vec<_>) = {
            let mut state = self.0.state();
            let session = state.sessions.remove(space);
            (session, state.peers.values().map(|connected| connected.peer.clone()).collect())
        };
        peers.iter().for_each(|peer| peer.leave(space));
        session.is_some()
    }

    /// The spaces that are joined.
    pub fn joined(&self) -> Vec<SpaceKey> {
        self.0.state().sessions.values().map(|session| session.members.key).collect()
    }

    /// The node appended to its own log, durably: peers that are up to date get it at once. False
    /// where the space is not joined.
    pub async fn appended(&self, space: &SpaceId, run: VerifiedRun) -> bool {
        self.local(space, Local::Appended(Box::new(run))).await
    }

    /// Sets oneself in a space: the next incarnation. False where the space is not joined.
    pub async fn set_author(&self, space: &SpaceId, author: Option<Author>) -> bool {
        let Some(session) = self.0.session(space) else { return false };
        let own = author.as_ref().map(|author| author.secret.author());
        session.members.set_author(author);
        session.driver.local(Local::SetOwn(own)).await
    }

    /// Forgets a log that the store holds no more; where it is followed, it is fetched anew. False
    /// where the space is not joined.
    pub async fn forget(&self, space: &SpaceId, author: AuthorId) -> bool {
        self.local(space, Local::Forget(author)).await
    }

    /// Changes whose logs are fetched. False where the space is not joined.
    pub async fn set_follow(&self, space: &SpaceId, follow: Follow) -> bool {
        self.local(space, Local::Follow(follow)).await
    }

    /// Fetches the segment before the first held entry of an author's log.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn fetch_older(&self, space: &SpaceId, author: AuthorId) -> Result<(), OlderFailed> {
        let (reply, outcome) = oneshot::channel();
        self.local(space, Local::Older(author, reply)).await;
        Ok(outcome.await.map_err(|_| OlderFailed::NotJoined)??)
    }

    /// How far each log of a space is held; none where the space is not joined.
    pub async fn logs(&self, space: &SpaceId) -> Option<Vec<(AuthorId, KnownLog)>> {
        let (reply, logs) = oneshot::channel();
        self.local(space, Local::Logs(reply)).await;
        logs.await.ok()
    }

    /// Sends a message that is not kept to the members that are connected,
    /// [`MAX_RECEIVERS`](super::MAX_RECEIVERS) at most; returns to how many. It arrives there
    /// unless the connection breaks or the member is too slow.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn send_message(&self, space: &SpaceId, payload: Vec<u8>) -> Result<usize, MessageError> {
        self.0.session(space).ok_or(MessageError::NotJoined)?.members.send(payload)
    }

    /// How a space stands; none where it is not joined.
    pub fn status(&self, space: &SpaceId) -> Option<SpaceStatus> {
        Some(self.0.session(space)?.members.status())
    }

    /// Asks peers for an app's newest signed version; the newest one that is told. Candidates that
    /// are not connected are waited for, for [`PEER_TIMEOUT`] at most.
    ///
    /// # Errors
    /// Where none of them has one.
    pub async fn fetch_version(
        &self,
        app: AppId,
        candidates: Vec<EndpointId>,
    ) -> Result<FoundVersion, NoVersion> {
        fetch_version(&*self.0, app, candidates).await
    }

    /// Starts to fetch a blob from whoever of the candidates has it. Those that are not connected
    /// are waited for, for [`PEER_TIMEOUT`] at most.
    pub fn fetch_blob(&self, wanted: BlobWanted, candidates: Vec<EndpointId>) -> BlobFetch {
        let sources = Sources::Listed(candidates);
        BlobFetch::start(self.0.storage.clone(), self.0.clone(), wanted, sources)
    }

    /// Starts to fetch a blob of a space from its members: from those that are connected, and from
    /// whoever comes. It waits for them, and ends when the blob is complete, can't be stored, or the
    /// space is left. None where the blob is of no space that is joined.
    pub fn fetch_from_members(&self, wanted: BlobWanted) -> Option<BlobFetch> {
        let BlobScope::Space(space) = wanted.scope else { return None };
        let sources = Sources::Members(self.peers(&space)?);
        Some(BlobFetch::start(self.0.storage.clone(), self.0.clone(), wanted, sources))
    }

    /// Finds out which one of some sizes a blob of a space has, from whoever of its members has its end,
    /// now or later: the last bytes prove it. None where the space is not joined, or is left; of more
    /// than [`MAX_SIZES`](crate::blob::MAX_SIZES) sizes only the first ones are looked at.
    pub async fn prove_size(
        &self,
        app: AppId,
        space: SpaceId,
        hash: [u8; 32],
        sizes: &[u64],
    ) -> Option<u64> {
        let members = self.peers(&space)?;
        prove(&*self.0, OfSpace { app, space, hash }, sizes, members).await
    }

    /// The peers that entered a space, and who each is there; now, and as that changes. None where the
    /// space is not joined; closed when it is left.
    pub fn peers(&self, space: &SpaceId) -> Option<watch::Receiver<SpacePeers>> {
        Some(self.0.session(space)?.members.peers())
    }

    /// Leaves all spaces and ends the events.
    pub fn close(&self) {
        let sessions = std::mem::take(&mut self.0.state().sessions);
        drop(sessions);
        self.0.node.events.close();
    }

    async fn local(&self, space: &SpaceId, request: Local) -> bool {
        match self.0.session(space) {
            Some(session) => session.driver.local(request).await,
            None => false,
        }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn session(&self, space: &SpaceId) -> Option<Arc<Session>> {
        self.state().sessions.get(space).cloned()
    }

    pub(super) fn connected(&self, peer: &Arc<Peer>) {
        let connected = Connected {
            peer: peer.clone(),
            blobs: Arc::new(Semaphore::new(MAX_SERVED_PER_PEER)),
            asks: Arc::new(Semaphore::new(MAX_PATIENT_ASKS)),
            bulks: Arc::new(Semaphore::new(MAX_BULK_SENT)),
        };
        self.state().peers.insert(peer.number(), connected);
        self.connections.send_modify(|n| *n += 1);
    }

    pub(super) fn slots(&self, peer: &Peer) -> Option<Slots> {
        let peer = self.state().peers.get(&peer.number())?.blobs.clone();
        Some(Slots { peer, all: self.served.clone() })
    }

    /// The newest open connection to a peer.
    fn find(&self, peer: EndpointId) -> Option<Connected> {
        let state = self.state();
        let mut peers = state.peers.values().rev();
        peers.find(|other| other.peer.id() == peer && other.peer.is_open()).cloned()
    }

    async fn wait_for(&self, peer: EndpointId) -> Connected {
        let mut connections = self.connections.subscribe();
        loop {
            if let Some(connected) = self.find(peer) {
                return connected;
            }
            if connections.changed().await.is_err() {
                std::future::pending().await
            }
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("state", &*self.state()).finish_non_exhaustive()
    }
}

impl Streams for Shared {
    fn open<'a>(
        &'a self,
        peer: EndpointId,
        header: StreamHeader,
    ) -> BoxFuture<'a, Result<(SendStream, RecvStream), StreamError>> {
        let priority = match header.kind {
            StreamKind::Version => PRIORITY_VERSION,
            StreamKind::Frames | StreamKind::Bulk | StreamKind::Blob => PRIORITY_BLOB,
        };
        Box::pin(async move {
            let opened = timeout(PEER_TIMEOUT, async {
                self.wait_for(peer).await.peer.open_bi(header, priority).await
            });
            opened.await.unwrap_or(Err(StreamError::Closed))
        })
    }

    fn open_ask<'a>(
        &'a self,
        peer: EndpointId,
        header: StreamHeader,
        urgent: bool,
    ) -> BoxFuture<'a, Result<AskStream, StreamError>> {
        Box::pin(async move {
            let found = timeout(PEER_TIMEOUT, self.wait_for(peer)).await;
            let Connected { peer, asks, .. } = found.map_err(|_| StreamError::Closed)?;
            let place = if urgent {
                None
            } else {
                // The connection's end closes nothing here: those before it fail, one by one.
                Some(asks.acquire_owned().await.map_err(|_| StreamError::Closed)?)
            };
            let opened = timeout(PEER_TIMEOUT, peer.open_bi(header, PRIORITY_BLOB)).await;
            let (send, recv) = opened.unwrap_or(Err(StreamError::Closed))?;
            Ok(AskStream { send, recv, place })
        })
    }

    fn misbehaved(&self, peer: EndpointId, failure: &PeerFailure) {
        if let Some(Connected { peer, .. }) = self.find(peer) {
            peer.refused("blob_misbehaved");
            match failure {
                PeerFailure::Broken(error) => peer.close(Close::violation(error.to_string())),
                // Wrong bytes may come from a damaged disk: others of its blobs may be whole.
                _ => tracing::debug!(peer = %peer.id().fmt_short(), %failure, "a wrong blob"),
            }
        }
    }
}
