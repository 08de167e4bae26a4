//! Connections: one for each peer, with everything on it. See `docs/protocol/transport.md`.
//!
//! [`Overlay`] binds the endpoint, finds and keeps the connections; a [`Peer`] is one of them; what
//! stands above implements [`Handler`].

pub mod limits;

mod accept;
mod addr;
mod bans;
mod bucket;
mod close;
mod config;
mod control;
mod dial;
mod endpoint;
mod entering;
mod exchange;
mod gate;
mod handler;
mod header;
mod hello;
mod known;
mod lane;
mod node;
mod outbox;
mod overlay;
mod peer;
mod quorum;
mod refused;
mod session;
mod status;
mod stream;
mod table;
mod traffic;

pub use addr::{NotAPeerAddr, PeerAddr, Scope, parse_id, scope};
pub use close::{Close, CloseCode, Ended, Fault, StreamCode};
pub use config::{Bind, Config, Timings};
pub use control::{
    ConnectionName, Control, ControlError, Hello, PeerEntry, RunId, Tag, connection_name,
};
pub use endpoint::BindError;
pub use entering::enter_tag;
pub use handler::{Handler, SpaceKey};
pub use header::{HEADER_LEN, HeaderError, SpaceRef, StreamHeader, StreamKind};
pub use iroh::EndpointId;
pub use lane::SendError;
pub use overlay::Overlay;
pub use peer::Peer;
pub use refused::Refused;
pub use status::{Path, PeerState, PeerStatus, Reason, Snapshot, Way};
pub use stream::{RecvStream, SendStream, StreamError};
pub use traffic::{Bytes, Traffic};
