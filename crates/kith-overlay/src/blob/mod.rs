//! Blobs: bytes addressed by their BLAKE3 hash, verified while they stream.
//!
//! Protocol: `docs/protocol/blob.md`. [`Groups`] says what of a blob is meant, [`Walk`] verifies,
//! [`Encoder`] and [`Decoder`] stand between a store and a stream. One side serves, the other
//! fetches from whoever has it ([`BlobFetch`]). [`TreeBuilder`] makes the tree of what is new;
//! [`Search`] finds what a crash left.

mod buffer;
mod build;
mod encode;
mod fetch;
mod groups;
mod plan;
mod progress;
mod receive;
mod search;
mod serve;
mod size;
mod tree;
mod wire;

pub use buffer::Buffer;
pub use build::{BLOCK, HashedBlock, TreeBuilder, blocks_of, hash_block};
pub use encode::{Decoder, Encoder};
pub use fetch::{BlobFetch, BlobWanted, FetchSteer, SpacePeers};
pub use groups::{BadRanges, GROUP, Groups, MAX_RANGES, WireGroups, groups_of};
pub use plan::{
    BUSY_WAIT, FIRST_ASKED, MAX_ASKED, MAX_ASKS, MAX_CANDIDATES, MAX_FETCH_PEERS, MAX_TRIES,
    MAX_URGENT, RETRY_FIRST, RETRY_LAST, URGENT_ASKED,
};
pub use progress::{BlobProgress, FetchError, FetchStage, PeerProgress, PeerShare};
pub use receive::{PeerFailure, RECEIVE_TIMEOUT};
pub use search::{Look, Search};
pub use serve::{MAX_SERVED, MAX_SERVED_PER_PEER, SERVE_TIMEOUT};
pub use size::MAX_SIZES;
pub use tree::{Item, NotTheBlob, PAIR, Walk, tree_of, tree_size};
pub use wire::{BlobFrameError, BlobReply, BlobRequest, MAX_BLOB_FRAME};

pub(crate) use fetch::{AskStream, Sources, Streams};
pub(crate) use serve::{Slots, serve};
pub(crate) use size::{OfSpace, prove};
