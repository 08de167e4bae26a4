//! The state machine of one space: its state, what it is fed, and how it is drained.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::message::{Message, Part};
use super::peer::{ClaimState, Peer};
use super::{
    Action, Follow, ForkProof, OlderError, Order, PeerId, Progress, Quotas, Ticket, WakeReason,
};
use crate::{
    AuthorId, Checkpoint, Error, KnownLog, MAX_MESSAGE_LEN, Segment, SpaceId, VerifiedRun,
};

/// What a [`SpaceSync`] is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The space.
    pub space: SpaceId,
    /// Our own author in it, if we write.
    pub own: Option<AuthorId>,
    /// Our own authors before, whose logs we hold as we wrote them. They may be those of a store
    /// that was restored without anyone noticing, so they are shown with the same care as the
    /// own log, and where others hold something else it is we who are wrong.
    pub past: BTreeSet<AuthorId>,
    /// Whose logs are fetched.
    pub follow: Follow,
    /// From which end.
    pub order: Order,
    /// How much of others' logs is held.
    pub quotas: Quotas,
}

impl Config {
    /// All logs of a space, oldest first, with the default quotas.
    pub fn new(space: SpaceId, own: Option<AuthorId>) -> Self {
        let (past, follow, order, quotas) = Default::default();
        Self { space, own, past, follow, order, quotas }
    }
}

/// One log, as far as it concerns us.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// What is held durably: what others are told and sent.
    pub(super) held: Option<KnownLog>,
    /// What will be held once the store has done what it was asked.
    pub(super) storing: VecDeque<(Ticket, KnownLog)>,
    /// What is being fetched.
    pub(super) fetch: Option<Fetch>,
    /// Whether the segment before the first held entry is to be fetched.
    pub(super) want_older: bool,
    /// Whether a fork was reported.
    pub(super) forked: bool,
    /// Whether the quota was reported as reached.
    pub(super) full: bool,
    /// One of our own logs of which a peer holds this head, which we don't: nothing of it leaves
    /// the node until what we hold has proven to be its beginning.
    pub(super) suspect: Option<Checkpoint>,
    /// Not fetched before this time, since the store failed.
    pub(super) not_before: Duration,
}

/// A request that one peer is answering.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) peer: PeerId,
    pub(super) kind: FetchKind,
    /// Runs that the peer may still send.
    pub(super) credit: usize,
    /// Our size after the last run that this fetch brought.
    pub(super) expect: u64,
    /// Whether something came since that doesn't join.
    pub(super) gap: bool,
    /// When the peer counts as stalled.
    pub(super) deadline: Duration,
    /// When it is another peer's turn, if one has as much and this one is slow.
    pub(super) turn_ends: Duration,
    /// Weight of what came in this turn.
    pub(super) brought: u64,
}

impl Fetch {
    /// When something has to be done about it.
    pub(super) fn due(&self) -> Duration {
        self.deadline.min(self.turn_ends)
    }
}

/// A run that the store is storing.
#[derive(Debug)]
pub(super) struct Storing {
    pub(super) author: AuthorId,
    pub(super) peer: PeerId,
    pub(super) weight: u64,
    /// Whether it came unasked.
    pub(super) pushed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FetchKind {
    Forward,
    Newest,
    Older,
}

impl Log {
    /// What is held, or will be.
    pub(super) fn known(&self) -> Option<&KnownLog> {
        self.storing.back().map(|(_, known)| known).or(self.held.as_ref())
    }

    pub(super) fn size(&self) -> u64 {
        self.known().map_or(0, KnownLog::size)
    }

    pub(super) fn held_size(&self) -> u64 {
        self.held.as_ref().map_or(0, KnownLog::size)
    }
}

/// Brings one space up to date with all connected peers. See the crate's documentation for how it
/// is driven.
///
/// `now` is the time since any fixed instant, the same for all calls; it never goes back.
#[derive(Debug)]
pub struct SpaceSync {
    pub(super) config: Config,
    pub(super) logs: BTreeMap<AuthorId, Log>,
    pub(super) peers: BTreeMap<PeerId, Peer>,
    /// Those of the logs that are being fetched, so that no event looks at all of them.
    pub(super) fetching: BTreeSet<AuthorId>,
    /// For whom the store is loading what.
    pub(super) loads: BTreeMap<Ticket, (PeerId, AuthorId)>,
    /// Whose run the store is storing, and who sent it.
    pub(super) stores: BTreeMap<Ticket, Storing>,
    /// The weight of these runs.
    pub(super) storing_weight: u64,
    /// Logs that have grown since the last announcement.
    pub(super) news: BTreeSet<AuthorId>,
    /// The digest of all heads that others may know of, until one of them changes.
    pub(super) digest: Option<[u8; 32]>,
    /// When news may be announced again.
    pub(super) announce_at: Duration,
    /// When logs may be asked for again, and of whom if of one peer only.
    pub(super) retries: BTreeSet<(Duration, AuthorId, Option<PeerId>)>,
    /// Whether too many authors were reported.
    pub(super) crowded: bool,
    pub(super) actions: VecDeque<Action>,
    next_ticket: u64,
}

impl SpaceSync {
    /// The machine for a space of which the store holds these logs.
    pub fn new(config: Config, logs: impl IntoIterator<Item = (AuthorId, KnownLog)>) -> Self {
        let logs = logs
            .into_iter()
            .map(|(author, known)| (author, Log { held: Some(known), ..Log::default() }))
            .collect();
        Self {
            config,
            logs,
            peers: BTreeMap::new(),
            fetching: BTreeSet::new(),
            loads: BTreeMap::new(),
            stores: BTreeMap::new(),
            storing_weight: 0,
            news: BTreeSet::new(),
            digest: None,
            announce_at: Duration::ZERO,
            retries: BTreeSet::new(),
            crowded: false,
            actions: VecDeque::new(),
            next_ticket: 0,
        }
    }

    /// A peer that proved to be a member is connected.
    pub fn peer_joined(&mut self, now: Duration, peer: PeerId) {
        self.peer_left(now, peer);
        self.peers.insert(peer, Peer::default());
        self.greet(now, peer);
        self.settle(now);
    }

    /// A peer is disconnected. What it was asked for is asked of others.
    pub fn peer_left(&mut self, now: Duration, peer: PeerId) {
        self.remove_peer(peer);
        self.settle(now);
    }

    /// A message came from a peer.
    pub fn handle_message(&mut self, now: Duration, peer: PeerId, message: &[u8]) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        if let Err(error) = self.try_message(now, peer, message) {
            self.misbehaved(peer, error);
        }
        self.settle(now);
    }

    /// A run of our own was stored durably: peers that are up to date get it at once.
    pub fn appended(&mut self, now: Duration, run: &VerifiedRun) {
        self.digest = None;
        let log = self.logs.entry(*run.author()).or_default();
        log.held = Some(KnownLog::after(log.held.as_ref(), run));
        match log.suspect {
            // Too late: what we hold isn't its beginning any more.
            Some(theirs) => self.own_ahead(theirs, true),
            None => self.push(now, run),
        }
        self.settle(now);
    }

    /// The store has made the run of [`Action::Store`] durable.
    pub fn stored(&mut self, now: Duration, ticket: Ticket) {
        let Some(author) = self.end_storing(ticket) else { return };
        self.digest = None;
        if let Some(log) = self.logs.get_mut(&author) {
            let before = log.held_size();
            while let Some((done, known)) = log.storing.pop_front() {
                log.held = Some(known);
                if done == ticket {
                    break;
                }
            }
            if log.held_size() > before {
                log.suspect = None;
                self.news.insert(author);
            }
        }
        self.grant(&author);
        self.settle(now);
    }

    /// The store could not store the run of [`Action::Store`], nor any later one of that author.
    /// It is fetched again after a while.
    pub fn store_failed(&mut self, now: Duration, ticket: Ticket) {
        let Some(author) = self.stores.get(&ticket).map(|storing| storing.author) else { return };
        self.give_up_storing(now, &author);
        self.settle(now);
    }

    /// The answer to [`Action::Load`]; `None` when it failed.
    pub fn loaded(&mut self, now: Duration, ticket: Ticket, segment: Option<Segment>) {
        if let Some((peer, author)) = self.loads.remove(&ticket) {
            if let Err(error) = self.serve_loaded(peer, &author, ticket, segment) {
                self.misbehaved(peer, error);
            }
            self.touch(now, peer);
        }
        self.settle(now);
    }

    /// The transport has taken a bulk message to this peer, and there is room for another.
    pub fn bulk_sent(&mut self, now: Duration, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.bulk_unsent = peer.bulk_unsent.saturating_sub(1);
        }
        self.settle(now);
    }

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Duration) {
        self.expire_fetches(now);
        self.retry(now);
        self.compare_due(now);
        self.settle(now);
    }

    /// Sets our own author: the next incarnation. What others have more of the one before is
    /// fetched from now on.
    pub fn set_own(&mut self, now: Duration, author: Option<AuthorId>) {
        let before = std::mem::replace(&mut self.config.own, author);
        if let Some(before) = before.filter(|before| Some(*before) != author) {
            if self.logs.get(&before).is_some_and(|log| log.held.is_some()) {
                self.config.past.insert(before);
            }
            self.want_again(&before);
            self.news.insert(before);
        }
        self.settle(now);
    }

    /// Changes whose logs are fetched.
    pub fn set_follow(&mut self, now: Duration, follow: Follow) {
        self.config.follow = follow;
        for peer in self.peers.values_mut() {
            peer.wanted = peer.claims.keys().copied().collect();
        }
        self.settle(now);
    }

    /// Forgets a log that the store no longer holds. If it is followed, it is fetched anew, and is
    /// like any other's then, also where it was ours.
    pub fn forget(&mut self, now: Duration, author: &AuthorId) {
        self.config.past.remove(author);
        self.digest = None;
        self.end_fetch(author);
        let log = self.logs.remove(author).unwrap_or_default();
        // What the store will say of these is about the log that was.
        log.storing.iter().for_each(|(ticket, _)| _ = self.end_storing(*ticket));
        for peer in self.peers.values_mut() {
            peer.mark(author, ClaimState::Open);
        }
        self.want_again(author);
        self.settle(now);
    }

    /// Fetches the segment before the first held entry of an author's log.
    ///
    /// # Errors
    /// When there is no such segment.
    pub fn fetch_older(&mut self, now: Duration, author: &AuthorId) -> Result<(), OlderError> {
        let log = self.logs.get_mut(author).ok_or(OlderError::UnknownAuthor)?;
        let known = log.known().ok_or(OlderError::UnknownAuthor)?;
        if known.start() == 0 {
            return Err(OlderError::Complete);
        }
        log.want_older = true;
        self.want_again(author);
        self.settle(now);
        Ok(())
    }

    /// What is held durably of each author's log.
    pub fn logs(&self) -> impl Iterator<Item = (&AuthorId, &KnownLog)> {
        self.logs.iter().filter_map(|(author, log)| Some((author, log.held.as_ref()?)))
    }

    /// How far the fetching of what is followed has come.
    pub fn progress(&self) -> Progress {
        let mut progress = Progress::default();
        for (author, log) in self.logs.iter().filter(|(author, _)| self.follows(author)) {
            let claimed = self.peers.values().map(|peer| peer.size(author)).max().unwrap_or(0);
            progress.held += log.held_size();
            progress.missing += claimed.saturating_sub(log.held_size());
            progress.fetching += usize::from(log.fetch.is_some());
        }
        progress
    }

    /// The next thing to do; `None` when there is nothing more.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    pub fn poll_timeout(&self) -> Option<(Duration, WakeReason)> {
        let stalled = self.fetches().map(|(_, fetch)| fetch);
        let stalled = stalled.filter(|fetch| fetch.credit > 0).map(Fetch::due).min();
        let retry = self.retries.first().map(|(at, ..)| *at);
        let announce = (!self.news.is_empty()).then_some(self.announce_at);
        let compare = self.peers.values().map(|peer| peer.compare_at).min();
        [
            (stalled, WakeReason::Stalled),
            (retry, WakeReason::Stalled),
            (announce, WakeReason::Announce),
            (compare, WakeReason::Compare),
        ]
        .into_iter()
        .filter_map(|(at, reason)| Some((at?, reason)))
        .min_by_key(|(at, _)| *at)
    }

    /// What is being fetched.
    pub(super) fn fetches(&self) -> impl Iterator<Item = (&AuthorId, &Fetch)> {
        self.fetching
            .iter()
            .filter_map(|author| Some((author, self.logs.get(author)?.fetch.as_ref()?)))
    }

    /// Whether we write a log, or once did.
    pub(super) fn is_ours(&self, author: &AuthorId) -> bool {
        self.config.own == Some(*author) || self.config.past.contains(author)
    }

    fn try_message(&mut self, now: Duration, peer: PeerId, bytes: &[u8]) -> Result<(), Error> {
        match Message::decode(bytes)? {
            Message::Heads { part, heads } => self.on_heads(now, peer, part, &heads),
            Message::Want { author, at, runs } => {
                self.on_want(peer, author, at, runs);
                Ok(())
            }
            Message::More { author, runs } => {
                self.on_more(peer, &author, runs);
                Ok(())
            }
            Message::Run(run) => self.on_run(now, peer, run, &bytes[1..]),
            Message::Last(run) => self.on_last(now, peer, run, &bytes[1..]),
            Message::Nothing { author } => {
                self.on_nothing(peer, &author);
                Ok(())
            }
            Message::Compare { digest } => {
                self.on_compare(now, peer, &digest);
                Ok(())
            }
        }
    }

    /// Does what has become possible. Ends every mutation.
    fn settle(&mut self, now: Duration) {
        while self.schedule(now) {}
        self.serve();
        self.announce(now);
    }

    pub(super) fn send(&mut self, peer: PeerId, bulk: bool, message: &Message) {
        let message = message.encode();
        debug_assert!(message.len() <= MAX_MESSAGE_LEN, "our own messages are within the limit");
        self.actions.push_back(Action::Send { peer, bulk, message });
    }

    pub(super) fn send_heads(&mut self, peer: PeerId, heads: Vec<Checkpoint>) {
        for heads in heads.chunks(super::message::MAX_HEADS) {
            self.send(peer, false, &Message::Heads { part: Part::News, heads: heads.to_vec() });
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    pub(super) fn forked(&mut self, peer: PeerId, author: AuthorId, proof: ForkProof) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.mark(&author, ClaimState::Conflict);
        }
        let Some(log) = self.logs.get_mut(&author) else { return };
        if !std::mem::replace(&mut log.forked, true) {
            self.actions.push_back(Action::Forked { author, proof: Box::new(proof) });
        }
    }

    pub(super) fn misbehaved(&mut self, peer: PeerId, error: Error) {
        if self.remove_peer(peer) {
            self.actions.push_back(Action::Misbehaved { peer, error });
        }
    }

    fn remove_peer(&mut self, peer: PeerId) -> bool {
        if self.peers.remove(&peer).is_none() {
            return false;
        }
        let fetched = self.fetches().filter(|(_, fetch)| fetch.peer == peer);
        let dropped: Vec<_> = fetched.map(|(author, _)| *author).collect();
        for author in dropped {
            self.end_fetch(&author);
            self.want_again(&author);
        }
        true
    }
}
