//! A joined space.

use std::sync::Arc;

use super::driver::{Driver, Remote};
use super::members::{Members, Talk};
use super::wire::Begin;
use crate::transport::Peer;

/// A joined space: its members, and the task that syncs its logs.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) members: Arc<Members>,
    pub(crate) driver: Driver,
}

impl Session {
    /// A peer begins to talk.
    pub(crate) async fn begin(&self, peer: &Arc<Peer>, begin: Begin) {
        match self.members.begin(peer, begin) {
            Talk::New => self.driver.remote(peer.number(), Remote::Begin).await,
            Talk::GoesOn => {}
            Talk::Lost => self.driver.inbox.lost(peer.number()),
        }
    }

    /// A peer left, or is gone.
    pub(crate) fn left(&self, peer: &Peer) {
        self.driver.inbox.left(peer.number());
        self.members.left(peer);
    }
}
