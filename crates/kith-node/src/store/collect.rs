//! Blobs that nothing names any more go.

use kith_overlay::storage::BlobScope;

use super::attached::Named;
use super::blobs::{self, Loose};
use super::database::Snapshot;
use super::error::StoreError;
use super::open::Store;
use super::schema::SPACES;

/// How long a blob of a space stays that nothing attaches, in milliseconds: 24 h. An upload has a day
/// to get its entry.
pub const LOOSE_KEPT: u64 = 24 * 60 * 60 * 1000;

/// Blobs of one collection: those beyond wait for the next one. Bounds what is in memory.
const MAX_COLLECTED: usize = 65_536;

/// What was collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// How many blobs.
    pub blobs: u64,
    /// Whether there may be more.
    pub more: bool,
}

impl Store {
    /// Removes blob files that no row names: what a crash left. It looks at each file.
    ///
    /// # Errors
    /// The disk's.
    pub async fn sweep_files(&self) -> Result<(), StoreError> {
        blobs::sweep(self).await
    }

    /// Takes blobs off spaces whose entries don't attach them, directly or in a folder, and that have
    /// been here for [`LOOSE_KEPT`]; and off spaces that were left. Those in no other scope are
    /// deleted. A person's own files stay where they are. `now` is in milliseconds since 1970.
    ///
    /// # Errors
    /// The disk's.
    pub async fn collect_files(&self, now: u64) -> Result<Collected, StoreError> {
        let loose = self.read(|snapshot| loose(snapshot, now))?;
        let more = loose.len() >= MAX_COLLECTED;
        let blobs = self.drop_loose(loose).await?;
        Ok(Collected { blobs, more })
    }
}

fn loose(snapshot: &Snapshot, now: u64) -> Result<Vec<Loose>, StoreError> {
    let spaces = snapshot.table(SPACES)?;
    let named = Named::read(snapshot)?;
    let mut loose = Vec::new();
    blobs::each(snapshot, |blob| {
        if blob.scopes.is_empty() {
            loose.push(Loose { hash: blob.hash, scope: None, may_stay: true });
        }
        for scope in &blob.scopes {
            let BlobScope::Space(space) = scope else { continue };
            let is_left = spaces.get(space.as_bytes())?.is_none();
            let is_new = now.saturating_sub(blob.made) < LOOSE_KEPT;
            if is_left || (!is_new && !named.has(space, &blob.hash)?) {
                let scope = Some(*scope);
                loose.push(Loose { hash: blob.hash, scope, may_stay: !is_left });
            }
        }
        Ok(loose.len() < MAX_COLLECTED)
    })?;
    Ok(loose)
}
