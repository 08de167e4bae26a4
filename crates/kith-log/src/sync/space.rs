//! The state machine of one space.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::{Action, Follow, OlderError, Order, PeerId, Quotas, Ticket, WakeReason};
use crate::{AuthorId, KnownLog, Segment, SpaceId, VerifiedRun};

/// What a [`SpaceSync`] is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The space.
    pub space: SpaceId,
    /// Our own author in it, if we write.
    pub own: Option<AuthorId>,
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
        let (follow, order, quotas) = Default::default();
        Self { space, own, follow, order, quotas }
    }
}

/// Brings one space up to date with all connected peers. See the crate's documentation for how it
/// is driven.
///
/// `now` is the time since any fixed instant, the same for all calls; it never goes back.
#[derive(Debug)]
pub struct SpaceSync {
    config: Config,
    logs: BTreeMap<AuthorId, KnownLog>,
    actions: VecDeque<Action>,
}

impl SpaceSync {
    /// The machine for a space of which the store holds these logs.
    pub fn new(config: Config, logs: impl IntoIterator<Item = (AuthorId, KnownLog)>) -> Self {
        Self { config, logs: logs.into_iter().collect(), actions: VecDeque::new() }
    }

    /// A peer that proved to be a member is connected.
    pub fn peer_joined(&mut self, _now: Duration, _peer: PeerId) {}

    /// A peer is disconnected. What it was asked for is asked of others.
    pub fn peer_left(&mut self, _now: Duration, _peer: PeerId) {}

    /// A message came from a peer.
    pub fn handle_message(&mut self, _now: Duration, _peer: PeerId, _message: &[u8]) {}

    /// A run of our own was stored durably: peers that are up to date get it at once.
    pub fn appended(&mut self, _now: Duration, run: &VerifiedRun) {
        let known = KnownLog::after(self.logs.get(run.author()), run);
        self.logs.insert(*run.author(), known);
    }

    /// The store has made the run of [`Action::Store`] durable.
    pub fn stored(&mut self, _now: Duration, _ticket: Ticket) {}

    /// The store could not store the run of [`Action::Store`], nor any later one of that author.
    pub fn store_failed(&mut self, _now: Duration, _ticket: Ticket) {}

    /// The answer to [`Action::Load`]; `None` when it failed.
    pub fn loaded(&mut self, _now: Duration, _ticket: Ticket, _segment: Option<Segment>) {}

    /// The transport has taken a bulk message to this peer, and there is room for another.
    pub fn bulk_sent(&mut self, _now: Duration, _peer: PeerId) {}

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, _now: Duration) {}

    /// Sets our own author: the next incarnation. The one before is from now on synced like any
    /// other's log.
    pub fn set_own(&mut self, _now: Duration, author: Option<AuthorId>) {
        self.config.own = author;
    }

    /// Changes whose logs are fetched.
    pub fn set_follow(&mut self, _now: Duration, follow: Follow) {
        self.config.follow = follow;
    }

    /// Fetches the segment before the first held entry of an author's log.
    ///
    /// # Errors
    /// When there is no such segment.
    pub fn fetch_older(&mut self, _now: Duration, author: &AuthorId) -> Result<(), OlderError> {
        let log = self.logs.get(author).ok_or(OlderError::UnknownAuthor)?;
        if log.start() == 0 { Err(OlderError::Complete) } else { Ok(()) }
    }

    /// What is held durably of each author's log.
    pub fn logs(&self) -> impl Iterator<Item = (&AuthorId, &KnownLog)> {
        self.logs.iter()
    }

    /// The next thing to do; `None` when there is nothing more.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout), and why.
    pub fn poll_timeout(&self) -> Option<(Duration, WakeReason)> {
        None
    }
}
