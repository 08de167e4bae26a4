//! Which of several claims on a file is believed, and what follows where it proves wrong.

use std::sync::Arc;

use kith_api::Result;
use kith_log::SpaceId;
use kith_log::file::Attachment;
use kith_overlay::storage::{BlobScope, BlobState};
use tokio::runtime::Handle;

use super::export::Opened;
use super::fetch::Piece;
use super::folder::blocking;
use super::transfers::Transfer;
use super::{hex, no_file};
use crate::node::Inner;
use crate::store::{FilePlace, FileSource};

/// What an address names a claim by: 64 bits, for whoever finds another claim with the same ones has
/// found one that he could have made himself.
const ID: usize = 8;

/// What tells a claim from others on the same blob.
pub(super) fn id(claim: &Attachment) -> String {
    let Attachment { hash: _, size, folder, key, name, media_type } = claim;
    let mut hasher = blake3::Hasher::new_derive_key("kith claim on a file, in an address");
    hasher.update(&size.to_le_bytes()).update(&[u8::from(*folder), u8::from(key.is_some())]);
    if let Some(key) = key {
        hasher.update(key.as_bytes());
    }
    hasher.update(name.as_str().as_bytes()).update(b"/").update(media_type.as_str().as_bytes());
    hex(hasher.finalize().as_bytes())[..2 * ID].to_owned()
}

/// Whether two claims on a blob make the same bytes of it, whatever they are called.
pub(super) fn is_same_file(a: &Attachment, b: &Attachment) -> bool {
    (a.size, a.folder) == (b.size, b.folder) && a.key == b.key
}

impl Inner {
    /// What is believed of a file, once what is here of it was looked at.
    pub(super) async fn settled(
        self: &Arc<Self>,
        space: SpaceId,
        hash: [u8; 32],
    ) -> Result<Attachment> {
        let mut claims = self.store.claims(&space, &hash)?;
        if !claims.untried().is_empty() {
            let _one = self.transfers.proving.acquire().await;
            self.store.try_keys(space, hash).await?;
            claims = self.store.claims(&space, &hash)?;
        }
        if claims.is_folder_unsure() && self.is_whole(space, &hash) {
            let of: Vec<_> = claims.left().filter(|claim| claim.folder).cloned().collect();
            let (node, runtime) = (self.clone(), Handle::current());
            let lists = move |claim: Attachment| {
                let list = node.list(space, &claim, runtime.clone());
                list.is_ok_and(|mut list| list.all(|file| file.is_ok()))
            };
            let folder = blocking(move || Ok(of.into_iter().any(lists))).await?;
            self.store.note_folder(space, hash, folder).await?;
            claims = self.store.claims(&space, &hash)?;
        }
        claims.best().cloned().ok_or_else(no_file)
    }

    /// The claim that an address names, by its id; else the one that is believed.
    pub(super) async fn claimed(
        self: &Arc<Self>,
        space: SpaceId,
        hash: [u8; 32],
        wanted: Option<&str>,
    ) -> Result<Attachment> {
        let upload = self.uploads.get(&(space, hash));
        if let Some(wanted) = wanted {
            let claims = self.store.claims(&space, &hash)?;
            let mut all = claims.all().chain(&upload);
            if let Some(claim) = all.find(|claim| id(claim) == wanted) {
                return Ok(claim.clone());
            }
        }
        match self.settled(space, hash).await {
            Ok(claim) => Ok(claim),
            Err(error) => upload.ok_or(error),
        }
    }

    fn is_whole(&self, space: SpaceId, hash: &[u8; 32]) -> bool {
        let state = self.store.blob(BlobScope::Space(space), hash);
        matches!(state, Ok(BlobState::Complete { .. }))
    }

    /// Takes a file back that was written by a claim that proved wrong: its bytes go to kith's own
    /// store, and what was made of them is removed.
    pub(super) async fn take_back(
        self: &Arc<Self>,
        transfer: &Transfer,
        right: &Attachment,
    ) -> Result<()> {
        let (space, hash) = transfer.key;
        let (Some(to), Some(path)) = (transfer.destination(), self.store.file_path(&hash)?) else {
            return Ok(());
        };
        // Nothing but what this transfer wrote.
        let is_ours = path.parent() == to.parent() && self.is_whole(space, &hash);
        let is_wrong = right.folder || self.store.file_key(&hash)? != right.key;
        let claims = self.store.claims(&space, &hash)?;
        if !is_ours || !is_wrong || !(claims.is_key_proven() || right.folder) {
            return Ok(());
        }
        let record = self.store.space(&space)?.ok_or_else(no_file)?;
        let read_key = (!record.public).then(|| *record.keys().read.as_bytes());
        let opened = Opened::new(self.store.clone(), Handle::current(), space, Piece::of(right));
        let source = FileSource::Reader(Box::new(opened));
        let adding = self.store.add_file(BlobScope::Space(space), source, read_key, FilePlace::Own);
        if adding.finish().await?.hash == hash {
            let removed = blocking(move || {
                std::fs::remove_file(&path)
                    .map_err(|error| super::export::not_written(&path, &error))
            });
            removed.await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use kith_log::file::FileKey;

    use super::*;

    #[test]
    fn claims_that_differ_in_anything_have_different_ids() {
        let claim = Attachment {
            hash: [1; 32],
            size: 9,
            folder: false,
            key: Some(FileKey::from_bytes([2; 32])),
            name: "film".parse().unwrap(),
            media_type: "video/mp4".parse().unwrap(),
        };
        let others = [
            Attachment { size: 10, ..claim.clone() },
            Attachment { key: None, ..claim.clone() },
            Attachment { key: Some(FileKey::from_bytes([3; 32])), ..claim.clone() },
            Attachment { name: "filn".parse().unwrap(), ..claim.clone() },
            Attachment { media_type: "".parse().unwrap(), ..claim.clone() },
            Attachment { folder: true, ..claim.clone() },
        ];
        assert_eq!(id(&claim).len(), 16);
        for other in others {
            assert_ne!(id(&other), id(&claim), "{other:?}");
        }
        assert_eq!(id(&Attachment { hash: [7; 32], ..claim.clone() }), id(&claim));
    }
}
