//! What files take of the disk, and what would come free.

use std::collections::{BTreeMap, BTreeSet};

use kith_app::AppId;
use kith_log::SpaceId;
use kith_overlay::storage::BlobScope;

use super::blobs;
use super::error::StoreError;
use super::open::Store;

/// What the files of a space or an app take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileUsage {
    /// How many blobs, folders and their pieces included.
    pub blobs: u64,
    /// Bytes in the data directory, and those of files that are on their way to a place of the
    /// person's. A blob that is in several spaces counts in each.
    pub bytes: u64,
    /// Those of them that would come free with the space, or with all spaces of the app: what is in no
    /// other.
    pub freed: u64,
    /// Bytes of the person's own files that are shared from where they are. They stay.
    pub outside: u64,
}

/// What files take, by space and by app.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileUsages {
    /// By space.
    pub spaces: BTreeMap<SpaceId, FileUsage>,
    /// By app: of its spaces.
    pub apps: BTreeMap<AppId, FileUsage>,
    /// Of all, each blob once, bundles of apps included.
    pub all: FileUsage,
}

impl Store {
    /// What files take. It looks at each blob's row: not to be called for each of many.
    ///
    /// # Errors
    /// The disk's.
    pub fn file_usage(&self) -> Result<FileUsages, StoreError> {
        let apps: BTreeMap<_, _> =
            self.spaces()?.into_iter().map(|(space, record)| (space, record.app)).collect();
        self.read(|snapshot| {
            let mut usages = FileUsages::default();
            blobs::each(snapshot, |blob| {
                let spaces: Vec<_> = blob.scopes.iter().filter_map(space_of).collect();
                let is_only = |freed: bool| FileUsage {
                    blobs: 1,
                    bytes: blob.own,
                    freed: if freed { blob.own } else { 0 },
                    outside: blob.outside,
                };
                for space in &spaces {
                    add(usages.spaces.entry(*space).or_default(), is_only(blob.scopes.len() == 1));
                }
                let owners: BTreeSet<_> =
                    spaces.iter().filter_map(|space| apps.get(space)).copied().collect();
                let all_known = spaces.len() == blob.scopes.len()
                    && spaces.iter().all(|space| apps.contains_key(space));
                for app in &owners {
                    let freed = all_known && owners.len() == 1;
                    add(usages.apps.entry(*app).or_default(), is_only(freed));
                }
                add(&mut usages.all, is_only(true));
                Ok(true)
            })?;
            Ok(usages)
        })
    }
}

fn space_of(scope: &BlobScope) -> Option<SpaceId> {
    match scope {
        BlobScope::Space(space) => Some(*space),
        BlobScope::Public => None,
    }
}

fn add(usage: &mut FileUsage, more: FileUsage) {
    usage.blobs += more.blobs;
    usage.bytes += more.bytes;
    usage.freed += more.freed;
    usage.outside += more.outside;
}
