//! The members of one space: who is here, and messages that are not kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use iroh::EndpointId;
use kith_log::sync::{Follow, Order, Quotas};
use kith_log::{AuthorId, AuthorSecret, Opening};
use tokio::sync::watch;

use super::events::EventSender;
use super::seen::Seen;
use super::wire::{Begin, Bound, Here, MAX_PAYLOAD, Message, SpaceMessage};
use crate::blob::SpacePeers;
use crate::storage::StorageError;
use crate::transport::{Close, Peer, SendError, SpaceKey, SpaceRef};

/// Members that a message is sent to. More than a person's line carries at 128 KiB a message. Where
/// there are more, they take turns.
pub const MAX_RECEIVERS: usize = 32;

/// How often a peer may say on one connection who it is in a space: once, and again for each new
/// incarnation, which are rare.
pub const MAX_HERES: u32 = 16;

/// Oneself as an author.
#[derive(Clone, Debug)]
pub struct Author {
    /// Signs what one says.
    pub secret: AuthorSecret,
    /// How one was admitted.
    pub opening: Opening,
}

/// A space to be joined.
#[derive(Clone, Debug)]
pub struct SpaceConfig {
    /// Which space, and the key that proves membership.
    pub key: SpaceKey,
    /// Oneself; none for someone who only reads.
    pub author: Option<Author>,
    /// One's authors before, with logs that were written here.
    pub past: BTreeSet<AuthorId>,
    /// Whose logs are fetched.
    pub follow: Follow,
    /// From which end.
    pub order: Order,
    /// How much of others' logs is held.
    pub quotas: Quotas,
}

impl SpaceConfig {
    /// All logs of a space, oldest first, with the default quotas.
    pub fn new(key: SpaceKey, author: Option<Author>) -> Self {
        let (past, follow, order, quotas) = Default::default();
        Self { key, author, past, follow, order, quotas }
    }
}

/// Why a space was not joined.
#[derive(Clone, Debug, thiserror::Error)]
pub enum JoinError {
    /// It is joined already.
    #[error("the space is joined already")]
    AlreadyJoined,
    /// [`MAX_SPACES`](super::MAX_SPACES) are joined.
    #[error("too many spaces are joined")]
    TooMany,
    /// What is held of it could not be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Over [`MAX_PAYLOAD`].
    #[error("the message has {0} bytes, and {MAX_PAYLOAD} are allowed")]
    TooLarge(usize),
    /// The space is not joined.
    #[error("the space is not joined")]
    NotJoined,
    /// One only reads in this space.
    #[error("there is no author to sign the message")]
    NoAuthor,
}

/// How a space stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpaceStatus {
    /// Authors that are here, oneself left out.
    pub online: BTreeSet<AuthorId>,
    /// Peers that entered the space, and who they are there, once they said so.
    pub peers: BTreeMap<EndpointId, Option<AuthorId>>,
    /// Messages that were not kept: taken by peers' queues.
    pub messages_sent: u64,
    /// Messages that a full queue to a peer, or its slowness, lost.
    pub messages_dropped: u64,
    /// Messages that arrived.
    pub messages_received: u64,
    /// Messages that this node did not take fast enough.
    pub messages_lagged: u64,
}

/// What a Begin means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Talk {
    /// Nothing that was said before counts; from now on nothing is lost.
    New,
    /// It was heard before.
    GoesOn,
    /// The answer was lost.
    Lost,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
    received: AtomicU64,
    lagged: AtomicU64,
}

/// Who is here. Bounded by the connections.
#[derive(Debug, Default)]
struct State {
    peers: BTreeMap<u64, Member>,
    seen: BTreeMap<AuthorId, Seen>,
    online: BTreeSet<AuthorId>,
}

#[derive(Debug)]
struct Member {
    peer: Arc<Peer>,
    author: Option<AuthorId>,
    heres: u32,
    /// The talk with this peer: our number, and the peer's, once heard.
    mine: u64,
    theirs: Option<u64>,
}

impl State {
    fn peers(&self) -> SpacePeers {
        let mut peers = SpacePeers::new();
        for member in self.peers.values() {
            let author = peers.entry(member.peer.id()).or_insert(member.author);
            *author = author.or(member.author);
        }
        peers
    }
}

/// The members of a joined space.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) key: SpaceKey,
    me: EndpointId,
    run: [u8; 16],
    author: Mutex<Option<Author>>,
    seq: AtomicU64,
    talks: Arc<AtomicU64>,
    state: Mutex<State>,
    /// The newest state of it, for those who follow.
    peers: watch::Sender<SpacePeers>,
    events: EventSender,
    counters: Counters,
}

/// What stays the same for all spaces of a node.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Its key.
    pub(crate) me: EndpointId,
    /// Its run.
    pub(crate) run: [u8; 16],
    /// Rises with each talk.
    pub(crate) talks: Arc<AtomicU64>,
    pub(crate) events: EventSender,
}

impl Members {
    pub(crate) fn new(key: SpaceKey, author: Option<Author>, node: Node) -> Self {
        Self {
            key,
            me: node.me,
            run: node.run,
            author: Mutex::new(author),
            seq: AtomicU64::new(0),
            talks: node.talks,
            state: Mutex::default(),
            peers: watch::Sender::default(),
            events: node.events,
            counters: Counters::default(),
        }
    }

    /// Which space.
    pub(crate) fn at(&self) -> SpaceRef {
        self.key.at
    }

    /// A peer entered: the two begin to talk.
    pub(crate) fn entered(&self, peer: &Arc<Peer>) {
        let member = Member { peer: peer.clone(), author: None, heres: 0, mine: 0, theirs: None };
        {
            let mut state = self.state();
            state.peers.insert(peer.number(), member);
            self.tell_peers(&state);
        }
        self.restart(peer);
    }

    /// Begins to talk anew with a peer: something was lost. False where even this is lost.
    pub(crate) fn restart(&self, peer: &Arc<Peer>) -> bool {
        let mine = self.talks.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(member) = self.state().peers.get_mut(&peer.number()) {
            (member.mine, member.theirs) = (mine, None);
        }
        self.tell(peer, &SpaceMessage::Begin(Begin { mine, yours: 0 }))
    }

    /// A peer begins to talk.
    pub(crate) fn begin(&self, peer: &Arc<Peer>, begin: Begin) -> Talk {
        let mine = {
            let mut state = self.state();
            let Some(member) = state.peers.get_mut(&peer.number()) else { return Talk::GoesOn };
            if begin.yours == member.mine && member.theirs == Some(begin.mine) {
                return Talk::GoesOn;
            }
            let new = member.theirs.replace(begin.mine) != Some(begin.mine);
            (member.mine, new)
        };
        let (mine, new) = mine;
        let heard = begin.yours == mine
            || self.tell(peer, &SpaceMessage::Begin(Begin { mine, yours: begin.mine }));
        let here = !new || self.say_here(peer);
        match (heard && here, new) {
            (false, _) => Talk::Lost,
            (true, true) => Talk::New,
            (true, false) => Talk::GoesOn,
        }
    }

    /// A peer left, or is gone.
    pub(crate) fn left(&self, peer: &Peer) {
        let mut state = self.state();
        state.peers.remove(&peer.number());
        self.update(&mut state);
    }

    /// The next incarnation: peers are told.
    pub(crate) fn set_author(&self, author: Option<Author>) {
        *self.author.lock().unwrap_or_else(PoisonError::into_inner) = author;
        let peers: Vec<_> = self.state().peers.values().map(|m| m.peer.clone()).collect();
        for peer in peers {
            self.say_here(&peer);
        }
        let mut state = self.state();
        self.update(&mut state);
    }

    fn say_here(&self, peer: &Arc<Peer>) -> bool {
        let Some(Author { secret, opening }) = self.own() else { return true };
        let exporter = peer.exporter();
        let bound = Bound { space: &self.at().space, exporter: &exporter, sender: &self.me };
        self.tell(peer, &SpaceMessage::Here(Here::sign(&secret, &opening, &bound)))
    }

    /// Queues a message; false where it was lost on a connection that lasts.
    fn tell(&self, peer: &Arc<Peer>, message: &SpaceMessage) -> bool {
        match peer.send_frame(self.at(), &message.encode()) {
            // Over, or not entered any more: the news of that is on its way.
            Ok(()) | Err(SendError::Closed | SendError::NotEntered) => true,
            Err(SendError::Full | SendError::TooLong) => false,
        }
    }

    /// A peer says who it is.
    ///
    /// # Errors
    /// Where it lies: that closes the connection.
    pub(crate) fn here(&self, peer: &Arc<Peer>, here: &Here) -> Result<(), Close> {
        {
            let mut state = self.state();
            let Some(member) = state.peers.get_mut(&peer.number()) else { return Ok(()) };
            // Said again, as with each new talk: it says nothing else on this connection.
            if member.author == Some(here.author) {
                return Ok(());
            }
            member.heres += 1;
            if member.heres > MAX_HERES {
                return Err(Close::violation("a member that is new too often"));
            }
        }
        let exporter = peer.exporter();
        let sender = peer.id();
        let bound = Bound { space: &self.at().space, exporter: &exporter, sender: &sender };
        here.verify(&bound).map_err(|error| Close::violation(error.to_string()))?;
        let mut state = self.state();
        if let Some(member) = state.peers.get_mut(&peer.number()) {
            member.author = Some(here.author);
        }
        self.update(&mut state);
        Ok(())
    }

    /// A message that is not kept came from a peer.
    ///
    /// # Errors
    /// Where its signature does not fit: that closes the connection.
    pub(crate) fn message(&self, peer: &Peer, message: Message) -> Result<(), Close> {
        let space = self.at().space;
        let author = self.state().peers.get(&peer.number()).and_then(|member| member.author);
        if author != Some(message.author) {
            // Its Here may have been lost with a stream that was stopped.
            peer.refused("message_without_here");
            return Ok(());
        }
        if !self.events.has_room(&space, &message.author, message.payload.len()) {
            self.counters.lagged.fetch_add(1, Ordering::Relaxed);
            self.events.lagged(space);
            return Ok(());
        }
        message.verify(&space).map_err(|error| Close::violation(error.to_string()))?;
        let mut state = self.state();
        if state.seen.entry(message.author).or_default().is_new(message.run, message.seq) {
            drop(state);
            self.counters.received.fetch_add(1, Ordering::Relaxed);
            self.events.message(space, message.author, Bytes::from(message.payload));
        }
        Ok(())
    }

    /// Sends a message to those who are here; returns to how many.
    ///
    /// # Errors
    /// [`MessageError`].
    pub(crate) fn send(&self, payload: Vec<u8>) -> Result<usize, MessageError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(MessageError::TooLarge(payload.len()));
        }
        let Author { secret, .. } = self.own().ok_or(MessageError::NoAuthor)?;
        if self.state().peers.is_empty() {
            return Ok(0);
        }
        let seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let receivers = self.receivers(seq);
        let message = Message::sign(&secret, &self.at().space, self.run, seq, payload);
        let frame = SpaceMessage::Message(message).encode();
        let mut count = 0;
        for connections in receivers.values() {
            // The newest connection first; an older one is about to end.
            let sent =
                connections.iter().rev().any(|peer| peer.send_loose(self.at(), &frame).is_ok());
            if sent {
                count += 1;
            } else {
                self.counters.dropped.fetch_add(1, Ordering::Relaxed);
                connections.iter().for_each(|peer| peer.refused("message_queue_full"));
            }
        }
        self.counters.sent.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }

    pub(crate) fn status(&self) -> SpaceStatus {
        let state = self.state();
        SpaceStatus {
            online: state.online.clone(),
            peers: state.peers(),
            messages_sent: self.counters.sent.load(Ordering::Relaxed),
            messages_dropped: self.counters.dropped.load(Ordering::Relaxed),
            messages_received: self.counters.received.load(Ordering::Relaxed),
            messages_lagged: self.counters.lagged.load(Ordering::Relaxed),
        }
    }

    /// Who entered, now and as it changes.
    pub(crate) fn peers(&self) -> watch::Receiver<SpacePeers> {
        self.peers.subscribe()
    }

    fn tell_peers(&self, state: &State) {
        let peers = state.peers();
        self.peers.send_if_modified(|told| {
            let changed = *told != peers;
            *told = peers;
            changed
        });
    }

    /// The connections of each receiver of a message, oldest first.
    fn receivers(&self, seq: u64) -> BTreeMap<EndpointId, Vec<Arc<Peer>>> {
        let mut receivers: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for member in self.state().peers.values() {
            receivers.entry(member.peer.id()).or_default().push(member.peer.clone());
        }
        let all = receivers.len();
        if all > MAX_RECEIVERS {
            let mut place = 0;
            receivers.retain(|_, _| {
                place += 1;
                has_turn(place - 1, all, seq)
            });
        }
        receivers
    }

    /// Tells the node where it changed who is here.
    fn update(&self, state: &mut State) {
        self.tell_peers(state);
        let own = self.own().map(|author| author.secret.author());
        let online: BTreeSet<_> = state
            .peers
            .values()
            .filter_map(|member| member.author)
            .filter(|author| Some(*author) != own)
            .collect();
        state.seen.retain(|author, _| online.contains(author));
        if online != state.online {
            state.online.clone_from(&online);
            self.events.presence(self.at().space, online);
        }
    }

    fn own(&self) -> Option<Author> {
        self.author.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the member at a place gets a message, of so many: [`MAX_RECEIVERS`] do, then the next ones.
/// So who came first, or under many names, leaves something to the others.
fn has_turn(place: usize, all: usize, seq: u64) -> bool {
    let all = all as u64;
    let start = seq % all * MAX_RECEIVERS as u64 % all;
    (place as u64 + all - start) % all < MAX_RECEIVERS as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn() {
        for all in [33, 40, 64, 65, 200, 256] {
            for start in [0, 7, u64::MAX - 2_000] {
                let mut turns = vec![0; all];
                for seq in start..start + all as u64 {
                    let mut count = 0;
                    for (place, turns) in turns.iter_mut().enumerate() {
                        if has_turn(place, all, seq) {
                            *turns += 1;
                            count += 1;
                        }
                    }
                    assert_eq!(count, MAX_RECEIVERS);
                }
                assert!(turns.iter().all(|turns| *turns > 0), "{all}, {start}: {turns:?}");
            }
        }
    }
}
