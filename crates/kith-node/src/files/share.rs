//! Sharing files and folders by a link: a space of the app Drop that says what is shared.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use kith_api::{
    Body, EntryKind, Error, ErrorCode, Invite, JobRef, JobStage, MAX_ATTACHMENTS, MAX_NAME, Result,
    Share,
};
use kith_app::SpaceSecret;
use kith_log::SpaceId;
use kith_log::file::{Attachment, FileName, MediaType};
use kith_overlay::storage::BlobScope;
use serde::Serialize;

use super::jobs::Job;
use super::walk::Walk;
use crate::apps::no_app;
use crate::bundled;
use crate::node::Inner;
use crate::random::random;
use crate::spaces::no_space;
use crate::store::{AddStage, AddedFile, FilePlace, FileSource, Upload};

/// The bundled app whose spaces say what is shared.
const DROP: &str = "drop";
/// The folder in the data directory for lists of folders while they are made.
const SPOOL: &str = "incoming";

/// Lines about what was left out.
pub(super) type Told = Arc<Mutex<Vec<String>>>;

/// What is being shared.
pub(super) struct Sharing {
    pub(super) space: SpaceId,
    read_key: [u8; 32],
    place: FilePlace,
    job: Arc<Job>,
    done: Mutex<(u64, u64)>,
    size: u64,
    data_dir: PathBuf,
    pub(super) left_out: Told,
}

/// What is in a folder, for those who have not seen its list.
#[derive(Serialize)]
struct Total {
    size: u64,
    files: u64,
}

impl Sharing {
    /// Bytes and files that were read.
    fn done(&self) -> (u64, u64) {
        *self.done.lock().expect("no panic while held")
    }

    /// Bytes of files were read.
    pub(super) fn read(&self, bytes: u64, files: u64) {
        let (bytes, files) = {
            let mut done = self.done.lock().expect("no panic while held");
            *done = (done.0 + bytes, done.1 + files);
            *done
        };
        self.job.tell(JobStage::Reading { bytes, size: self.size.max(bytes), files });
    }

    /// Adds a file of its own blob. It is read twice, and each time counts half.
    pub(super) async fn add(&self, node: &Inner, path: &Path) -> Result<AddedFile> {
        let scope = BlobScope::Space(self.space);
        let source = FileSource::Path(path.to_owned());
        let adding = node.store.add_file(scope, source, Some(self.read_key), self.place);
        let mut progress = adding.progress();
        let finished = adding.finish();
        tokio::pin!(finished);
        let mut told = 0;
        let added = loop {
            tokio::select! {
                done = &mut finished => break done,
                Ok(()) = progress.changed() => {
                    let now = *progress.borrow_and_update();
                    let bytes = match now.stage {
                        AddStage::Reading => now.bytes / 2,
                        AddStage::Sealing => now.size / 2 + now.bytes / 2,
                    };
                    self.read(bytes.saturating_sub(told), 0);
                    told = bytes.max(told);
                }
            }
        };
        let added = added.map_err(|error| not_shared(path, error.into()))?;
        self.read(added.size.saturating_sub(told), 1);
        Ok(added)
    }

    /// Begins a blob whose bytes are not in one file.
    pub(super) async fn upload(&self, node: &Inner) -> Result<Upload> {
        let scope = BlobScope::Space(self.space);
        Ok(node.store.begin_upload(scope, Some(self.read_key)).await?)
    }

    /// A file that goes when it is closed, or at the next start.
    pub(super) fn spool(&self) -> Result<File> {
        let dir = self.data_dir.join(SPOOL);
        let failed = |error: io::Error| self.spool_failed(&error);
        fs::create_dir_all(&dir).map_err(failed)?;
        let path = dir.join(format!("list-{}", super::hex(&random::<32>()?)));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        // Open files go with their last handle; where they can't be removed, the next start does it.
        let _ = fs::remove_file(&path);
        Ok(file)
    }

    pub(super) fn spool_failed(&self, error: &io::Error) -> Error {
        super::export::not_written(&self.data_dir.join(SPOOL), error)
    }
}

impl Inner {
    /// Begins to share files and folders.
    pub(crate) async fn share_files(self: &Arc<Self>, share: Share) -> Result<JobRef> {
        if share.paths.is_empty() || share.paths.len() > MAX_ATTACHMENTS {
            return Err(Error::new(
                ErrorCode::InvalidParams,
                "1 to 64 files and folders are shared at once.",
            )
            .todo("Put more into one folder."));
        }
        if share.take.is_some() && share.paths.len() != 1 {
            return Err(Error::new(ErrorCode::InvalidParams, "One file alone can be taken over."));
        }
        let named = share.paths.iter().map(|path| named(path, share.take.as_deref()));
        let named = named.collect::<Result<Vec<_>>>()?;
        let first = JobStage::Reading { bytes: 0, size: 0, files: 0 };
        let job = self.start_job(first, |node, job| async move {
            let secret = SpaceSecret::from_bytes(random()?);
            let app = bundled::id(DROP).ok_or_else(no_app)?;
            let space = node.join(app, secret, Some(title(&named))).await?;
            let mut made = Made { node: node.clone(), space: Some(space) };
            let shared = node.share_into(job, space, named, &share).await?;
            made.space = None;
            Ok(shared)
        })?;
        Ok(JobRef { job })
    }

    async fn share_into(
        self: &Arc<Self>,
        job: Arc<Job>,
        space: SpaceId,
        named: Vec<(PathBuf, FileName)>,
        share: &Share,
    ) -> Result<JobStage> {
        let record = self.store.space(&space)?.ok_or_else(no_space)?;
        let paths: Vec<_> = named.iter().map(|(path, _)| path.clone()).collect();
        let size = tokio::task::spawn_blocking(move || measure(&paths)).await.unwrap_or_default();
        let copies = share.copy || share.take.is_some();
        let sharing = Sharing {
            space,
            read_key: *record.keys().read.as_bytes(),
            place: if copies { FilePlace::Own } else { FilePlace::Outside },
            job,
            done: Mutex::default(),
            size,
            data_dir: self.config.data_dir.clone(),
            left_out: Told::default(),
        };
        let mut attachments = Vec::new();
        let mut totals = Vec::new();
        for (path, name) in named {
            let is_folder =
                fs::metadata(&path).map_err(|error| unreadable(&path, &error))?.is_dir();
            let before = sharing.done();
            attachments.push(if is_folder {
                self.pack_folder(&sharing, &path, name).await?
            } else {
                let added = sharing.add(self, &path).await?;
                attached(added, name)
            });
            let (size, files) = sharing.done();
            totals
                .push(is_folder.then(|| Total { size: size - before.0, files: files - before.1 }));
        }
        if let (Some(_), Some(path)) = (&share.take, share.paths.first()) {
            // It is a copy by now.
            let _ = fs::remove_file(path);
        }
        let body = Body::Json(serde_json::json!({ "type": "files", "totals": totals }));
        self.spaces.append(&space, EntryKind::App, body, attachments.clone()).await?;
        self.tell_own(&space, attachments)?;
        let link = self.invite(&Invite { target: space.to_string() }).await?.link;
        let (size, files) = sharing.done();
        let left_out = std::mem::take(&mut *sharing.left_out.lock().expect("no panic while held"));
        self.changed();
        Ok(JobStage::Shared { link, space: space.to_string(), size, files, left_out })
    }
}

/// A space that goes again where what it was made for fails, or is given up.
struct Made {
    node: Arc<Inner>,
    space: Option<SpaceId>,
}

impl Drop for Made {
    fn drop(&mut self) {
        let Some(space) = self.space.take() else { return };
        let node = self.node.clone();
        self.node.spawn(async move {
            if let Err(error) = node.leave(&space.to_string()).await {
                tracing::debug!(%space, %error, "a space of what was not shared stays");
            }
        });
    }
}

fn attached(added: AddedFile, name: FileName) -> Attachment {
    let media_type = media_type(name.as_str());
    Attachment {
        hash: added.hash,
        size: added.size,
        folder: false,
        key: added.key,
        name,
        media_type,
    }
}

/// The media type of a name's ending, without parameters.
pub(super) fn media_type(name: &str) -> MediaType {
    let text = kith_app::content_type(name);
    let text = text.split(';').next().unwrap_or_default().trim();
    text.parse().unwrap_or_default()
}

/// A path, and the name that it is shared by.
fn named(path: &str, take: Option<&str>) -> Result<(PathBuf, FileName)> {
    let path = PathBuf::from(path);
    if !path.is_absolute() {
        return Err(Error::new(ErrorCode::InvalidParams, "The path must be absolute."));
    }
    let data = fs::metadata(&path).map_err(|error| unreadable(&path, &error))?;
    if !data.is_file() && !data.is_dir() {
        return Err(Error::new(
            ErrorCode::InvalidParams,
            format!("{} can't be shared.", path.display()),
        )
        .why("It is neither a file nor a folder."));
    }
    // What a link or `..` leads to has the name that it has there.
    let real = path.canonicalize().map_err(|error| unreadable(&path, &error))?;
    let name = match take {
        Some(name) => name.to_owned(),
        None => real.file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let name = name.parse().map_err(|error: kith_log::file::FileError| {
        Error::new(
            ErrorCode::InvalidParams,
            format!("{} can't be shared by its name.", path.display()),
        )
        .why(format!("{error}."))
        .todo("Give it another name.")
    })?;
    Ok((real, name))
}

/// Bytes of files, and of all below folders.
fn measure(paths: &[PathBuf]) -> u64 {
    let size = |path: &PathBuf| match fs::metadata(path) {
        Ok(data) if data.is_dir() => {
            Walk::new(path).map_or(0, |walk| walk.map(|found| found.size).sum())
        }
        Ok(data) => data.len(),
        Err(_) => 0,
    };
    paths.iter().map(size).sum()
}

/// What the space is called.
fn title(named: &[(PathBuf, FileName)]) -> String {
    let more = match named.len() {
        0 | 1 => String::new(),
        n => format!(" and {} more", n - 1),
    };
    let first = named.first().map_or("", |(_, name)| name.as_str());
    let room = MAX_NAME - more.len();
    let mut end = first.len().min(room);
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{more}", &first[..end])
}

/// A file could not be added.
fn not_shared(path: &Path, error: Error) -> Error {
    let why = format!("{} {}", error.what, error.why);
    Error {
        what: format!("{} can't be shared.", path.display()),
        why: why.trim().to_owned(),
        ..error
    }
}

/// A path can't be read.
pub(super) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorCode::NotFound, format!("{} can't be read.", path.display()))
        .why(format!("{error}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_fits_and_is_cut_between_characters() {
        let one = |name: &str| (PathBuf::new(), name.parse::<FileName>().unwrap());
        assert_eq!(title(&[one("a.txt")]), "a.txt");
        assert_eq!(title(&[one("a.txt"), one("b"), one("c")]), "a.txt and 2 more");
        let long = title(&[one(&"ä".repeat(100)), one("b")]);
        assert!(long.len() <= MAX_NAME && long.ends_with("ä and 1 more"), "{long}");
    }

    #[test]
    fn a_type_comes_from_the_name() {
        assert_eq!(media_type("a.png").as_str(), "image/png");
        assert_eq!(media_type("a.html").as_str(), "text/html");
    }
}
