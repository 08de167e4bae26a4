//! The API's WebSocket: JSON-RPC 2.0, as [`kith_api::rpc`] describes it.
//!
//! - `open` upgrades the request, within the limits of sockets that `places` counts.
//! - `talk` is one socket's life: one task that carries texts between the socket and a
//!   [`kith_api::Session`], and closes a socket that is silent, too loud, or does not read. There is
//!   no queue: the session is asked for its next message when the socket has taken the last one.

mod open;
mod talk;

pub(crate) use open::{Sockets, open};
