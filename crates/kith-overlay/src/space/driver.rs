//! The task of one space: drives its [`SpaceSync`] between peers and store.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use kith_log::sync::{Action, Config, Follow, OlderError, PeerId, SpaceSync, Ticket};
use kith_log::{AuthorId, KnownLog, Segment, VerifiedRun};
use n0_future::task::AbortOnDropHandle;
use n0_future::time::{Duration, Instant, sleep_until};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tracing::{debug, warn};

use super::bulk::Bulk;
use super::events::{EventSender, SpaceEvent};
use super::members::Members;
use super::wire::SpaceMessage;
use crate::boxed::BoxFuture;
use crate::storage::{Storage, StorageError, StorageResult};
use crate::transport::{Close, Peer, SendError, SpaceRef};

/// Messages of peers that wait for the task of a space. Each peer waits its turn.
const REMOTE_QUEUE: usize = 64;

/// Requests of the node that wait for the task of a space.
const LOCAL_QUEUE: usize = 64;

/// Runs that go to the store at once: 4 MiB at most.
const STORE_BATCH: usize = 16;

/// How long the sync leaves a peer alone whose queue was full, or that stopped a stream.
const REJOIN_AFTER: Duration = Duration::from_secs(1);

/// How often a peer may begin anew at once; then [`REJOIN_AFTER`] lies between. Each costs a
/// comparison of all logs.
const FREE_BEGINS: u32 = 8;

/// What the node asks of a space's task.
#[derive(Debug)]
pub(crate) enum Local {
    /// Its own durable append.
    Appended(Box<VerifiedRun>),
    /// The next incarnation.
    SetOwn(Option<AuthorId>),
    /// A log that the store holds no more.
    Forget(AuthorId),
    /// Whose logs are fetched.
    Follow(Follow),
    /// The segment before the first held entry of an author.
    Older(AuthorId, oneshot::Sender<Result<(), OlderError>>),
    /// How far each log is held.
    Logs(oneshot::Sender<Vec<(AuthorId, KnownLog)>>),
}

/// What a peer says to a space's task.
#[derive(Debug)]
pub(crate) enum Remote {
    /// What was said before does not count.
    Begin,
    /// A message of the sync.
    Message(Bytes),
}

/// News that can't wait and come no faster than the connections do.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    news: Mutex<News>,
    wake: Notify,
}

/// Each map is bounded by the connections.
#[derive(Debug, Default)]
struct News {
    entered: BTreeMap<PeerId, (Arc<Peer>, Arc<Semaphore>)>,
    left: BTreeSet<PeerId>,
    sent: BTreeMap<PeerId, u32>,
    lost: BTreeSet<PeerId>,
}

impl Inbox {
    fn news(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A peer entered the space.
    pub(crate) fn entered(&self, peer: Arc<Peer>, bulk_permits: Arc<Semaphore>) {
        self.news().entered.insert(peer.number(), (peer, bulk_permits));
        self.wake.notify_one();
    }

    /// A peer left it, or is gone.
    pub(crate) fn left(&self, peer: PeerId) {
        let mut news = self.news();
        news.entered.remove(&peer);
        news.left.insert(peer);
        drop(news);
        self.wake.notify_one();
    }

    /// The transport took a bulk message.
    pub(crate) fn bulk_sent(&self, peer: PeerId) {
        *self.news().sent.entry(peer).or_default() += 1;
        self.wake.notify_one();
    }

    /// Messages to a peer were lost on a connection that lasts.
    pub(crate) fn lost(&self, peer: PeerId) {
        self.news().lost.insert(peer);
        self.wake.notify_one();
    }
}

/// The way to a space's task. The task ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(crate) inbox: Arc<Inbox>,
    local: mpsc::Sender<Local>,
    remote: mpsc::Sender<(PeerId, Remote)>,
    _task: AbortOnDropHandle<()>,
}

impl Driver {
    pub(crate) fn start(
        members: Arc<Members>,
        config: Config,
        logs: Vec<(AuthorId, KnownLog)>,
        storage: Arc<dyn Storage>,
        events: EventSender,
    ) -> Self {
        let inbox = Arc::<Inbox>::default();
        let (local, local_queue) = mpsc::channel(LOCAL_QUEUE);
        let (remote, remote_queue) = mpsc::channel(REMOTE_QUEUE);
        let task = Task {
            at: members.at(),
            members,
            sync: SpaceSync::new(config, logs),
            started: Instant::now(),
            storage,
            events,
            inbox: inbox.clone(),
            peers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            to_store: VecDeque::new(),
            storing: None,
            loading: FuturesUnordered::new(),
            lagging: BTreeSet::new(),
        };
        let task = n0_future::task::spawn(task.run(local_queue, remote_queue));
        Self { inbox, local, remote, _task: AbortOnDropHandle::new(task) }
    }

    /// Hands over a request of the node; false where the space was left meanwhile.
    pub(crate) async fn local(&self, request: Local) -> bool {
        self.local.send(request).await.is_ok()
    }

    /// Hands over a message of a peer. Waits while others are before it.
    pub(crate) async fn remote(&self, peer: PeerId, message: Remote) {
        // It fails only where the space was left meanwhile.
        let _ = self.remote.send((peer, message)).await;
    }
}

type Stored = Vec<(Ticket, StorageResult<()>)>;
type Loaded = (Ticket, Option<Segment>);

struct Member {
    peer: Arc<Peer>,
    permits: Arc<Semaphore>,
    bulk: Bulk,
    /// Whether the machine knows it: once it began to talk.
    joined: bool,
    /// How often it began.
    begins: u32,
}

struct Task {
    at: SpaceRef,
    members: Arc<Members>,
    sync: SpaceSync,
    started: Instant,
    storage: Arc<dyn Storage>,
    events: EventSender,
    inbox: Arc<Inbox>,
    peers: BTreeMap<PeerId, Member>,
    /// Those with whom to begin anew, and when.
    waiting: BTreeMap<PeerId, Duration>,
    to_store: VecDeque<(Ticket, VerifiedRun)>,
    storing: Option<BoxFuture<'static, Stored>>,
    loading: FuturesUnordered<BoxFuture<'static, Loaded>>,
    /// Those whose queue was full during this drain.
    lagging: BTreeSet<PeerId>,
}

impl Task {
    async fn run(
        mut self,
        mut local: mpsc::Receiver<Local>,
        mut remote: mpsc::Receiver<(PeerId, Remote)>,
    ) {
        let inbox = self.inbox.clone();
        loop {
            self.store_next();
            let wake = self.next_wake();
            // The node and the store first; peers are served in turn.
            tokio::select! {
                biased;
                () = inbox.wake.notified() => self.news(),
                request = local.recv() => match request {
                    Some(request) => self.request(request),
                    None => return,
                },
                stored = finished(&mut self.storing) => self.stored(stored),
                Some((ticket, segment)) = self.loading.next(), if !self.loading.is_empty() => {
                    self.feed(|sync, now| sync.loaded(now, ticket, segment));
                }
                () = sleep_opt(wake) => self.timeout(),
                message = remote.recv() => match message {
                    Some((peer, message)) => self.heard(peer, message),
                    None => return,
                },
            }
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn next_wake(&self) -> Option<Instant> {
        let machine = self.sync.poll_timeout().map(|(at, _)| at);
        let rejoin = self.waiting.values().copied();
        machine.into_iter().chain(rejoin).min().map(|at| self.started + at)
    }

    /// One mutation of the machine, then all that follows from it.
    fn feed(&mut self, mutate: impl FnOnce(&mut SpaceSync, Duration)) {
        let now = self.now();
        mutate(&mut self.sync, now);
        self.drain();
        while let Some(peer) = self.lagging.pop_first() {
            self.pause(peer);
        }
    }

    fn drain(&mut self) {
        while let Some(action) = self.sync.poll_action() {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        let space = self.at.space;
        match action {
            Action::Send { peer, bulk, message } => self.send(peer, bulk, message),
            Action::Store { ticket, run, .. } => self.to_store.push_back((ticket, *run)),
            Action::Load { ticket, author, index } => {
                let storage = self.storage.clone();
                self.loading.push(Box::pin(async move {
                    let segment = storage.segment(&space, &author, index).await;
                    let segment = segment.inspect_err(|error| warn!(%error, "can't load a log"));
                    (ticket, segment.ok())
                }));
            }
            Action::Misbehaved { peer, error } => {
                if let Some(member) = self.peers.remove(&peer) {
                    debug!(peer = %member.peer.id().fmt_short(), %error, "broke the sync");
                    member.peer.refused("sync_misbehaved");
                    member.peer.close(Close::violation(error.to_string()));
                }
            }
            Action::Forked { author, proof } => self.forked(author, proof),
            Action::OwnLogAhead { author, checkpoint, diverged } => {
                let event = SpaceEvent::OwnLogAhead { space, author, checkpoint, diverged };
                self.events.incident(event);
            }
            Action::QuotaReached { author } => {
                self.events.incident(SpaceEvent::QuotaReached { space, author });
            }
        }
    }

    fn send(&mut self, peer: PeerId, bulk: bool, message: Vec<u8>) {
        let Some(member) = self.peers.get(&peer) else { return };
        let taken = if bulk {
            member.bulk.push(message)
        } else {
            match member.peer.send_frame(self.at, &SpaceMessage::Sync(message).encode()) {
                // Over, or not entered any more: the news of that is on its way.
                Ok(()) | Err(SendError::Closed | SendError::NotEntered) => true,
                Err(SendError::Full | SendError::TooLong) => false,
            }
        };
        if !taken {
            member.peer.refused("sync_queue_full");
            self.lagging.insert(peer);
        }
    }

    fn forked(&mut self, author: AuthorId, proof: Box<kith_log::sync::ForkProof>) {
        let (storage, events, space) = (self.storage.clone(), self.events.clone(), self.at.space);
        // Rare, once per author: it needs no place among the loads.
        n0_future::task::spawn(async move {
            if let Err(error) = storage.keep_fork(&space, &author, &proof).await {
                events.incident(SpaceEvent::StoreFailed { space, error });
            }
            events.incident(SpaceEvent::Forked { space, author, proof });
        });
    }

    /// Something that a peer was told is lost: the two begin anew, after a while.
    fn pause(&mut self, peer: PeerId) {
        let Some(member) = self.peers.get_mut(&peer) else { return };
        // What waits in its bulk queue is out of date.
        member.bulk =
            Bulk::start(member.peer.clone(), self.at, member.permits.clone(), self.inbox.clone());
        let joined = std::mem::replace(&mut member.joined, false);
        let now = self.now();
        self.waiting.insert(peer, now + REJOIN_AFTER);
        if joined {
            self.sync.peer_left(now, peer);
            self.drain();
        }
    }

    fn news(&mut self) {
        let News { entered, left, sent, lost } = std::mem::take(&mut *self.inbox.news());
        for peer in left {
            self.waiting.remove(&peer);
            if self.peers.remove(&peer).is_some_and(|member| member.joined) {
                self.feed(|sync, now| sync.peer_left(now, peer));
            }
        }
        for (peer, count) in sent {
            for _ in 0..count {
                if self.is_joined(peer) {
                    self.feed(|sync, now| sync.bulk_sent(now, peer));
                }
            }
        }
        lost.into_iter().for_each(|peer| self.pause(peer));
        for (id, (peer, permits)) in entered {
            let bulk = Bulk::start(peer.clone(), self.at, permits.clone(), self.inbox.clone());
            let member = Member { peer, permits, bulk, joined: false, begins: 0 };
            self.peers.insert(id, member);
        }
    }

    fn is_joined(&self, peer: PeerId) -> bool {
        self.peers.get(&peer).is_some_and(|member| member.joined)
    }

    fn heard(&mut self, peer: PeerId, message: Remote) {
        if !self.peers.contains_key(&peer) {
            // It may just have entered.
            self.news();
        }
        match message {
            Remote::Message(message) => {
                if self.is_joined(peer) {
                    self.feed(|sync, now| sync.handle_message(now, peer, &message));
                }
            }
            Remote::Begin => self.begin(peer),
        }
    }

    fn begin(&mut self, peer: PeerId) {
        let Some(member) = self.peers.get_mut(&peer) else { return };
        member.begins += 1;
        if member.joined && member.begins > FREE_BEGINS {
            self.pause(peer);
            return;
        }
        if std::mem::replace(&mut member.joined, true) {
            self.feed(|sync, now| sync.peer_left(now, peer));
        }
        self.feed(|sync, now| sync.peer_joined(now, peer));
    }

    fn timeout(&mut self) {
        let now = self.now();
        let due: Vec<_> =
            self.waiting.iter().filter(|(_, at)| **at <= now).map(|(peer, _)| *peer).collect();
        for id in due {
            self.waiting.remove(&id);
            if let Some(Member { peer, .. }) = self.peers.get(&id)
                && !self.members.restart(peer)
            {
                self.waiting.insert(id, now + REJOIN_AFTER);
            }
        }
        if self.sync.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.feed(|sync, now| sync.handle_timeout(now));
        }
    }

    fn request(&mut self, request: Local) {
        match request {
            Local::Appended(run) => self.feed(|sync, now| sync.appended(now, &run)),
            Local::SetOwn(author) => self.feed(|sync, now| sync.set_own(now, author)),
            Local::Forget(author) => self.feed(|sync, now| sync.forget(now, &author)),
            Local::Follow(follow) => self.feed(|sync, now| sync.set_follow(now, follow)),
            Local::Older(author, reply) => {
                let mut outcome = Ok(());
                self.feed(|sync, now| outcome = sync.fetch_older(now, &author));
                // Nobody waits for it any more: that is fine.
                let _ = reply.send(outcome);
            }
            Local::Logs(reply) => {
                let logs = self.sync.logs().map(|(author, log)| (*author, log.clone()));
                let _ = reply.send(logs.collect());
            }
        }
    }

    fn store_next(&mut self) {
        if self.storing.is_some() || self.to_store.is_empty() {
            return;
        }
        let count = self.to_store.len().min(STORE_BATCH);
        let batch: Vec<_> = self.to_store.drain(..count).collect();
        self.storing = Some(Box::pin(store(self.storage.clone(), self.at, batch)));
    }

    fn stored(&mut self, stored: Stored) {
        self.storing = None;
        for (ticket, outcome) in stored {
            match outcome {
                Ok(()) => self.feed(|sync, now| sync.stored(now, ticket)),
                Err(error) => {
                    warn!(%error, "can't store a log");
                    if !matches!(error, StorageError::NotHeld) {
                        let space = self.at.space;
                        self.events.incident(SpaceEvent::StoreFailed { space, error });
                    }
                    self.feed(|sync, now| sync.store_failed(now, ticket));
                }
            }
        }
    }
}

/// Stores a batch; where that fails, each run alone, so that one author's does not fail others'.
async fn store(
    storage: Arc<dyn Storage>,
    at: SpaceRef,
    batch: Vec<(Ticket, VerifiedRun)>,
) -> Stored {
    let (tickets, runs): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
    let retry = if runs.len() > 1 { runs.clone() } else { Vec::new() };
    match storage.ingest(&at.space, runs).await {
        Ok(()) => tickets.into_iter().map(|ticket| (ticket, Ok(()))).collect(),
        Err(error) if retry.is_empty() => {
            tickets.into_iter().map(|ticket| (ticket, Err(error.clone()))).collect()
        }
        Err(_) => {
            let mut stored = Vec::new();
            for (ticket, run) in tickets.into_iter().zip(retry) {
                stored.push((ticket, storage.ingest(&at.space, vec![run]).await));
            }
            stored
        }
    }
}

async fn finished<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

async fn sleep_opt(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
