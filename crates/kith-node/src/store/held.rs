//! What is held of a space's files, and whose they are.

use std::collections::BTreeMap;

use kith_log::SpaceId;
use kith_overlay::storage::BlobScope;

use super::error::StoreError;
use super::open::Store;
use super::{attached, blobs, logs};

/// A file or folder that entries of a space name, and of which something is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldFile {
    /// Whether it was oneself who named it first.
    pub own: bool,
    /// Bytes that would be free without it: what is in no other space, and no part of a file that is
    /// told before it.
    pub bytes: u64,
    /// Whether some of it is given to others from a place of the person's own.
    pub outside: bool,
}

impl Store {
    /// The files of a space of which something is held, by hash.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub fn held_files(&self, space: &SpaceId) -> Result<BTreeMap<[u8; 32], HeldFile>, StoreError> {
        let scope = BlobScope::Space(*space);
        self.read(|snapshot| {
            let own = logs::own_serials(snapshot, space)?;
            let named = attached::Naming::read(snapshot, space)?;
            let mut held: BTreeMap<[u8; 32], HeldFile> = BTreeMap::new();
            blobs::each(snapshot, |blob| {
                if !blob.scopes.contains(&scope) {
                    return Ok(true);
                }
                let mut of = named.of(&blob.hash)?;
                // What is also one's own goes only with that.
                of.sort_by_key(|(_, serial)| !own.contains(serial));
                let is_free = blob.scopes.len() == 1;
                for (n, (hash, serial)) in of.into_iter().enumerate() {
                    let file = held.entry(hash).or_default();
                    file.own = own.contains(&serial);
                    file.outside |= blob.outside > 0;
                    file.bytes += if is_free && n == 0 { blob.own } else { 0 };
                }
                Ok(true)
            })?;
            Ok(held)
        })
    }
}
