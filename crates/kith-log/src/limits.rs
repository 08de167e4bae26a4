//! What bounds entries, runs and the sync of a space.

/// Longest payload of a body, in bytes. What fits into one message to an app.
pub const MAX_PAYLOAD_LEN: usize = 128 * 1024;
/// Longest body as sent, in bytes: kind, nonce, payload and tag.
pub const MAX_BODY_LEN: usize = MAX_PAYLOAD_LEN + 1 + 24 + 16;
/// Greatest Lamport clock: 2^53 - 1, the greatest integer that a page's JavaScript holds exactly.
pub const MAX_LAMPORT: u64 = (1 << 53) - 1;
/// Latest time in ms since 1970: 2^53 - 1, as for the clock.
pub const MAX_TIME_MS: u64 = (1 << 53) - 1;
/// Most entries in a run or a segment. Bounds what one message makes a receiver hash.
pub const MAX_RUN_ENTRIES: usize = 1024;
/// Greatest weight of a run or a segment: its bodies' bytes and [`ENTRY_WEIGHT`] for each entry.
/// Bounds what is held in memory for one request.
pub const MAX_RUN_WEIGHT: u64 = 256 * 1024;
/// What an entry weighs beside its body, in bytes: more than its fields can take on the wire.
pub const ENTRY_WEIGHT: u64 = 64;
/// Longest encoded run, in bytes: its weight, and room for the base, the opening and the checkpoint.
pub const MAX_RUN_LEN: usize = MAX_RUN_WEIGHT as usize + 4096;
/// Longest sync message, in bytes: a run with its kind.
pub const MAX_MESSAGE_LEN: usize = MAX_RUN_LEN + 64;
