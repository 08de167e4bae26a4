//! Bundles: an app's files in webxdc's format, a ZIP with `index.html`.
//!
//! [`Bundle::open`] checks the whole directory of the archive against [`Limits`] and a list of
//! rules, each with an error of its own ([`BundleError`]), before anything is unpacked;
//! [`Bundle::file`] holds each file to its declared size and checksum while it inflates;
//! [`Bundle::check_files`] does so for all files once, before a bundle from a stranger is believed.
//! [`fn@pack`] writes a bundle, the same bytes for the same files.

mod check;
mod error;
mod limits;
mod names;
mod pack;
mod read;

pub use error::BundleError;
pub use limits::{
    Limits, MAX_BESIDE, MAX_BUNDLE, MAX_FILE, MAX_FILES, MAX_ICON, MAX_RATIO, MAX_TOTAL,
    RATIO_GRACE,
};
pub use pack::pack;
pub use read::Bundle;
