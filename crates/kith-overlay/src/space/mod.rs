//! Spaces: what members of one say to each other.
//!
//! [`Spaces`] stands between the connections and a store, as the [`Handler`] of all peers. Each
//! space that is joined has a session: who is here, and messages that are not kept, which are
//! handled in the task of the peer that sent them; and one task that drives the sync of its logs.
//! Blobs and signed versions are served here too.
//!
//! Protocol: `docs/protocol/space.md`, `sync.md`, `blob.md`.
//!
//! [`Handler`]: crate::transport::Handler

mod bulk;
mod driver;
mod events;
mod handler;
mod members;
mod seen;
mod session;
mod spaces;
mod version;
mod wire;

pub use bulk::MAX_BULK_SENT;
pub use events::{
    MAX_INCIDENTS, MAX_WAITING, MAX_WAITING_BYTES, MAX_WAITING_BYTES_PER_AUTHOR,
    MAX_WAITING_PER_AUTHOR, SpaceEvent, SpaceEvents,
};
pub use members::{
    Author, JoinError, MAX_HERES, MAX_RECEIVERS, MessageError, SpaceConfig, SpaceStatus,
};
pub use spaces::{MAX_SPACES, OlderFailed, PEER_TIMEOUT, Spaces};
pub use version::{
    FoundVersion, MAX_VERSION_CANDIDATES, NoVersion, VERSION_GRACE, VERSION_TIMEOUT,
};
pub use wire::{Begin, Here, MAX_PAYLOAD, Message, SpaceMessage, SpaceMessageError};
