//! A store that keeps everything in memory: for tests, and for a browser tab at first.

mod blobs;
mod logs;

pub use blobs::MAX_MEMORY_BLOBS;

/// A store in memory. What it acknowledges is as durable as the process.
#[derive(Debug, Default)]
pub struct MemoryStorage {
    blobs: blobs::Blobs,
    logs: logs::Logs,
}

impl MemoryStorage {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}
