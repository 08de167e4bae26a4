//! Connections: one for each peer, with everything on it. See `docs/protocol/transport.md`.
//!
//! [`Overlay`] binds the endpoint, finds and keeps the connections; a [`Peer`] is one of them; what
//! stands above implements [`Handler`].
#![allow(dead_code)] // The session arrives next.

pub mod limits;

mod addr;
mod close;
mod control;
mod entering;
mod handler;
mod header;
mod lane;
mod outbox;
mod peer;
mod refused;
mod stream;
mod traffic;

pub use addr::{NotAPeerAddr, PeerAddr, Scope, parse_id, scope};
pub use close::{Close, CloseCode, Ended, Fault, StreamCode};
pub use control::{Control, ControlError, Hello, PeerEntry, RunId, Tag};
pub use entering::enter_tag;
pub use handler::{Handler, SpaceKey};
pub use header::{HEADER_LEN, HeaderError, SpaceRef, StreamHeader, StreamKind};
pub use iroh::EndpointId;
pub use lane::SendError;
pub use peer::Peer;
pub use refused::Refused;
pub use stream::{RecvStream, SendStream, StreamError};
pub use traffic::{Bytes, Traffic};
