//! What the machine knows of one connected peer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::fetch::{MAX_FETCHES_PER_PEER, MAX_RUNS_PER_PEER};
use super::message::At;
use crate::{AuthorId, Checkpoint};

/// What a peer said, or we know, that it holds of one log.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    /// The head. Its signature was not checked, unless we sent it ourselves.
    pub(super) checkpoint: Checkpoint,
    pub(super) state: ClaimState,
    /// Not asked before this time, since it stalled.
    pub(super) not_before: Duration,
    /// When the peer was asked last.
    pub(super) asked: Option<Duration>,
}

impl Claim {
    pub(super) fn new(checkpoint: Checkpoint) -> Self {
        let (state, not_before, asked) = (ClaimState::Open, Duration::ZERO, None);
        Self { checkpoint, state, not_before, asked }
    }

    /// Whether the peer may be asked now for what follows the first `size` entries.
    pub(super) fn offers(&self, now: Duration, size: u64) -> bool {
        let open = self.state == ClaimState::Open && self.not_before <= now;
        open && self.checkpoint.size > size
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// The peer may be asked.
    Open,
    /// The peer said that it can't send this: ask again when it announces the log anew.
    Declined,
    /// The peer is on another branch of a forked log: neither asked nor told.
    Conflict,
}

/// Something that a peer asked for, or that it gets without asking.
#[derive(Clone, Debug)]
pub(super) struct Serve {
    pub(super) author: AuthorId,
    pub(super) at: At,
    /// How many runs may still be sent.
    pub(super) runs: u32,
    /// Our own log, sent to a peer that just came and is behind.
    pub(super) unasked: bool,
    /// Whether a run went out already: then all go in bulk, to stay in order.
    pub(super) started: bool,
    /// The load that is under way.
    pub(super) loading: Option<super::Ticket>,
}

/// A connected peer.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) claims: BTreeMap<AuthorId, Claim>,
    /// Logs of which the peer claims more than we have, perhaps.
    pub(super) wanted: BTreeSet<AuthorId>,
    /// Where the last look through `wanted` ended.
    pub(super) cursor: Option<AuthorId>,
    /// The authors of a list that hasn't ended.
    pub(super) listing: BTreeSet<AuthorId>,
    /// Whether the peer's whole list has been heard: only then it gets our own log's head, so
    /// that a restored node finds out before it shows anyone a fork.
    pub(super) heard: bool,
    /// Whether we sent a digest, to which a list is the answer.
    pub(super) comparing: bool,
    /// When to compare next.
    pub(super) compare_at: Duration,
    pub(super) compared: Duration,
    pub(super) serves: VecDeque<Serve>,
    /// Whether the store is loading something for this peer: one thing at a time.
    pub(super) loading: bool,
    /// Bulk messages that the transport hasn't taken yet.
    pub(super) bulk_unsent: usize,
    /// Logs being fetched from this peer.
    pub(super) fetches: usize,
    /// Runs that the peer may still send, or that came when asked for and aren't stored yet.
    pub(super) runs: usize,
    /// Weight of the runs that came unasked and aren't stored yet.
    pub(super) pushed: u64,
    /// When its digest was answered last.
    pub(super) answered: Option<Duration>,
}

impl Peer {
    /// How far the peer is in a log.
    pub(super) fn size(&self, author: &AuthorId) -> u64 {
        self.claims.get(author).map_or(0, |claim| claim.checkpoint.size)
    }

    /// Whether it may be asked for another log.
    pub(super) fn may_be_asked(&self) -> bool {
        self.fetches < MAX_FETCHES_PER_PEER && self.runs < MAX_RUNS_PER_PEER
    }

    pub(super) fn conflicts(&self, author: &AuthorId) -> bool {
        self.claims.get(author).is_some_and(|claim| claim.state == ClaimState::Conflict)
    }

    /// Notes what the peer has since we sent it.
    pub(super) fn sent(&mut self, checkpoint: Checkpoint) {
        let entry = self.claims.entry(checkpoint.author);
        let entry = entry.or_insert_with(|| Claim::new(checkpoint));
        if entry.checkpoint.size < checkpoint.size {
            entry.checkpoint = checkpoint;
        }
    }

    /// Whether a log of our own is kept from this peer: until its list was heard, and what it has
    /// of the log has proven to be the beginning of ours.
    pub(super) fn is_kept_from(&self, author: &AuthorId) -> bool {
        let checking = |serve: &Serve| serve.unasked && serve.author == *author;
        !self.heard || self.serves.iter().any(checking)
    }

    pub(super) fn mark(&mut self, author: &AuthorId, state: ClaimState) {
        if let Some(claim) = self.claims.get_mut(author) {
            claim.state = state;
        }
    }
}
