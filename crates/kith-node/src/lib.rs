//! The native node: disk, sockets and tasks.
//!
//! [`Node::start`] opens the [`store`], binds the overlay, takes up every space and looks for peers
//! ([`discovery`]). A [`Node`] is a [`kith_api::Service`]: `service.rs` has a line for each method,
//! which leads to its logic.
//!
//! - [`discovery`]: ways of finding peers.
//! - [`store`]: what the node keeps on disk.

mod apps;
mod asks;
mod bundled;
mod clock;
mod config;
pub mod discovery;
mod doorkeeper;
mod files;
mod imports;
mod manage;
mod network;
mod node;
mod opening;
mod problems;
mod random;
mod running;
mod service;
mod settings;
mod sockets;
mod spaces;
pub mod store;
mod streams;
mod updates;
mod writer;

pub use config::Config;
pub use node::Node;
