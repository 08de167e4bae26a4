//! What goes over the control stream.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::limits::{
    MAX_ADDRESSES, MAX_CONTROL_FRAME, MAX_PEERS_PER_MESSAGE, MAX_UNMATCHED_TAGS, VERSION,
};

/// Stands for one run of a node: random, new at each start.
pub type RunId = [u8; 16];
/// What both sides call one connection, and nobody else knows: the first 16 bytes of BLAKE3's
/// `derive_key("kith/1 connection", exporter)`.
pub type ConnectionName = [u8; 16];
/// Proves one space on one connection, to its members only.
pub type Tag = [u8; 32];

/// The first message of each side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`].
    pub version: u16,
    /// One bit for each feature that came after version 1; unknown ones are ignored.
    pub features: u64,
    /// The sender's run.
    pub run_id: RunId,
    /// The connection with the receiver that ended last at the sender; zeros where there is none.
    pub lost: ConnectionName,
}

/// A peer of a space, and where it was reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerEntry {
    /// Its id.
    pub id: [u8; 32],
    /// Addresses that worked.
    pub addrs: Vec<SocketAddr>,
}

/// A message of the control stream. The order is the wire's: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// 0: the first message, and only the first.
    Hello(Hello),
    /// 1: proofs of spaces.
    Enter {
        /// One for each space, in no order.
        tags: Vec<Tag>,
    },
    /// 2: asks the receiver to tell `peer` that the sender wants to meet it.
    Introduce {
        /// A space that all three are in.
        space: [u8; 32],
        /// Whom.
        peer: [u8; 32],
        /// Where the sender can be reached.
        addrs: Vec<SocketAddr>,
    },
    /// 3: where the sender sees the receiver.
    Observed {
        /// The receiver's address.
        addr: SocketAddr,
    },
    /// 4: no stream follows. After it the sender still reads.
    Goodbye {
        /// A close code.
        code: u32,
        /// One-way streams that the sender opened on this connection.
        streams: u32,
    },
    /// 5: peers of a space.
    Peers {
        /// A space that both are in.
        space: [u8; 32],
        /// Peers that were not told before on this connection.
        peers: Vec<PeerEntry>,
    },
    /// 6: the sender left a space.
    Leave {
        /// Which.
        space: [u8; 32],
    },
    /// 7: `peer` asked the sender to say that it wants to meet.
    Introduced {
        /// A space that all three are in.
        space: [u8; 32],
        /// Who asks.
        peer: [u8; 32],
        /// Where it can be reached.
        addrs: Vec<SocketAddr>,
    },
}

/// The number of kinds that this version knows.
const KINDS: u32 = 8;

/// A control message that does not decode: the peer's fault, except for [`ControlError::Version`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// Not what the page says.
    #[error("a control message that does not decode")]
    Malformed,
    /// A list that is longer than it may be.
    #[error("a control message with too long a list")]
    TooLong,
    /// A Hello of another version.
    #[error("version {0}, where this node speaks {VERSION}")]
    Version(u16),
}

/// What both sides of the connection with this exporter call it.
pub fn connection_name(exporter: &[u8; 32]) -> ConnectionName {
    let hash = blake3::derive_key("kith/1 connection", exporter);
    *hash.first_chunk().expect("32 bytes have a first half")
}

impl Control {
    /// Its bytes, without the frame's length.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_allocvec(self).expect("a control message has only lists with known lengths")
    }

    /// Reads a frame's body. None for a kind of a newer version, which is to be skipped.
    ///
    /// # Errors
    /// When it is not what its kind says, when a list is too long, or for a Hello of another version.
    pub fn decode(body: &[u8]) -> Result<Option<Self>, ControlError> {
        if body.len() > MAX_CONTROL_FRAME {
            return Err(ControlError::TooLong);
        }
        let (kind, rest): (u32, _) =
            postcard::take_from_bytes(body).map_err(|_| ControlError::Malformed)?;
        if kind >= KINDS {
            return Ok(None);
        }
        if kind == 0 {
            // Another version may have other fields: look at the version alone first.
            let (version, _): (u16, _) =
                postcard::take_from_bytes(rest).map_err(|_| ControlError::Malformed)?;
            if version != VERSION {
                return Err(ControlError::Version(version));
            }
        }
        let (message, rest): (Self, _) =
            postcard::take_from_bytes(body).map_err(|_| ControlError::Malformed)?;
        if !rest.is_empty() || message.encode().len() != body.len() {
            return Err(ControlError::Malformed);
        }
        if message.fits() { Ok(Some(message)) } else { Err(ControlError::TooLong) }
    }

    fn fits(&self) -> bool {
        match self {
            Self::Enter { tags } => tags.len() <= MAX_UNMATCHED_TAGS,
            Self::Introduce { addrs, .. } | Self::Introduced { addrs, .. } => {
                addrs.len() <= MAX_ADDRESSES
            }
            Self::Peers { peers, .. } => {
                peers.len() <= MAX_PEERS_PER_MESSAGE
                    && peers.iter().all(|peer| peer.addrs.len() <= MAX_ADDRESSES)
            }
            Self::Hello(_) | Self::Observed { .. } | Self::Goodbye { .. } | Self::Leave { .. } => {
                true
            }
        }
    }
}
