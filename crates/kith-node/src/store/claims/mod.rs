//! What entries say of one blob: claims, of which some may be wrong.
//!
//! Any member of a space can name any blob in it, so the claims of all authors are kept, and one is
//! chosen by what can be proven:
//!
//! - the size by the blob itself: no other one verifies;
//! - the key by what it opens: a file's key is derived from the file's bytes;
//! - that it is a folder, by whether it lists files.
//!
//! Of those that may be right, one's own goes before others', and the one that arrived first before
//! later ones. Nobody can prove a name or a type: whoever looks at an entry takes what it says.

mod choose;
mod prove;
mod rows;

pub use choose::Claims;
pub use rows::{MAX_CLAIMS, MAX_CLAIMS_OF_AUTHOR};

pub(super) use rows::{CLAIMS, ClaimTable, delete_space, from_attached, has, note};
