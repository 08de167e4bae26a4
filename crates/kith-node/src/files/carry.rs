//! A copy of a file for another space, where the person brings it there.

use std::sync::Arc;

use kith_api::{Error, ErrorCode, FileRef, MAX_CARRIED_FILE, NewFile, Result};
use kith_log::SpaceId;
use kith_log::file::Attachment;
use kith_overlay::storage::{BlobScope, BlobState, MAX_BLOB_READ};

use super::{claims, file_ref, hex};
use crate::node::Inner;

impl Inner {
    /// Whether a file of a space can be copied into another one.
    ///
    /// # Errors
    /// `TooLarge` over the limit; `InvalidParams` for a folder; `NotFound` where not all of it is here.
    pub(crate) fn check_carried(&self, space: &SpaceId, file: &Attachment) -> Result<()> {
        if file.folder {
            return Err(Error::new(ErrorCode::InvalidParams, "A folder can't be sent to a chat."));
        }
        if file.size > MAX_CARRIED_FILE {
            return Err(too_large(file.size));
        }
        match self.store.blob(BlobScope::Space(*space), &file.hash)? {
            BlobState::Complete { .. } => Ok(()),
            BlobState::Absent | BlobState::Partial { .. } => {
                Err(Error::new(ErrorCode::NotFound, "This file is not here yet.")
                    .todo("Fetch all of it first."))
            }
        }
    }

    /// Copies a file into another space, where it belongs to no entry yet.
    ///
    /// # Errors
    /// Those of [`Self::check_carried`], and of the disk.
    pub(crate) async fn carry(
        self: &Arc<Self>,
        file: &Attachment,
        from: SpaceId,
        to: SpaceId,
    ) -> Result<FileRef> {
        self.check_carried(&from, file)?;
        if from == to {
            return Ok(file_ref(file));
        }
        // As this attachment says, whatever others say of the same blob.
        let named = format!("{}-{}", hex(&file.hash), claims::id(file));
        let open = self.open_file(&from, &named).await?;
        let new = NewFile {
            name: file.name.as_str().to_owned(),
            media_type: file.media_type.as_str().to_owned(),
            size: Some(file.size),
        };
        let mut sink = self.receive_file(to, new).await?;
        let mut at = 0;
        while at < open.size {
            let bytes = open.bytes.read(at, MAX_BLOB_READ).await?;
            at += bytes.len() as u64;
            sink.write(bytes).await?;
        }
        sink.finish().await
    }
}

fn too_large(size: u64) -> Error {
    let most = MAX_CARRIED_FILE / 1_000_000;
    Error::new(ErrorCode::TooLarge, "This file is too large to be sent to a chat.")
        .why(format!("It has {} MB, and {most} MB is the most.", size.div_ceil(1_000_000)))
        .todo("Save it, and add it in the chat.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_byte_too_large_is_said_to_be() {
        assert_eq!(too_large(MAX_CARRIED_FILE + 1).why, "It has 101 MB, and 100 MB is the most.");
    }
}
