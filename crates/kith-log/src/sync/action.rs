//! What the machine asks its shell to do, and what it is configured with.

use std::collections::BTreeSet;

use crate::{AuthorId, Checkpoint, CompactRange, Error, Run, SpaceId, VerifiedRun};

/// A connected peer: a number that the shell gives to one connection and never again to another.
pub type PeerId = u64;

/// Joins a request of the machine's with the shell's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send a message to a peer. Messages of one peer arrive in order among those that are `bulk`,
    /// and among those that are not.
    Send {
        /// To whom.
        peer: PeerId,
        /// History, on a stream of its own at lower priority. Once the transport has taken it,
        /// call [`SpaceSync::bulk_sent`](super::SpaceSync::bulk_sent).
        bulk: bool,
        /// The message.
        message: Vec<u8>,
    },
    /// Store a run durably, then call [`SpaceSync::stored`](super::SpaceSync::stored), or
    /// [`SpaceSync::store_failed`](super::SpaceSync::store_failed). Runs are stored in the order
    /// in which they come; several may go into one transaction.
    Store {
        /// For the answer.
        ticket: Ticket,
        /// What is to be stored.
        run: Box<VerifiedRun>,
        /// Who sent it.
        from: PeerId,
    },
    /// Load the [`Segment`](crate::Segment) of an author's log that holds this entry, then call
    /// [`SpaceSync::loaded`](super::SpaceSync::loaded).
    Load {
        /// For the answer.
        ticket: Ticket,
        /// Whose log.
        author: AuthorId,
        /// The index of an entry that is held.
        index: u64,
    },
    /// A peer broke the protocol: disconnect it. It is gone for the machine.
    Misbehaved {
        /// Who.
        peer: PeerId,
        /// How.
        error: Error,
    },
    /// An author signed two histories. Keep the proof, show it. Once per author.
    Forked {
        /// Who.
        author: AuthorId,
        /// What proves it to anyone.
        proof: Box<ForkProof>,
    },
    /// A peer holds a signed head of our own log that we don't: the store was restored or copied.
    /// From now on nothing of that log leaves the node. Append nothing more to it; start the next
    /// incarnation and call [`SpaceSync::set_own`](super::SpaceSync::set_own). Then what is missing
    /// is fetched like any other's log. At most once per author with each value of `diverged`.
    OwnLogAhead {
        /// Our author.
        author: AuthorId,
        /// What we signed and no longer hold.
        checkpoint: Checkpoint,
        /// Whether what we hold contradicts it, since we went on writing after the restore. Then
        /// also copy the entries that only we hold into the next incarnation, drop the log from
        /// the store, and call [`SpaceSync::forget`](super::SpaceSync::forget).
        diverged: bool,
    },
    /// A peer has more, but a quota is reached. Once per author (or, for too many authors, once).
    QuotaReached {
        /// Whose log isn't taken further; `None` when there are too many authors.
        author: Option<AuthorId>,
    },
}

/// Two heads that one author signed and that can't both be of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkProof {
    /// What was seen first, and is gone on with.
    pub first: Checkpoint,
    /// What contradicts it.
    pub second: Checkpoint,
    /// Where their sizes differ: a run that begins at a signed head or at entry 0, passes the
    /// smaller size with another root, and ends at the larger.
    pub run: Option<Run>,
}

impl ForkProof {
    /// Checks the proof, as anyone can.
    ///
    /// # Errors
    /// When it proves nothing.
    pub fn verify(&self, space: &SpaceId) -> Result<(), Error> {
        const NO_FORK: Error = Error::Malformed("a proof of a fork that proves none");
        self.first.verify(space)?;
        self.second.verify(space)?;
        if self.first.author != self.second.author {
            return Err(NO_FORK);
        }
        let (small, large) = if self.first.size < self.second.size {
            (&self.first, &self.second)
        } else {
            (&self.second, &self.first)
        };
        let Some(run) = &self.run else {
            let forked = small.size == large.size && small.root != large.root;
            return if forked { Ok(()) } else { Err(NO_FORK) };
        };
        if small.size == large.size || run.checkpoint != *large || run.start > small.size {
            return Err(NO_FORK);
        }
        let mut range = match &run.base {
            Some(base) => {
                base.head.checkpoint(&small.author).verify(space)?;
                base.head.range.clone()
            }
            None if run.start == 0 => CompactRange::new(),
            None => return Err(NO_FORK),
        };
        let mut passed = None;
        for leaf in run.entries.iter().map(|entry| Some(entry.header.leaf_hash())).chain([None]) {
            if range.size() == small.size {
                passed = Some(range.root());
            }
            leaf.into_iter().for_each(|leaf| range.push(leaf));
        }
        let forked = range.root() == large.root && passed.is_some_and(|root| root != small.root);
        if forked { Ok(()) } else { Err(NO_FORK) }
    }
}

/// Why the machine wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeReason {
    /// A peer was asked and hasn't delivered: ask another.
    Stalled,
    /// New heads have been held back to be announced together.
    Announce,
    /// It is time to compare with the peers whether anything was lost.
    Compare,
}

/// From which end logs are fetched that aren't held yet. Held ones always go on forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// All of it, from entry 0.
    #[default]
    OldestFirst,
    /// The newest segment only; older ones by
    /// [`SpaceSync::fetch_older`](super::SpaceSync::fetch_older).
    NewestFirst,
}

/// Whose logs are fetched. What is held is served in any case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// Everybody's.
    #[default]
    All,
    /// These authors' only.
    These(BTreeSet<AuthorId>),
}

/// What one space may hold of others' logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Authors. Bounds memory at about 1 kB each, plus 150 B for each connected peer.
    pub authors: usize,
    /// Entries of one author.
    pub entries_per_author: u64,
    /// Weight of one author's entries, in bytes: bodies, and 64 for each entry.
    pub weight_per_author: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { authors: 10_000, entries_per_author: 1 << 20, weight_per_author: 1 << 30 }
    }
}

/// How far the sync of a space has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries of the followed logs that are held durably, or lie before what is held.
    pub held: u64,
    /// Entries that connected peers say they have beyond that, of logs that we have begun to fetch.
    pub missing: u64,
    /// Logs that a peer was asked for.
    pub fetching: usize,
}

/// Why older entries aren't being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OlderError {
    /// The log is unknown.
    #[error("the author is not known")]
    UnknownAuthor,
    /// The log is held from its first entry.
    #[error("all entries are held")]
    Complete,
}
