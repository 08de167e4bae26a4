//! Apps as links: bundles, manifests, app ids, links and the keys of spaces.
//!
//! Pure: bytes in, values out. No I/O, clock or random source. What is read from outside is parsed
//! once, here, into types that can't be wrong:
//!
//! - [`Link`] and its [`Invitation`] are what people send each other; [`SpaceKeys`] are derived
//!   from the [`SpaceSecret`] inside.
//! - [`AppSecret`] signs a [`SignedVersion`], by which an [`AppId`] vouches for a bundle.
#![forbid(unsafe_code)]

mod id;
mod invitation;
mod keys;
mod link;
mod path;
mod secret;
mod version;

pub use id::{AppId, NotAnAppId};
pub use invitation::{Destination, Invitation, InvitationError, Inviter, MAX_ADDRESSES};
pub use keys::{Key, SpaceKeys, SpaceSecret};
pub use link::{Link, LinkError, MAX_LINK};
pub use path::{MAX_PATH, PathFault, check_path};
pub use secret::{AppSecret, NotAnExportedKey};
pub use version::{SignedVersion, VersionError};

/// Largest bundle, in bytes. What a person on a slow line may wait for, and what is held in memory
/// while it is checked: 64 MiB.
pub const MAX_BUNDLE: u64 = 64 << 20;
