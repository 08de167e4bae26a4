//! The contract between apps and the node.
//!
//! Three doors lead to a node: pages (over a WebSocket), the command line (over a local socket)
//! and, later, background services. All three speak the methods of this crate, and none of them
//! holds logic of its own:
//!
//! - [`Service`] is the node as its callers see it: one typed method for each line of the table in
//!   `methods`; [`Caller`] says who asks.
//! - [`dispatch`] takes a method's name and JSON parameters, checks in one place that this caller
//!   may use it, and calls the method.
//! - [`Subscription`]s yield [`Event`]s, as a stream that its receiver drops to end it.
//! - [`Error`] is what a person sees: what happened, why, and what to do; [`ErrorCode`] is what a
//!   program matches.
//! - [`Doorkeeper`] answers the gateway's questions about origins, tokens and files.
//! - [`Files`] hands the files of spaces out to the gateway, and takes new ones in.
//! - [`rpc`] is the JSON-RPC 2.0 envelope of both sockets; a [`Session`] is one connection of
//!   either, without its bytes.
//!
//! No I/O. TypeScript types are generated from these ones by `cargo xtask types`.

mod caller;
mod error;
mod event;
mod files;
mod methods;
mod model;
mod pages;
pub mod rpc;
mod service;
mod session;
mod typescript;

pub use caller::{Access, Caller};
pub use error::{Error, ErrorCode, Result};
pub use event::{
    EntryEvent, Event, MessageEvent, Opening, OpeningStage, PresenceEvent, Subscription,
};
pub use files::{FileBytes, FileRef, FileSink, Files, NewFile, OpenFile};
pub use methods::{METHODS, Method, Service, dispatch};
pub use model::*;
pub use pages::{Doorkeeper, File, Origin, Place};
pub use service::{BoxFuture, EventStream, Events};
pub use session::{
    MAX_CALL_BYTES, MAX_CALLS, MAX_SUBSCRIPTIONS, MAX_WAITING, MAX_WAITING_BYTES, Session,
};
pub use typescript::typescript;
