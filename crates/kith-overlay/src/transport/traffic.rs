//! Bytes counted by app and direction: stream headers, frames and what they carry, below QUIC's own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use kith_app::AppId;

use super::limits::MAX_COUNTED_APPS;

/// Bytes of one app, or of the control streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes {
    /// Sent.
    pub sent: u64,
    /// Received.
    pub received: u64,
}

impl std::ops::AddAssign for Bytes {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.received += other.received;
    }
}

/// The bytes of a node, or of one peer, since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// By app.
    pub apps: BTreeMap<AppId, Bytes>,
    /// Control streams, and apps over [`MAX_COUNTED_APPS`].
    pub other: Bytes,
}

impl Traffic {
    /// Everything together.
    pub fn total(&self) -> Bytes {
        let mut total = self.other;
        for bytes in self.apps.values() {
            total += *bytes;
        }
        total
    }
}

#[derive(Debug, Default)]
struct Count {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Count {
    fn get(&self) -> Bytes {
        Bytes {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
        }
    }
}

/// Counts for a node, or for one peer.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    apps: Mutex<BTreeMap<AppId, Arc<Count>>>,
    other: Arc<Count>,
}

impl Counts {
    pub(crate) fn snapshot(&self) -> Traffic {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        Traffic {
            apps: apps.iter().map(|(app, count)| (*app, count.get())).collect(),
            other: self.other.get(),
        }
    }

    fn count(&self, app: Option<AppId>) -> Arc<Count> {
        let Some(app) = app else { return self.other.clone() };
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if !apps.contains_key(&app) && apps.len() >= MAX_COUNTED_APPS {
            return self.other.clone();
        }
        apps.entry(app).or_default().clone()
    }
}

/// Counts one stream's bytes, for the peer and for the node.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    peer: Arc<Count>,
    node: Arc<Count>,
}

impl Meter {
    pub(crate) fn new(peer: &Counts, node: &Counts, app: Option<AppId>) -> Self {
        Self { peer: peer.count(app), node: node.count(app) }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.peer.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.node.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.peer.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.node.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
