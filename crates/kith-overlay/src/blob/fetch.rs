//! Getting a blob from whoever has it: parts of it from several peers at once, the rest from others
//! where one fails.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use iroh::EndpointId;
use kith_app::AppId;
use n0_future::task::AbortOnDropHandle;
use n0_future::time::{Duration, sleep};
use tokio::sync::watch;

use super::groups::Groups;
use super::receive::{OnPart, Pace, PeerFailure, Sink, Target, receive};
use crate::boxed::{BoxFuture, Threaded};
use crate::storage::{BlobScope, BlobState, BlobStorage, StorageError};
use crate::transport::{RecvStream, SendStream, StreamError, StreamHeader};

/// Peers that one fetch takes from at once. More do not fill a line any better.
pub const MAX_FETCH_PEERS: usize = 4;

/// Groups that one peer is asked for at once: 16 MiB.
pub const MAX_ASKED: u64 = 1024;

/// Peers that are tried for one blob. Bounds what a progress report holds.
pub const MAX_CANDIDATES: usize = 64;

/// How often the same peer is asked again after it was cut off, busy, or had a part only.
pub const MAX_TRIES: u32 = 3;

/// How long a peer that was busy is left alone, times the number of tries.
pub const BUSY_WAIT: Duration = Duration::from_millis(500);

/// Between two looks at how fast peers send, while others have nothing to do.
const PACE_LOOK: Duration = Duration::from_secs(2);

/// A peer that would need more than so many further looks for what it was asked gives way to one
/// that has nothing to do: 20 s. What came from it is kept.
const PACE_LOOKS: u64 = 10;

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

/// How a peer did.
#[derive(Clone, Debug)]
pub enum PeerProgress {
    /// Its turn has not come.
    Waiting,
    /// It is being asked, or sends.
    Asked,
    /// It gave all it was asked for.
    Gave,
    /// It failed, the last time it was asked.
    Failed(PeerFailure),
}

/// How far a fetch is.
#[derive(Clone, Debug)]
pub struct BlobProgress {
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes in all.
    pub size: u64,
    /// Each candidate, what it gave in bytes, and how it did.
    pub peers: Vec<(EndpointId, u64, PeerProgress)>,
}

/// Why a blob could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody of those asked could give it; what came is kept.
    #[error("none of the {asked} peers asked could give it")]
    NoPeers {
        /// How many were asked.
        asked: usize,
    },
    /// This node could not store it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The node is shutting down.
    #[error("the node stops")]
    Stopped,
}

/// What a fetch needs of the connections.
pub(crate) trait Streams: Threaded {
    /// Opens a stream to a peer, dialling it where need be.
    fn open<'a>(
        &'a self,
        peer: EndpointId,
        header: StreamHeader,
    ) -> BoxFuture<'a, Result<(SendStream, RecvStream), StreamError>>;

    /// The peer sent wrong bytes, or broke the protocol.
    fn misbehaved(&self, peer: EndpointId, failure: &PeerFailure);
}

/// A fetch under way. Dropping it cancels it; what came is kept.
#[derive(Debug)]
pub struct BlobFetch {
    progress: watch::Receiver<BlobProgress>,
    task: AbortOnDropHandle<Result<(), FetchError>>,
}

impl BlobFetch {
    /// Starts a fetch.
    pub(crate) fn start<S: BlobStorage + ?Sized>(
        storage: Arc<S>,
        streams: Arc<dyn Streams>,
        wanted: BlobWanted,
        candidates: Vec<EndpointId>,
    ) -> Self {
        let candidates: Vec<_> = candidates.into_iter().take(MAX_CANDIDATES).collect();
        let waiting = |peer: &EndpointId| (*peer, 0, PeerProgress::Waiting);
        let (sender, progress) = watch::channel(BlobProgress {
            bytes: 0,
            size: wanted.size,
            peers: candidates.iter().map(waiting).collect(),
        });
        let fetch = Fetch { storage, streams, wanted, progress: Arc::new(sender) };
        let task = n0_future::task::spawn(fetch.run(candidates));
        Self { progress, task: AbortOnDropHandle::new(task) }
    }

    /// How far it is, now and as it goes on.
    pub fn progress(&self) -> watch::Receiver<BlobProgress> {
        self.progress.clone()
    }

    /// Waits for the end: the blob is complete and durable then.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn finished(self) -> Result<(), FetchError> {
        self.task.await.unwrap_or(Err(FetchError::Stopped))
    }
}

struct Fetch<S: ?Sized> {
    storage: Arc<S>,
    streams: Arc<dyn Streams>,
    wanted: BlobWanted,
    progress: Arc<watch::Sender<BlobProgress>>,
}

/// A candidate that is not being asked at the moment.
struct Candidate {
    /// Where it stands in the progress report.
    index: usize,
    peer: EndpointId,
    tries: u32,
    /// How long to wait before it is asked.
    wait: Duration,
    /// The groups it has, where it said so.
    held: Option<Groups>,
}

impl Candidate {
    fn new(index: usize, peer: EndpointId) -> Self {
        Self { index, peer, tries: 0, wait: Duration::ZERO, held: None }
    }
}

/// A candidate that is being asked.
struct Underway {
    index: usize,
    pace: Arc<Pace>,
    /// Bytes it was asked for.
    asked: u64,
    /// Bytes that had come at the last look; none before the first.
    seen: Option<u64>,
}

/// What became of asking a candidate.
struct Asked {
    candidate: Candidate,
    asked: Groups,
    got: Groups,
    outcome: Result<(), PeerFailure>,
}

impl<S: BlobStorage + ?Sized> Fetch<S> {
    async fn run(self, candidates: Vec<EndpointId>) -> Result<(), FetchError> {
        let BlobWanted { scope, hash, size, .. } = self.wanted;
        let held = match self.storage.blob_state(scope, &hash).await? {
            BlobState::Complete { .. } => Groups::all(size),
            BlobState::Partial { held, .. } => held,
            BlobState::Absent => Groups::none(),
        };
        let mut missing = Groups::all(size).without(&held);
        self.progress.send_modify(|progress| progress.bytes = held.bytes(size));
        let total = candidates.len();
        let mut idle: VecDeque<_> =
            candidates.into_iter().enumerate().map(|(n, peer)| Candidate::new(n, peer)).collect();
        let mut active = FuturesUnordered::new();
        let mut underway: Vec<Underway> = Vec::new();
        loop {
            while active.len() < MAX_FETCH_PEERS && !missing.is_empty() {
                let Some((candidate, asked)) = assign(&mut idle, &missing) else { break };
                missing = missing.without(&asked);
                let pace = Arc::<Pace>::default();
                let (index, asked_bytes) = (candidate.index, asked.bytes(size));
                underway.push(Underway {
                    index,
                    pace: pace.clone(),
                    asked: asked_bytes,
                    seen: None,
                });
                active.push(self.ask(candidate, asked, pace));
            }
            let mut done = tokio::select! {
                done = active.next() => match done {
                    Some(done) => done,
                    None => break,
                },
                () = sleep(PACE_LOOK), if missing.is_empty() && !idle.is_empty() => {
                    cut_slowest(&mut underway);
                    continue;
                }
            };
            underway.retain(|other| other.index != done.candidate.index);
            missing.extend(&done.asked.without(&done.got));
            self.report(&done);
            match done.outcome {
                Ok(()) => idle.push_front(done.candidate),
                Err(PeerFailure::Storage(error)) => return Err(error.into()),
                Err(failure) => {
                    // Who is only slow may be the best there is.
                    done.candidate.tries += u32::from(!matches!(failure, PeerFailure::Slow));
                    if failure.may_pass() && done.candidate.tries < MAX_TRIES {
                        done.candidate.wait = match failure {
                            PeerFailure::Busy => BUSY_WAIT * done.candidate.tries,
                            _ => Duration::ZERO,
                        };
                        if let PeerFailure::Partly(held) = failure {
                            done.candidate.held = Some(held);
                        }
                        idle.push_back(done.candidate);
                    }
                }
            }
        }
        if !missing.is_empty() {
            return Err(FetchError::NoPeers { asked: total });
        }
        Ok(self.storage.finish_blob(scope, &hash).await?)
    }

    async fn ask(&self, candidate: Candidate, asked: Groups, pace: Arc<Pace>) -> Asked {
        let BlobWanted { app, scope, hash, size } = self.wanted;
        let index = candidate.index;
        if !candidate.wait.is_zero() {
            sleep(candidate.wait).await;
        }
        self.note(index, PeerProgress::Asked);
        let progress = self.progress.clone();
        let on_part: Box<OnPart> = Box::new(move |bytes| {
            progress.send_modify(|progress| {
                progress.bytes += bytes;
                progress.peers[index].1 += bytes;
            });
        });
        let space = match scope {
            BlobScope::Public => None,
            BlobScope::Space(space) => Some(space),
        };
        let target = Target { scope, hash, size };
        let mut sink = Sink {
            storage: &*self.storage,
            target: &target,
            got: Groups::none(),
            on_part: &*on_part,
        };
        let outcome = match self.streams.open(candidate.peer, StreamHeader::blob(app, space)).await
        {
            Ok(stream) => receive(&asked, stream, &mut sink, &pace).await,
            Err(error) => Err(error.into()),
        };
        let got = sink.got;
        Asked { candidate, asked, got, outcome }
    }

    fn report(&self, done: &Asked) {
        let Candidate { index, peer, .. } = done.candidate;
        match &done.outcome {
            Ok(()) => self.note(index, PeerProgress::Gave),
            Err(failure) => {
                if failure.is_fault() {
                    self.streams.misbehaved(peer, failure);
                }
                self.note(index, PeerProgress::Failed(failure.clone()));
            }
        }
    }

    fn note(&self, index: usize, state: PeerProgress) {
        self.progress.send_modify(|progress| progress.peers[index].2 = state);
    }
}

/// Ends the slowest one, where it is far too slow: else who has a blob, and hardly sends it, would
/// keep it from coming.
fn cut_slowest(underway: &mut [Underway]) {
    let mut slowest: Option<(u64, &Underway)> = None;
    for peer in underway {
        let now = peer.pace.received();
        let Some(seen) = peer.seen.replace(now) else { continue };
        let (came, left) = (now - seen, peer.asked.saturating_sub(now));
        if left > came.saturating_mul(PACE_LOOKS) && slowest.is_none_or(|(least, _)| came < least) {
            slowest = Some((came, peer));
        }
    }
    if let Some((_, peer)) = slowest {
        peer.pace.cut();
    }
}

/// The next candidate, and what to ask it for. Candidates that have nothing of it are dropped.
fn assign(idle: &mut VecDeque<Candidate>, missing: &Groups) -> Option<(Candidate, Groups)> {
    while let Some(candidate) = idle.pop_front() {
        let there = candidate.held.as_ref().map_or(missing.clone(), |held| missing.within(held));
        if !there.is_empty() {
            return Some((candidate, there.first(MAX_ASKED)));
        }
    }
    None
}
