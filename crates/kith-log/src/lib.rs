//! Signed, append-only logs and their sync.
//!
//! Pure: bytes, time and randomness come in.

mod id;

pub use id::{AuthorId, SpaceId};
