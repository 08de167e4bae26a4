//! What the overlay asks of a store.
//!
//! The node's store and a browser tab's both implement [`Storage`]; [`memory`] is the one that
//! keeps nothing.

pub mod memory;

mod blobs;
mod error;
mod logs;

pub use blobs::{BlobPart, BlobScope, BlobState, BlobStorage, MAX_BLOB_READ};
pub use error::{StorageError, StorageResult};
pub use logs::LogStorage;

/// All that the overlay asks of a store.
pub trait Storage: LogStorage + BlobStorage {}

impl<S: LogStorage + BlobStorage + ?Sized> Storage for S {}
