//! Getting what was shared by a link.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kith_api::{Error, ErrorCode, Get, GotFile, JobRef, JobStage, Result};
use kith_app::{Destination, Link};
use kith_log::SpaceId;
use kith_log::file::{Attachment, FileName};
use tokio::runtime::Handle;

use super::claims::is_same_file;
use super::export::{Opened, write_new};
use super::fetch::Piece;
use super::jobs::Job;
use super::names;
use super::transfers::{Key, Transfer};
use crate::node::Inner;

/// Between two looks at who is tried.
const LOOK: Duration = Duration::from_millis(500);
/// Most files and folders that one get takes: those of the newest entries.
const MAX_FILES: usize = 1_024;

/// Transfers that pause where the person gives up what they were begun for.
struct Pausing {
    node: Arc<Inner>,
    keys: Vec<Key>,
}

impl Drop for Pausing {
    fn drop(&mut self) {
        let keys = std::mem::take(&mut self.keys);
        let node = self.node.clone();
        // When kith stops, nothing is paused: it goes on at the next start.
        self.node.spawn(async move {
            for (space, hash) in keys {
                if let Err(error) = node.pause_file(space, hash).await {
                    tracing::debug!(%space, %error, "a file is not paused");
                }
            }
        });
    }
}

/// A file or folder that is got.
struct Going {
    transfer: Arc<Transfer>,
    path: PathBuf,
}

/// The next free path of a name.
pub(super) fn free(to: &Path, name: &FileName, taken: &mut BTreeSet<PathBuf>) -> Result<PathBuf> {
    let path = names::free(to, name, taken).ok_or_else(|| {
        Error::new(ErrorCode::AlreadyExists, "There are too many files of this name.")
            .why(format!("“{name}” and 9,999 more are there."))
            .todo("Get it into another folder.")
    })?;
    taken.insert(path.clone());
    Ok(path)
}

impl Inner {
    /// Begins to get what was shared by a link.
    pub(crate) async fn get_files(self: &Arc<Self>, get: Get) -> Result<JobRef> {
        let link: Link = get.link.trim().parse().map_err(|error| {
            Error::new(ErrorCode::BadLink, "This link can't be read.")
                .why(format!("{error}."))
                .todo("Copy it again, whole, from whoever sent it.")
        })?;
        let Destination::Space(secret) = link.destination().clone() else {
            return Err(Error::new(ErrorCode::BadLink, "Nothing is shared by this link.")
                .why("It leads to an app, not to files.")
                .todo("Open it: “kith open”."));
        };
        let to = PathBuf::from(&get.to);
        if !to.is_absolute() {
            return Err(Error::new(ErrorCode::InvalidParams, "The path must be absolute."));
        }
        std::fs::create_dir_all(&to).map_err(|error| super::export::not_written(&to, &error))?;
        let space = self.join(*link.app(), secret, None).await?;
        if let Some(inviter) = link.inviter() {
            self.want_in_space(inviter, &space);
        }
        let job = self.start_job(JobStage::Looking { tried: Vec::new() }, move |node, job| {
            node.get_into(job, space, to)
        })?;
        Ok(JobRef { job })
    }

    async fn get_into(
        self: Arc<Self>,
        job: Arc<Job>,
        space: SpaceId,
        to: PathBuf,
    ) -> Result<JobStage> {
        let mut done: Vec<(Arc<Transfer>, GotFile)> = Vec::new();
        let mut seen = BTreeMap::new();
        let mut pausing = Pausing { node: self.clone(), keys: Vec::new() };
        loop {
            // What came while others were fetched is got, too.
            let mut fresh = Vec::new();
            for attachment in self.look(&job, &space).await? {
                let attachment = self.settled(space, attachment.hash).await?;
                let before = seen.get(&attachment.hash);
                if !before.is_some_and(|before| is_same_file(before, &attachment)) {
                    fresh.push(attachment);
                }
            }
            if fresh.is_empty() {
                break;
            }
            self.look_for_room(space, &to, &fresh).await?;
            let mut under_way = Vec::new();
            let mut taken = BTreeSet::new();
            for attachment in fresh {
                let path = if seen.contains_key(&attachment.hash) {
                    // It proved to be another file than what was written.
                    free(&to, &attachment.name, &mut taken)?
                } else {
                    self.place(&space, &attachment, &to, &mut taken)?
                };
                let transfer = self.fetch_file(space, attachment.hash, Some(path.clone())).await?;
                pausing.keys.push(transfer.key);
                under_way.push(Going { transfer, path });
            }
            self.follow(&job, &under_way).await?;
            pausing.keys.clear();
            for going in under_way {
                let transfer = going.transfer.clone();
                let got = self.deliver(&job, going).await?;
                seen.insert(transfer.key.1, transfer.attachment());
                done.retain(|(before, _)| before.key != transfer.key);
                done.push((transfer, got));
            }
        }
        let renamed = done.iter().flat_map(|(transfer, _)| transfer.renamed()).collect();
        Ok(JobStage::Got { files: done.into_iter().map(|(_, got)| got).collect(), renamed })
    }

    /// What is attached in a space, once anything is known.
    async fn look(&self, job: &Job, space: &SpaceId) -> Result<Vec<Attachment>> {
        let mut arrivals = self.store.watch(space)?;
        loop {
            arrivals.mark_unchanged();
            let attached = self.store.attached(space, MAX_FILES)?;
            if !attached.is_empty() {
                return Ok(attached);
            }
            let peers = self.overlay.snapshot().peers;
            job.tell(JobStage::Looking { tried: self.trying(&peers, space) });
            if let Ok(Err(_stopped)) = tokio::time::timeout(LOOK, arrivals.changed()).await {
                return Err(Error::new(ErrorCode::SpaceLeft, "The space was left meanwhile."));
            }
        }
    }

    /// Looks whether there is room for files before anything of them comes. Of a folder it is not known
    /// yet; where sizes differ that may be right, the smallest one counts.
    async fn look_for_room(&self, space: SpaceId, to: &Path, files: &[Attachment]) -> Result<()> {
        let mut sizes = Vec::new();
        for file in files.iter().filter(|file| !file.folder) {
            let said = self.store.claims(&space, &file.hash)?.sizes();
            sizes.push((file.hash, said.first().copied().unwrap_or(file.size)));
        }
        Ok(self.store.look_for_room(Some(to.to_owned()), sizes).await?)
    }

    /// Where a file or folder is written: where it was before, when it was cut off; else under the
    /// next free name.
    fn place(
        &self,
        space: &SpaceId,
        attachment: &Attachment,
        to: &Path,
        taken: &mut BTreeSet<PathBuf>,
    ) -> Result<PathBuf> {
        let before = self.transfers.get(space, &attachment.hash).and_then(|of| of.destination());
        let before = match before {
            None => self.store.file_path(&attachment.hash)?,
            before => before,
        };
        if let Some(before) = before.filter(|path| path.parent() == Some(to)) {
            taken.insert(before.clone());
            return Ok(before);
        }
        free(to, &attachment.name, taken)
    }

    /// Tells how far transfers are, until all are over.
    async fn follow(&self, job: &Job, under_way: &[Going]) -> Result<()> {
        let tell = || {
            let files = under_way.iter().map(|going| self.state_of(&going.transfer));
            job.tell(JobStage::Fetching { files: files.collect() });
        };
        let mut changes = self.transfers.changes();
        let all = async {
            for going in under_way {
                going.transfer.finished().await?;
            }
            Ok(())
        };
        tokio::pin!(all);
        loop {
            tell();
            tokio::select! {
                done = &mut all => return done,
                _ = changes.changed() => {}
            }
            // Changes come by the hundred in a second.
            tokio::select! {
                done = &mut all => return done,
                () = tokio::time::sleep(LOOK / 5) => {}
            }
        }
    }

    /// Writes a file that was here in another place already.
    async fn deliver(&self, job: &Arc<Job>, going: Going) -> Result<GotFile> {
        let Going { transfer, path } = going;
        // It may have proved to be another file than it was taken for.
        let path = transfer.destination().unwrap_or(path);
        let attachment = transfer.attachment();
        let got = |path: &Path, size| GotFile {
            name: attachment.name.as_str().to_owned(),
            path: path.to_string_lossy().into_owned(),
            size,
        };
        if attachment.folder {
            let size = transfer.watch().borrow().size;
            return Ok(got(&path, size));
        }
        match self.store.file_path(&attachment.hash)? {
            Some(place) if place.parent() == path.parent() => Ok(got(&place, attachment.size)),
            _ => {
                let piece = Piece::of(&attachment);
                let (store, runtime, to) = (self.store.clone(), Handle::current(), path.clone());
                let space = transfer.key.0;
                let (job, size) = (job.clone(), attachment.size);
                let tell = move |bytes| job.tell(JobStage::Writing { bytes, size });
                let mut opened = Opened::new(store, runtime, space, piece);
                let write = move || write_new(&mut opened, &to, tell);
                tokio::task::spawn_blocking(write)
                    .await
                    .map_err(|_| Error::new(ErrorCode::Internal, "The file was not written."))??;
                Ok(got(&path, attachment.size))
            }
        }
    }
}
