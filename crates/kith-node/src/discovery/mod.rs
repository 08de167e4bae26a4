//! Finding peers without anybody's server.
//!
//! A [`Source`] is one way of looking: the local network ([`Lan`]), the peers remembered on disk
//! ([`Remembered`]), later the DHT. What a source finds, and what a person gives (addresses in
//! links, `--peer`), goes as [`Found`] through a [`Finder`] into one bounded queue, from which the
//! node hands it to the overlay. [`Discovery`] holds the sources, and tells how each one stands.
//!
//! A new way is one file here with a type that implements [`Source`], and a line where the node
//! starts.

mod hub;
mod lan;
mod neighbour;
mod remembered;
mod source;

pub use hub::Discovery;
pub use lan::{Lan, LanState};
pub use neighbour::{MAX_NEIGHBOURS, Presence, SERVICE};
pub use remembered::{
    EXPIRY_MS, KEPT_ANYWAY, MAX_REMEMBERED, PeerCache, PeerMemory, REFRESH_MS, Remembered,
};
pub use source::{FOUND_QUEUE, Finder, Found, Source};
