//! Spaces and blobs, over real connections on 127.0.0.1: one behaviour per file.

mod blob_fetch;
mod blob_readers;
mod blob_vectors;
mod checks;
mod cold_sync_bytes;
mod failing_store;
mod hard_members;
mod members_sync;
mod messages;
mod messages_and_entries;
mod replay;
mod space_vectors;
mod stalled_member;
mod support;
mod versions;

#[path = "../../../../fuzz/replay.rs"]
mod corpus;
