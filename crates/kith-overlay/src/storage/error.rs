//! How a store fails. Always this machine's fault, never a peer's.

use std::error::Error;
use std::sync::Arc;

/// The result of what a store was asked.
pub type StorageResult<T> = Result<T, StorageError>;

/// Why a store didn't do what it was asked. Nothing was acknowledged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StorageError {
    /// The disk, or the quota of the app or space, is full.
    #[error("no space is left")]
    Full,
    /// What was asked for isn't here (any more).
    #[error("it is not held")]
    NotHeld,
    /// What is stored is not what was stored: a shared file was changed, or the disk is damaged.
    #[error("the stored bytes were changed")]
    Damaged,
    /// The store is closed, or was never open.
    #[error("the store is closed")]
    Closed,
    /// Anything else of the system below.
    #[error("the store failed: {0}")]
    Failed(Arc<dyn Error + Send + Sync>),
}
