//! Files of spaces: what is attached to entries, how it comes and goes, and what a person shares and
//! gets by a link.
//!
//! - `transfers`: files and folders that come; `fetch`: one blob of them; `meter`: how far and how fast.
//! - `claims`: which of several things that members say of a file is believed.
//! - `folder` and `lists`: what is in a folder; `pack`: making one blob of it; `walk`, `names` and
//!   `export`: the way from and to disk.
//! - `share`, `get`: what the command line does, as `jobs`.
//! - `free`: deleting what is held of a space's files.
//! - `carry`: a copy of a file for another space.
//! - `door`: what pages read and hand in (`uploads`); `listing` and `news`: what they are told.

mod carry;
mod changed;
mod claims;
mod door;
mod export;
mod fetch;
mod folder;
mod free;
mod get;
mod jobs;
mod listing;
mod lists;
mod meter;
mod names;
mod news;
mod pack;
mod share;
mod transfers;
mod uploads;
mod walk;

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use kith_api::{
    Append, Appended, Attach, Error, ErrorCode, FileRef, FileStage, MAX_ATTACHMENTS, Result,
};
use kith_log::SpaceId;
use kith_log::file::{Attachment, FileError};

use crate::clock::now_ms;
use crate::node::Inner;
use crate::store::Collected;

pub(crate) use fetch::Fetches;
pub(crate) use jobs::Jobs;
pub(crate) use transfers::Transfers;
pub(crate) use uploads::Uploads;

/// Where a space's pages read its files.
const URL: &str = "/.kith/blobs/";

pub(crate) fn hex(hash: &[u8; 32]) -> String {
    HEXLOWER.encode(hash)
}

/// A hash as pages write it.
pub(crate) fn parse_hash(text: &str) -> Result<[u8; 32]> {
    let bytes = HEXLOWER.decode(text.as_bytes()).ok();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(no_file)
}

pub(crate) fn no_file() -> Error {
    Error::new(ErrorCode::NotFound, "There is no such file in this space.")
}

/// A file as pages see it. Its address names what this attachment says of it, whatever others say.
pub(crate) fn file_ref(attachment: &Attachment) -> FileRef {
    let hash = hex(&attachment.hash);
    FileRef {
        url: format!("{URL}{hash}-{}", claims::id(attachment)),
        hash,
        size: attachment.size,
        name: attachment.name.as_str().to_owned(),
        media_type: attachment.media_type.as_str().to_owned(),
        folder: attachment.folder,
    }
}

/// Between two collections of what nothing names.
const COLLECT_GAP: Duration = Duration::from_secs(60 * 60);

impl Inner {
    /// Deletes what a crash left; and blobs of spaces that nothing names any more: at the start, then
    /// every hour.
    pub(crate) async fn collect_files(self: Arc<Self>) {
        if let Err(error) = self.store.sweep_files().await {
            tracing::warn!(%error, "files that a crash left stay");
        }
        loop {
            match self.store.collect_files(now_ms()).await {
                Ok(Collected { more: true, .. }) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "files that nothing names stay"),
            }
            tokio::time::sleep(COLLECT_GAP).await;
        }
    }

    /// What is believed of a file that entries of a space name.
    pub(crate) fn attachment(&self, space: &SpaceId, hash: &[u8; 32]) -> Result<Attachment> {
        self.store.attachment(space, hash)?.ok_or_else(no_file)
    }
}

impl Inner {
    /// Appends what a page says, with the files that it names.
    pub(crate) async fn append(&self, space: &SpaceId, append: Append) -> Result<Appended> {
        let Append { body, kind, attachments } = append;
        if attachments.len() > MAX_ATTACHMENTS {
            return Err(Error::new(ErrorCode::TooLarge, "An entry has 64 files at most.")
                .todo("Make several entries."));
        }
        let attachments = attachments.iter().map(|attach| self.attached(space, attach));
        let attachments = attachments.collect::<Result<Vec<_>>>()?;
        let appended = self.spaces.append(space, kind, body, attachments.clone()).await?;
        self.tell_own(space, attachments)?;
        Ok(appended)
    }

    /// Tells the pages of a space that files of one's own are here.
    fn tell_own(&self, space: &SpaceId, attachments: Vec<Attachment>) -> Result<()> {
        let app = self.spaces.get(space)?.app;
        for attachment in attachments {
            let state = self.file_state(space, &attachment)?;
            if state.stage == FileStage::Complete {
                self.transfers.is_here(*space, app, attachment, state.size);
            }
        }
        Ok(())
    }

    /// A file that was handed in, or is attached already, under the name that the page gives it.
    pub(crate) fn attached(&self, space: &SpaceId, attach: &Attach) -> Result<Attachment> {
        let hash = parse_hash(&attach.hash)?;
        let known = match self.uploads.get(&(*space, hash)) {
            Some(known) => known,
            None => self.attachment(space, &hash)?,
        };
        let bad = |error: FileError| {
            Error::new(ErrorCode::InvalidParams, "This can't be the name or type of a file.")
                .why(format!("{error}."))
        };
        let name = attach.name.parse().map_err(bad)?;
        let media_type = attach.media_type.parse().map_err(bad)?;
        Ok(Attachment { name, media_type, ..known })
    }
}
