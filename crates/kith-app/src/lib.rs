//! Apps as links: bundles, manifests, app ids, links and the keys of spaces.
//!
//! Pure: bytes in, values out. No I/O, clock or random source. What is read from outside is parsed
//! once, here, into types that can't be wrong:
//!
//! - [`Link`] and its [`Invitation`] are what people send each other; [`SpaceKeys`] are derived
//!   from the [`SpaceSecret`] inside.
//! - [`Bundle`] is an app's files, checked; its [`Manifest`] says what the app is and what it asks
//!   for.
//! - [`AppSecret`] signs a [`SignedVersion`], by which an [`AppId`] vouches for a bundle.
#![forbid(unsafe_code)]

mod bundle;
mod content_type;
mod id;
mod invitation;
mod keys;
mod link;
mod manifest;
mod path;
mod permission;
mod secret;
mod version;

pub use bundle::{
    Bundle, BundleError, Limits, MAX_BESIDE, MAX_BUNDLE, MAX_FILE, MAX_FILES, MAX_ICON, MAX_RATIO,
    MAX_TOTAL, RATIO_GRACE, pack,
};
pub use content_type::content_type;
pub use id::{AppId, NotAnAppId};
pub use invitation::{Destination, Invitation, InvitationError, Inviter, MAX_ADDRESSES};
pub use keys::{Key, SpaceKeys, SpaceSecret};
pub use link::{Link, LinkError, MAX_LINK};
pub use manifest::{
    INTERFACE, MAX_DESCRIPTION, MAX_MANIFEST, MAX_NAME, MAX_URL, Manifest, ManifestError, one_line,
};
pub use path::{MAX_PATH, PathFault, check_path};
pub use permission::Permission;
pub use secret::{AppSecret, NotAnExportedKey};
pub use version::{SignedVersion, VersionError};
