//! Whether a disk has room for what is about to come.

use std::io;
use std::path::{Path, PathBuf};

use super::files::stored;
use super::place::Place;
use super::transfer::blocking;
use crate::store::error::StoreError;
use crate::store::open::Store;

impl Store {
    /// Looks whether there is room for blobs: in a folder of the person's, which may be missing yet, or
    /// in the store without one. What has come of them is not counted, and neither is what is to be
    /// copied out of another place. Where the system can't tell, there is.
    ///
    /// # Errors
    /// [`StoreError::NoRoom`]; the disk's.
    pub async fn look_for_room(
        &self,
        folder: Option<PathBuf>,
        blobs: Vec<([u8; 32], u64)>,
    ) -> Result<(), StoreError> {
        let store = self.clone();
        blocking(move || {
            let is_wanted = folder.is_some();
            let folder = folder.unwrap_or_else(|| store.dir().to_owned());
            let Some(free) = store.free(&folder) else { return Ok(()) };
            let mut needed: u64 = 0;
            for (hash, size) in blobs {
                needed = needed.saturating_add(store.still_takes(&hash, size, is_wanted)?);
            }
            if needed > free {
                return Err(StoreError::NoRoom { folder, needed, free });
            }
            Ok(())
        })
        .await
    }

    fn free(&self, folder: &Path) -> Option<u64> {
        let disk = self.blobs().disk();
        let free = folder.ancestors().find_map(|folder| match disk.free(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            free => Some(free),
        })?;
        free.unwrap_or_else(|error| {
            tracing::debug!(%error, "how much is free can't be told");
            None
        })
    }

    /// Bytes that a blob will take beyond those that it has.
    fn still_takes(&self, hash: &[u8; 32], size: u64, is_wanted: bool) -> Result<u64, StoreError> {
        let Some(blob) = stored(self.database(), hash)? else { return Ok(size) };
        let file = match blob.place {
            _ if blob.complete => return Ok(0),
            Place::Coming(coming) => coming.part,
            Place::Own if !is_wanted => self.blobs().path(hash, ""),
            Place::Own | Place::Outside(_) => return Ok(0),
        };
        // What came after its row was written has its place, too.
        let taken = self.blobs().disk().taken(&file).ok().flatten();
        Ok(size.saturating_sub(taken.unwrap_or_else(|| blob.held.bytes(size))))
    }
}
