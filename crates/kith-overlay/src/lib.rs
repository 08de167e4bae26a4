//! kith's own overlay: connections, streams, spaces and their sync, blobs.

pub mod blob;
pub mod boxed;
pub mod space;
pub mod storage;
pub mod transport;
