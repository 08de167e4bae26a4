//! What the node keeps on disk: one redb file, and blobs as files beside it.
//!
//! ```text
//! DIR/lock          held by the process that has the directory
//! DIR/kith.redb     everything but blobs
//! DIR/blobs/        blob files and their trees
//! DIR/opened        a mark that the database must know, else it was put back from a copy
//! ```
//!
//! - A write is acknowledged when it is synced, never before ([`writer`](self)): one thread writes,
//!   and what waits while it commits is its next group.
//! - Reads come from a snapshot, wait for no writer, and hold none up.
//! - A disk that fails fails the writes in the group, with an error that says what to do; the
//!   store goes on ([`Disk`] is where tests make it fail).
//! - Serials of a space rise and are never reused, whatever was deleted, left or restored.
//! - An own entry is on disk before anybody gets it, so no crash makes an author fork.

mod apps;
mod attached;
mod backend;
mod blobs;
mod claims;
mod collect;
mod database;
mod disk;
mod error;
mod file_usage;
mod folders;
mod held;
mod identity;
mod keys;
mod lock;
mod logs;
mod mark;
mod open;
mod overlay;
mod peers;
mod platform;
mod row;
mod schema;
mod spaces;
mod updates;
mod usage;
mod watch;
mod writer;

pub use apps::AppRecord;
pub use attached::Wanted;
pub use blobs::{
    AddProgress, AddStage, AddedFile, Adding, ChangedFile, Expected, FilePlace, FileSource,
    MAX_CHANGED, Upload,
};
pub use claims::{Claims, MAX_CLAIMS, MAX_CLAIMS_OF_AUTHOR};
pub use collect::{Collected, LOOSE_KEPT};
pub use disk::{Disk, DiskFile, FileIdentity, Held, Open, Stamp, SystemDisk};
pub use error::StoreError;
pub use file_usage::{FileUsage, FileUsages};
pub use folders::Folder;
pub use held::HeldFile;
pub use identity::{MAX_SETTINGS, NodeSecret, PageSecret};
pub use logs::{
    Appended, MAX_READ_BYTES, MAX_READ_ENTRIES, MemberRecord, Page, Query, StoredEntry,
};
pub use open::{CACHE, Options, Store};
pub use peers::{MAX_BLOCKED, MAX_PEER_ADDRESSES, MAX_PEER_SPACES, MAX_PEERS, PeerRecord};
pub use spaces::{OwnAuthor, SpaceRecord};
pub use updates::MAX_REMOVED;
pub use usage::Usage;

/// The database's file in the data directory.
const DATABASE_FILE: &str = "kith.redb";
