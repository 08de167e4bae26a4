//! How the members of a space bring each other up to date: `docs/protocol/sync.md`.
//!
//! - [`SpaceSync`] is what a shell drives; its parts are what peers claim to hold (`claims`), what
//!   is fetched from them (`fetch`) and what is sent to them (`serve`).
//! - [`Action`] is what it asks of its shell, [`Message`] what travels.

mod action;
mod claims;
mod fetch;
mod message;
mod peer;
mod serve;
mod space;

pub use action::{
    Action, Follow, ForkProof, OlderError, Order, PeerId, Progress, Quotas, Ticket, WakeReason,
};
pub use message::{At, MAX_HEADS, Message, Part};
pub use space::{Config, SpaceSync};
