//! Signed, append-only logs and their sync.
//!
//! Pure: bytes, time and randomness come in; `docs/protocol/log.md` and `sync.md` say what the
//! bytes mean.
//!
//! # Logs
//!
//! A log is one author's entries in one space: a Merkle tree (RFC 6962) over their headers, whose
//! root the author signs as a [`Checkpoint`]. To write, call [`append`], store the
//! [`VerifiedRun`] durably, then let it leave the node. What comes from others is a [`Run`], which
//! [`verify_run`] turns into a [`VerifiedRun`] too: it is the only thing that a store ever adds.
//! Held is always one stretch of a log, from its base to its head: a [`KnownLog`]. The store keeps
//! it in [`Segment`]s, so that any run that is served ends at a head that the author signed.
//!
//! # Files
//!
//! A [`Body`] may have files beside its payload: [`file::Attachment`]s.
//!
//! # Sync
//!
//! [`sync::SpaceSync`] is the state machine of one space, for all its authors and connected peers.
//! It is driven like this:
//!
//! 1. Make it with what the store holds.
//! 2. Feed it one thing that happened: a peer joined or left, a message came, the store finished
//!    something, the time that it asked for has come.
//! 3. Take [`poll_action`](sync::SpaceSync::poll_action) until it returns `None`, and do each.
//! 4. Set the timer to [`poll_timeout`](sync::SpaceSync::poll_timeout), and go to 2.
//!
//! One mutation, then drained: nothing is fed between two actions of one drain.
#![forbid(unsafe_code)]

mod body;
mod checkpoint;
mod codec;
mod error;
pub mod file;
mod header;
mod id;
mod keys;
mod limits;
mod log;
mod opening;
mod run;
pub mod sync;
pub mod tree;

pub use body::{Body, BodyKind, NONCE_LEN, Place};
pub use checkpoint::{Checkpoint, Head, MAX_NOTE_LEN, origin, verifier_key};
pub use error::{Error, Fault};
pub use header::{Entry, Header};
pub use id::{AuthorId, SpaceId};
pub use keys::{AuthorSecret, SignatureBytes};
pub use limits::{
    ENTRY_WEIGHT, MAX_BODY_LEN, MAX_LAMPORT, MAX_MESSAGE_LEN, MAX_PAYLOAD_LEN, MAX_RUN_ENTRIES,
    MAX_RUN_LEN, MAX_RUN_WEIGHT, MAX_TIME_MS,
};
pub use log::{Draft, KnownLog, OpenSegment, Placement, VerifiedRun, append, verify_run};
pub use opening::Opening;
pub use run::{Base, Run, Segment};
pub use tree::{CompactRange, Hash};
