//! How the members of a space bring each other up to date: `docs/protocol/sync.md`.

mod action;
mod space;

pub use action::{
    Action, Follow, ForkProof, OlderError, Order, PeerId, Quotas, Ticket, WakeReason,
};
pub use space::{Config, SpaceSync};
