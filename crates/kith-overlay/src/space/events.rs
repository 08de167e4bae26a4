//! What the node is told of its spaces: a queue that one slow reader or one loud member can't fill
//! for others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use kith_log::sync::ForkProof;
use kith_log::{AuthorId, Checkpoint, SpaceId};
use tokio::sync::Notify;

/// Messages that wait for the node, from one author in one space. Further ones are dropped, and
/// counted in [`SpaceEvent::Lagged`].
pub const MAX_WAITING_PER_AUTHOR: usize = 64;

/// Bytes of messages that wait for the node, from one author in one space: 8 of the largest.
pub const MAX_WAITING_BYTES_PER_AUTHOR: usize = 1024 * 1024;

/// Messages that wait for the node, in all spaces.
pub const MAX_WAITING: usize = 4096;

/// Bytes of messages that wait for the node, in all spaces: 32 MiB.
pub const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;

/// Forks and other incidents that wait for the node. They are rare: once per author.
pub const MAX_INCIDENTS: usize = 1024;

/// Something that happened in a space.
#[derive(Clone, Debug)]
pub enum SpaceEvent {
    /// A message that is not kept.
    Message {
        /// Where.
        space: SpaceId,
        /// Who signed it.
        author: AuthorId,
        /// What it says.
        payload: Bytes,
    },
    /// Who is here now, oneself left out. The newest state, not each change.
    Presence {
        /// Where.
        space: SpaceId,
        /// Authors with a live connection to this node.
        authors: BTreeSet<AuthorId>,
    },
    /// An author signed two histories.
    Forked {
        /// Where.
        space: SpaceId,
        /// Who.
        author: AuthorId,
        /// What proves it. The store has it already.
        proof: Box<ForkProof>,
    },
    /// A peer holds more of our own log than we do: the store was restored or copied. Start the
    /// next incarnation and call `set_author`.
    OwnLogAhead {
        /// Where.
        space: SpaceId,
        /// Our author.
        author: AuthorId,
        /// What we signed and no longer hold.
        checkpoint: Checkpoint,
        /// Whether entries of ours contradict it.
        diverged: bool,
    },
    /// Others have more, and a quota is reached.
    QuotaReached {
        /// Where.
        space: SpaceId,
        /// Whose log isn't taken further; none where there are too many authors.
        author: Option<AuthorId>,
    },
    /// What came could not be stored, so it isn't held; it is tried again later.
    StoreFailed {
        /// Where.
        space: SpaceId,
        /// Why.
        error: crate::storage::StorageError,
    },
    /// Messages were lost because the node did not read fast enough.
    Lagged {
        /// Where.
        space: SpaceId,
        /// How many, since the last of these.
        count: u64,
    },
}

/// Where the spaces put what happens.
#[derive(Clone, Debug, Default)]
pub(crate) struct EventSender(Arc<Shared>);

/// The node's end. There is one; what waits is lost when it is dropped.
#[derive(Debug)]
pub struct SpaceEvents(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    incidents: VecDeque<SpaceEvent>,
    presence: BTreeMap<SpaceId, BTreeSet<AuthorId>>,
    messages: VecDeque<(SpaceId, AuthorId, Bytes)>,
    /// Of each author: messages and bytes that wait.
    waiting: BTreeMap<(SpaceId, AuthorId), (usize, usize)>,
    bytes: usize,
    lagged: BTreeMap<SpaceId, u64>,
    /// Nobody puts anything any more.
    closed: bool,
    /// Nobody takes anything any more.
    abandoned: bool,
}

/// The two ends of a queue.
pub(crate) fn events() -> (EventSender, SpaceEvents) {
    let sender = EventSender::default();
    let events = SpaceEvents(sender.0.clone());
    (sender, events)
}

impl EventSender {
    /// Whether a message of this author would be taken: looked at before work is done for it.
    pub(crate) fn has_room(&self, space: &SpaceId, author: &AuthorId, bytes: usize) -> bool {
        self.0.queue().has_room(space, author, bytes)
    }

    /// Puts a message; false where it was dropped instead.
    pub(crate) fn message(&self, space: SpaceId, author: AuthorId, payload: Bytes) -> bool {
        let mut queue = self.0.queue();
        let room = queue.has_room(&space, &author, payload.len());
        if room {
            let waiting = queue.waiting.entry((space, author)).or_default();
            waiting.0 += 1;
            waiting.1 += payload.len();
            queue.bytes += payload.len();
            queue.messages.push_back((space, author, payload));
        } else {
            queue.lag(space);
        }
        drop(queue);
        self.0.wake.notify_one();
        room
    }

    /// A message was not even looked at, for lack of room.
    pub(crate) fn lagged(&self, space: SpaceId) {
        self.0.queue().lag(space);
        self.0.wake.notify_one();
    }

    /// Puts who is here, in place of an older state that waits.
    pub(crate) fn presence(&self, space: SpaceId, authors: BTreeSet<AuthorId>) {
        // Bounded by the spaces that are joined.
        self.0.queue().presence.insert(space, authors);
        self.0.wake.notify_one();
    }

    /// Puts an incident; the oldest makes room.
    pub(crate) fn incident(&self, event: SpaceEvent) {
        let mut queue = self.0.queue();
        if queue.incidents.len() >= MAX_INCIDENTS {
            queue.incidents.pop_front();
        }
        queue.incidents.push_back(event);
        drop(queue);
        self.0.wake.notify_one();
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        self.0.queue().closed = true;
        self.0.wake.notify_one();
    }
}

impl SpaceEvents {
    /// The next event; none when the overlay is closed and nothing waits.
    pub async fn next(&mut self) -> Option<SpaceEvent> {
        loop {
            let woken = self.0.wake.notified();
            {
                let mut queue = self.0.queue();
                if let Some(event) = queue.take() {
                    return Some(event);
                }
                if queue.closed {
                    return None;
                }
            }
            woken.await;
        }
    }

    /// The next event, where one waits.
    pub fn try_next(&mut self) -> Option<SpaceEvent> {
        self.0.queue().take()
    }
}

impl Drop for SpaceEvents {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        *queue = Queue { abandoned: true, ..Queue::default() };
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn has_room(&self, space: &SpaceId, author: &AuthorId, bytes: usize) -> bool {
        let (count, waiting) = self.waiting.get(&(*space, *author)).copied().unwrap_or_default();
        !self.abandoned
            && count < MAX_WAITING_PER_AUTHOR
            && waiting + bytes <= MAX_WAITING_BYTES_PER_AUTHOR
            && self.messages.len() < MAX_WAITING
            && self.bytes + bytes <= MAX_WAITING_BYTES
    }

    fn lag(&mut self, space: SpaceId) {
        if !self.abandoned {
            // Bounded by the spaces that are joined.
            *self.lagged.entry(space).or_default() += 1;
        }
    }

    fn take(&mut self) -> Option<SpaceEvent> {
        if let Some(event) = self.incidents.pop_front() {
            return Some(event);
        }
        if let Some((space, authors)) = self.presence.pop_first() {
            return Some(SpaceEvent::Presence { space, authors });
        }
        if let Some((space, author, payload)) = self.messages.pop_front() {
            self.bytes -= payload.len();
            if let Some(waiting) = self.waiting.get_mut(&(space, author)) {
                waiting.0 -= 1;
                waiting.1 -= payload.len();
                if waiting.0 == 0 {
                    self.waiting.remove(&(space, author));
                }
            }
            return Some(SpaceEvent::Message { space, author, payload });
        }
        let (space, count) = self.lagged.pop_first()?;
        Some(SpaceEvent::Lagged { space, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACE: SpaceId = SpaceId::from_bytes([1; 32]);

    fn author(n: u8) -> AuthorId {
        AuthorId::from_bytes([n; 32])
    }

    #[test]
    fn a_loud_author_loses_only_its_own() {
        let (sender, mut events) = events();
        for _ in 0..MAX_WAITING_PER_AUTHOR {
            assert!(sender.message(SPACE, author(1), Bytes::from_static(b"loud")));
        }
        assert!(!sender.has_room(&SPACE, &author(1), 1));
        assert!(!sender.message(SPACE, author(1), Bytes::from_static(b"loud")));
        assert!(sender.message(SPACE, author(2), Bytes::from_static(b"quiet")));
        let mut quiet = 0;
        let mut lagged = 0;
        while let Some(event) = events.try_next() {
            match event {
                SpaceEvent::Message { author: from, .. } => quiet += u32::from(from == author(2)),
                SpaceEvent::Lagged { count, .. } => lagged += count,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((quiet, lagged), (1, 1));
        assert!(sender.message(SPACE, author(1), Bytes::from_static(b"again")));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let (sender, _events) = events();
        let large = Bytes::from(vec![0; 128 * 1024]);
        let taken = (0..20).filter(|_| sender.message(SPACE, author(1), large.clone())).count();
        assert_eq!(taken * large.len(), MAX_WAITING_BYTES_PER_AUTHOR);
    }

    #[test]
    fn presence_is_the_newest_state() {
        let (sender, mut events) = events();
        sender.presence(SPACE, BTreeSet::from([author(1)]));
        sender.presence(SPACE, BTreeSet::from([author(2)]));
        let Some(SpaceEvent::Presence { authors, .. }) = events.try_next() else {
            panic!("presence waits");
        };
        assert_eq!(authors, BTreeSet::from([author(2)]));
        assert!(events.try_next().is_none());
    }
}
