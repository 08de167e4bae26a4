//! Blobs: bytes addressed by their BLAKE3 hash, verified while they stream.
//!
//! Protocol: `docs/protocol/blob.md`. [`Groups`] says what of a blob is meant, [`Walk`] verifies.

mod groups;
mod tree;

pub use groups::{BadRanges, GROUP, Groups, MAX_RANGES, WireGroups, groups_of};
pub use tree::{Item, NotTheBlob, PAIR, Walk, tree_of, tree_size};
