//! The native node: disk, sockets and tasks.
//!
//! - [`discovery`]: finding peers without anybody's server.
//! - [`store`]: what the node keeps on disk.

pub mod discovery;
pub mod store;
