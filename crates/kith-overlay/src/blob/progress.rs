//! What is told of a fetch while it goes on.

use iroh::EndpointId;
use kith_log::AuthorId;

use super::receive::PeerFailure;
use crate::storage::StorageError;

/// How a peer does.
#[derive(Clone, Debug)]
pub enum PeerProgress {
    /// Its turn has not come, or comes again later.
    Waiting,
    /// It is being asked, or sends.
    Asked,
    /// It gave all it was asked for.
    Gave,
    /// It failed, the last time it was asked.
    Failed(PeerFailure),
    /// It is not in the space at the moment: only of a fetch from a space's members.
    Away,
}

/// What one peer gave.
#[derive(Clone, Debug)]
pub struct PeerShare {
    /// Who.
    pub peer: EndpointId,
    /// Who that is in the space, once it said so: only of a fetch from a space's members.
    pub author: Option<AuthorId>,
    /// Verified bytes that came from it and were stored.
    pub bytes: u64,
    /// How it does.
    pub state: PeerProgress,
}

/// What a fetch is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchStage {
    /// Nobody is being asked: whoever comes will be, or who failed once it is time to ask again.
    Waiting,
    /// Peers are being asked, or send.
    Fetching,
    /// All bytes are here, and are being made durable.
    Finishing,
}

/// How far a fetch is.
#[derive(Clone, Debug)]
pub struct BlobProgress {
    /// Bytes that are here.
    pub bytes: u64,
    /// Bytes in all.
    pub size: u64,
    /// What it is doing.
    pub stage: FetchStage,
    /// Each candidate, in the order in which they came.
    pub peers: Vec<PeerShare>,
}

/// Why a blob could not be had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody of those asked could give it; what came is kept.
    #[error("none of the {asked} peers asked could give it")]
    NoPeers {
        /// How many were asked.
        asked: usize,
    },
    /// This node could not store it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The space was left, or the node is shutting down.
    #[error("the space was left, or the node stops")]
    Stopped,
}
