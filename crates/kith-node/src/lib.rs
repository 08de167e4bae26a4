//! The native node: disk, sockets and tasks.
//!
//! - [`store`]: what the node keeps on disk.

pub mod store;
