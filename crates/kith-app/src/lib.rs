//! Apps as links: bundles, manifests, app ids, links and the keys of spaces.
//!
//! Pure: bytes in, values out. No I/O, clock or random source.

mod id;

pub use id::AppId;
