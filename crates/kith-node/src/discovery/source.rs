//! What a way of looking for peers is, and where what it finds goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kith_api::BoxFuture;
use kith_log::SpaceId;
use kith_overlay::transport::{PeerAddr, Way};
use tokio::sync::mpsc;

/// Peers found and not yet taken. A busy LAN in one burst; bounds memory at about 100 KB.
pub const FOUND_QUEUE: usize = 256;

/// A peer that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Who, and where.
    pub peer: PeerAddr,
    /// By which way.
    pub way: Way,
    /// The spaces that it is, or was, in, where that is known.
    pub spaces: Vec<SpaceId>,
}

/// A way of looking for peers. It looks by itself, in a task of its own, and never fails the node:
/// what goes wrong is its state.
pub trait Source: Send + Sync {
    /// Which way it is.
    fn way(&self) -> Way;

    /// Whether it looks, or would if it could.
    fn is_on(&self) -> bool;

    /// What it does now, or why it can't: a sentence for a person.
    fn state(&self) -> String;

    /// Switches it on or off while it runs. One that can't be switched stays as it is.
    fn switch(&self, on: bool) {
        let _ = on;
    }

    /// Says goodbye and ends.
    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Where found peers go: one bounded queue for all ways.
#[derive(Clone, Debug)]
pub struct Finder {
    queue: mpsc::Sender<Found>,
    dropped: Arc<AtomicU64>,
}

impl Finder {
    /// A finder, and the other end of its queue.
    pub(super) fn new() -> (Self, mpsc::Receiver<Found>) {
        let (queue, found) = mpsc::channel(FOUND_QUEUE);
        (Self { queue, dropped: Arc::default() }, found)
    }

    /// Hands a peer over, if there is room; else it is dropped and counted. For what comes from
    /// outside and comes again.
    pub fn offer(&self, found: Found) -> bool {
        let taken = self.queue.try_send(found).is_ok();
        if !taken {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Hands a peer over, waiting for room. For what is known only here. Nothing happens once the
    /// node has stopped.
    pub async fn push(&self, found: Found) {
        let _ = self.queue.send(found).await;
    }

    /// How many peers were dropped since the start, the queue being full.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
