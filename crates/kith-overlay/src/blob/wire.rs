//! What is said on a blob's stream.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::groups::{BadRanges, Groups, WireGroups};

/// Largest frame on a blob's stream, in bytes. A request and a reply with all of their
/// [`MAX_RANGES`](super::MAX_RANGES) ranges have 1.3 KiB.
pub const MAX_BLOB_FRAME: usize = 2048;

/// The request, and all that the requester says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRequest {
    /// The blob's BLAKE3 hash.
    pub hash: [u8; 32],
    /// The groups that are wanted; one at least.
    pub groups: WireGroups,
}

/// The first frame of the reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlobReply {
    /// The blob isn't here, or isn't for the one who asks: the two can't be told apart. The end.
    Absent,
    /// Too many are being served. The end; worth asking again later.
    Busy,
    /// Here it is: the encoding of what was asked for follows, up to the stream's end. What lies
    /// beyond the blob's end is left out.
    Here {
        /// The blob's size in bytes.
        size: u64,
    },
    /// Only these groups of it are here, and not all that was asked for. The end.
    Partly {
        /// The blob's size in bytes.
        size: u64,
        /// Groups that are here: the first [`MAX_RANGES`](super::MAX_RANGES) ranges.
        held: WireGroups,
    },
}

/// A frame that breaks the protocol; the sender's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobFrameError {
    /// It doesn't decode, or has bytes after its end.
    #[error("the frame does not decode")]
    Undecodable,
    /// Its ranges are not ranges.
    #[error(transparent)]
    Ranges(#[from] BadRanges),
    /// It asks for nothing.
    #[error("no bytes are asked for")]
    Nothing,
}

impl BlobRequest {
    /// A request for some groups.
    pub fn new(hash: [u8; 32], groups: &Groups) -> Self {
        Self { hash, groups: groups.to_wire() }
    }

    /// Its bytes, without the frame's length.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a struct of numbers encodes")
    }

    /// Reads a request; the groups are checked.
    ///
    /// # Errors
    /// [`BlobFrameError`] where it isn't one.
    pub fn decode(bytes: &[u8]) -> Result<(Self, Groups), BlobFrameError> {
        let request: Self = whole(bytes)?;
        let groups = Groups::from_wire(&request.groups)?;
        if groups.is_empty() { Err(BlobFrameError::Nothing) } else { Ok((request, groups)) }
    }
}

impl BlobReply {
    /// Its bytes, without the frame's length.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("an enum of numbers encodes")
    }

    /// Reads a reply.
    ///
    /// # Errors
    /// [`BlobFrameError`] where it isn't one.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlobFrameError> {
        let reply = whole(bytes)?;
        if let Self::Partly { size, held } = &reply {
            let held = Groups::from_wire(held)?;
            let all = Groups::all(*size);
            if held.is_empty() || held == all || !all.covers(&held) {
                return Err(BadRanges.into());
            }
        }
        Ok(reply)
    }
}

fn whole<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, BlobFrameError> {
    match postcard::take_from_bytes::<T>(bytes) {
        // Postcard takes numbers in longer forms too.
        Ok((value, [])) if postcard::to_allocvec(&value).is_ok_and(|same| same == bytes) => {
            Ok(value)
        }
        _ => Err(BlobFrameError::Undecodable),
    }
}
