//! What stands above the connections: spaces, their sync, blobs.

use std::sync::Arc;

use bytes::Bytes;
use kith_app::AppId;

use crate::boxed::{BoxFuture, Threaded};

use super::{Close, Peer, RecvStream, SendStream, SpaceRef, StreamHeader};

/// A space of this node, with the key that proves membership.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpaceKey {
    /// Which space.
    pub at: SpaceRef,
    /// Its sync key. Never sent.
    pub sync_key: [u8; 32],
}

impl std::fmt::Debug for SpaceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SpaceKey").field(&self.at).finish()
    }
}

/// What is done with connected peers. One for each node.
///
/// For each [`Peer`] the calls come in this order: `connected`; then any number of `entered`,
/// `frame` and `stream`, for different apps and streams at once; then, when all of these have
/// returned or were dropped, `disconnected`, once. A peer that connects anew is a new [`Peer`],
/// which may be connected before the old one is disconnected: compare with [`Peer::same`].
pub trait Handler: Threaded {
    /// A peer said Hello. Quick: what takes time belongs into a task.
    fn connected(&self, peer: &Arc<Peer>);

    /// All spaces of this node: a peer that proves one of them enters it.
    fn spaces(&self) -> Vec<SpaceKey>;

    /// The spaces that this peer may be in: the ones that this node proves first. All of them,
    /// where nothing better is known.
    fn offers(&self, _peer: &Arc<Peer>) -> Vec<SpaceKey> {
        self.spaces()
    }

    /// Both sides proved a space to each other. Quick: what takes time belongs into a task.
    fn entered(&self, peer: &Arc<Peer>, space: SpaceRef);

    /// The peer left a space, or this node did. Quick.
    fn left(&self, peer: &Arc<Peer>, space: SpaceRef);

    /// A frame in a space that is entered. The next frame of this peer and app waits until the
    /// future is done; after [`super::limits::STALL_TIMEOUT`] the stream is ended, so put what
    /// takes time into a bounded queue.
    ///
    /// # Errors
    /// Closes the connection.
    fn frame<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        space: SpaceRef,
        frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>>;

    /// The peer stopped the stream of an app's frames: those that were queued may be lost. The next
    /// frame goes on a new stream. Quick.
    fn frames_lost(&self, _peer: &Arc<Peer>, _app: AppId) {}

    /// The peer opened a stream of kind bulk, blob or version. Its space, where it has one, is
    /// entered. Runs in a task of its own; dropped when the connection ends. To end a stream alone,
    /// reset it and return `Ok`.
    ///
    /// # Errors
    /// Closes the connection.
    fn stream<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        header: StreamHeader,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>>;

    /// The connection is over.
    fn disconnected(&self, peer: &Arc<Peer>);
}
