//! Deleting what is held of a space's files, for the owner of the node.

use std::collections::BTreeMap;

use kith_api::{FreeFiles, HeldFiles, HeldPart, Result};
use kith_log::SpaceId;

use crate::node::Inner;
use crate::store::HeldFile;

impl Inner {
    /// What of a space's files could be freed.
    pub(crate) fn files_held(&self, space: &str) -> Result<HeldFiles> {
        let held = self.held(&self.parse_space(space)?)?;
        let of = |own| sum(held.values().filter(|file| file.own == own));
        Ok(HeldFiles { others: of(false), own: of(true) })
    }

    /// Deletes what is held of a space's files, and stops what is on its way.
    pub(crate) async fn free_files(&self, free: &FreeFiles) -> Result<HeldPart> {
        let space = self.parse_space(&free.space)?;
        let mut held = self.held(&space)?;
        held.retain(|_, file| free.own || !file.own);
        for hash in held.keys() {
            self.drop_file(space, *hash).await?;
        }
        self.forget_file_usages();
        Ok(sum(held.values()))
    }

    /// What can be freed. A file that is given to others from its own place takes nothing: freed, it
    /// would be theirs no more, for no room.
    fn held(&self, space: &SpaceId) -> Result<BTreeMap<[u8; 32], HeldFile>> {
        let mut held = self.store.held_files(space)?;
        held.retain(|_, file| !file.outside);
        Ok(held)
    }
}

fn sum<'a>(files: impl Iterator<Item = &'a HeldFile>) -> HeldPart {
    files.fold(HeldPart::default(), |sum, file| HeldPart {
        files: sum.files + 1,
        bytes: sum.bytes + file.bytes,
    })
}
