//! Folders of others: what is in them, and bringing all of it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_api::{
    Error, ErrorCode, FileStage, FolderFileInfo, FolderFiles, FolderRead, MAX_FOLDER_READ, Result,
};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_log::file::{Attachment, FolderBlob, FolderError, FolderFile, FolderReader};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::export::{Opened, Part, not_written, sync_below, write_parts};
use super::fetch::{Begun, Piece, State};
use super::lists::{self, Place};
use super::meter::Meter;
use super::names::{Rules, Written};
use super::transfers::{MAX_FETCHES, Transfer};
use super::{no_file, parse_hash};
use crate::node::Inner;

/// Files that one `blobs.files` returns where the page names no limit.
const DEFAULT_READ: usize = 100;
/// Small files of one blob that are written at once. Bounds what waits in memory, with those under way:
/// 16,384 paths.
const MAX_PARTS: usize = 1_024;
/// Steps that were read from a folder's list and wait.
const QUEUE: usize = 8;

/// A file of a folder, and the blob that it is a part of.
pub(super) struct InFolder {
    pub(super) piece: Piece,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// What is to be done for the next files of a folder.
enum Step {
    /// A blob is one file.
    Whole { piece: Piece, to: PathBuf, executable: bool },
    /// Files are parts of a blob. `new`: the first ones of it.
    Parts { piece: Piece, parts: Vec<Part>, new: bool },
    /// A folder with nothing in it, or a file.
    Empty { to: PathBuf, is_folder: bool },
    /// A blob that no file is written from: it goes to the store.
    Blob(Piece),
}

impl From<&FolderBlob> for Piece {
    fn from(blob: &FolderBlob) -> Self {
        Self { hash: blob.hash, size: blob.size, key: blob.key.clone() }
    }
}

impl Inner {
    /// The list of a folder that is here. For threads that may wait.
    pub(super) fn list(
        &self,
        space: SpaceId,
        folder: &Attachment,
        runtime: Handle,
    ) -> Result<FolderReader<Opened>> {
        let opened = Opened::new(self.store.clone(), runtime, space, Piece::of(folder));
        FolderReader::new(opened).map_err(|error| bad_folder(&error))
    }

    /// A place in the list of a folder that is here, no further than `may_pass` says. For threads that
    /// may wait.
    fn place_in(
        &self,
        space: SpaceId,
        folder: &Attachment,
        runtime: Handle,
        may_pass: impl Fn(&str) -> bool,
    ) -> Result<Place<Opened>> {
        match self.transfers.lists.take(&list_of(space, folder), may_pass) {
            Some(place) => Ok(place),
            None => {
                Place::start(self.list(space, folder, runtime)?).map_err(|error| bad_folder(&error))
            }
        }
    }

    /// Waits until a blob is here, wherever that is.
    async fn await_piece(&self, space: SpaceId, app: AppId, piece: &Piece) -> Result<()> {
        let Begun::Coming(fetching) = self.begin(space, app, piece, None).await? else {
            return Ok(());
        };
        let mut state = fetching.watch();
        let over = state.wait_for(State::is_over).await.map_err(|_| stopped())?;
        fetching.over(&over, piece).unwrap_or_else(|| Err(stopped()))
    }

    /// A file of a folder, by its path.
    pub(super) async fn find_in_folder(
        self: &Arc<Self>,
        space: SpaceId,
        app: AppId,
        folder: &Attachment,
        path: &str,
    ) -> Result<InFolder> {
        if !folder.folder {
            return Err(no_file());
        }
        self.await_piece(space, app, &Piece::of(folder)).await?;
        let (node, folder, path) = (self.clone(), folder.clone(), path.to_owned());
        let runtime = Handle::current();
        let find = move || {
            let mut place =
                node.place_in(space, &folder, runtime, |passed| passed < path.as_str())?;
            place.skip(|other| other < path.as_str()).map_err(|error| bad_folder(&error))?;
            let file = place.peek().filter(|file| file.path.as_str() == path);
            let found = file.filter(|file| !file.path.is_folder()).map(|file| {
                let FolderFile { size, blob, offset, .. } = *file;
                let piece = match place.blobs().get(blob as usize).filter(|_| size > 0) {
                    Some(blob) => Piece::from(blob),
                    None => Piece { hash: [0; 32], size: 0, key: None },
                };
                InFolder { piece, offset, size }
            });
            node.transfers.lists.put(list_of(space, &folder), place);
            found.ok_or_else(no_file)
        };
        blocking(find).await
    }

    /// Files of a folder, for its pages.
    pub(crate) async fn folder_files(
        self: &Arc<Self>,
        space: SpaceId,
        read: FolderRead,
    ) -> Result<FolderFiles> {
        let app = self.spaces.get(&space)?.app;
        let folder = self.settled(space, parse_hash(&read.hash)?).await?;
        if folder.folder {
            self.await_piece(space, app, &Piece::of(&folder)).await?;
        }
        // What came may show that another claim is right.
        let folder = self.settled(space, folder.hash).await?;
        if !folder.folder {
            return Err(no_file());
        }
        let (node, runtime) = (self.clone(), Handle::current());
        blocking(move || {
            let limit = read.limit.unwrap_or(DEFAULT_READ).clamp(1, MAX_FOLDER_READ);
            let after = read.after.unwrap_or_default();
            let mut place =
                node.place_in(space, &folder, runtime, |passed| passed <= after.as_str())?;
            place.skip(|path| path <= after.as_str()).map_err(|error| bad_folder(&error))?;
            let mut files = Vec::new();
            while files.len() < limit {
                let file = place.advance().map_err(|error| bad_folder(&error))?;
                let Some(file) = file else { return Ok(FolderFiles { files, more: false }) };
                files.push(file_info(&folder, &file));
            }
            let more = place.peek().is_some();
            node.transfers.lists.put(list_of(space, &folder), place);
            Ok(FolderFiles { files, more })
        })
        .await
    }

    /// Brings all files of a folder, to the store or to where they are written.
    pub(super) async fn bring_folder(self: &Arc<Self>, transfer: &Arc<Transfer>) -> Result<()> {
        let (space, hash) = transfer.key;
        let folder = transfer.attachment();
        transfer.update(|meter| meter.stage = FileStage::Waiting);
        self.await_piece(space, transfer.app, &Piece::of(&folder)).await?;
        let (node, of, runtime) = (self.clone(), folder, Handle::current());
        let blobs = blocking(move || Ok(node.list(space, &of, runtime)?.blobs().to_vec())).await?;
        let size = blobs.iter().map(|blob| blob.size).fold(0, u64::saturating_add);
        transfer.update(|meter| *meter = Meter::new(FileStage::Fetching, size, 0));
        let sizes = blobs.iter().map(|blob| (blob.hash, blob.size)).collect();
        self.store.look_for_room(transfer.destination(), sizes).await?;
        let pieces = blobs.iter().map(|blob| blob.hash).collect();
        self.store.add_pieces(space, hash, pieces, size).await?;
        let (sender, mut steps) = mpsc::channel(QUEUE);
        let (node, of, runtime) = (self.clone(), transfer.clone(), Handle::current());
        let planned = tokio::task::spawn_blocking(move || match of.destination() {
            Some(to) => node.plan(&of, &to, &sender, runtime),
            None => plan_store(blobs, &sender),
        });
        let mut under_way = JoinSet::new();
        while let Some(step) = steps.recv().await {
            if under_way.len() >= MAX_FETCHES
                && let Some(done) = under_way.join_next().await
            {
                done.map_err(|_| stopped())??;
            }
            let (node, transfer) = (self.clone(), transfer.clone());
            under_way.spawn(async move { node.take_step(&transfer, step).await });
        }
        while let Some(done) = under_way.join_next().await {
            done.map_err(|_| stopped())??;
        }
        planned.await.map_err(|_| stopped())??;
        match transfer.destination() {
            Some(to) => {
                blocking(move || {
                    std::fs::create_dir_all(&to).map_err(|error| not_written(&to, &error))?;
                    sync_below(&to).map_err(|error| not_written(&to, &error))
                })
                .await
            }
            None => Ok(()),
        }
    }

    /// What is to be done for a folder that is written to disk. For a thread that may wait.
    fn plan(
        &self,
        transfer: &Transfer,
        to: &Path,
        steps: &mpsc::Sender<Step>,
        runtime: Handle,
    ) -> Result<()> {
        let mut list = self.list(transfer.key.0, &transfer.attachment(), runtime)?;
        let mut written = Written::new(Rules::HERE);
        // Blobs that were told of before: each is counted once, and written out of from then on.
        let mut seen = vec![false; list.blobs().len()];
        let mut parts: Vec<Part> = Vec::new();
        let mut of: Option<(u32, bool)> = None;
        while let Some(file) = list.next() {
            let file = file.map_err(|error| bad_folder(&error))?;
            let (path, changed) = written.path(file.path.as_str());
            if changed {
                transfer.rename(file.path.as_str(), &path.to_string_lossy());
            }
            let to = to.join(path);
            let step = if file.size == 0 {
                Step::Empty { to, is_folder: file.path.is_folder() }
            } else {
                let blob = &list.blobs()[file.blob as usize];
                let new = !std::mem::replace(&mut seen[file.blob as usize], true);
                let piece = Piece::from(blob);
                if new && file.offset == 0 && file.size == blob.size && blob.size >= OWN {
                    Step::Whole { piece, to, executable: file.executable }
                } else {
                    let FolderFile { offset, size, executable, .. } = file;
                    if of.is_some_and(|(blob, _)| blob != file.blob) || parts.len() == MAX_PARTS {
                        flush(&mut parts, &mut of, list.blobs(), steps);
                    }
                    of.get_or_insert((file.blob, new)).1 |= new;
                    parts.push(Part { offset, size, to, executable });
                    continue;
                }
            };
            if steps.blocking_send(step).is_err() {
                return Ok(());
            }
        }
        flush(&mut parts, &mut of, list.blobs(), steps);
        Ok(())
    }

    async fn take_step(self: &Arc<Self>, transfer: &Transfer, step: Step) -> Result<()> {
        match step {
            Step::Blob(piece) => self.bring_piece(transfer, &piece, None).await,
            Step::Whole { piece, to, executable } => {
                make_folder_of(&to).await?;
                self.bring_piece(transfer, &piece, Some(&to)).await?;
                if self.store.file_path(&piece.hash)?.as_ref() != Some(&to) {
                    // It is here in another place.
                    let part = Part { offset: 0, size: piece.size, to, executable };
                    return self.write_out(transfer, piece, vec![part]).await;
                }
                if executable {
                    blocking(move || {
                        super::walk::make_executable(&to).map_err(|error| not_written(&to, &error))
                    })
                    .await?;
                }
                Ok(())
            }
            Step::Parts { piece, parts, new } => {
                if new {
                    self.bring_piece(transfer, &piece, None).await?;
                } else {
                    self.await_piece(transfer.key.0, transfer.app, &piece).await?;
                }
                self.write_out(transfer, piece, parts).await
            }
            Step::Empty { to, is_folder } => {
                make_folder_of(&to).await?;
                blocking(move || {
                    let made = if is_folder {
                        std::fs::create_dir_all(&to)
                    } else {
                        std::fs::File::create(&to).map(|_| ())
                    };
                    made.map_err(|error| not_written(&to, &error))
                })
                .await
            }
        }
    }

    async fn write_out(&self, transfer: &Transfer, piece: Piece, parts: Vec<Part>) -> Result<()> {
        let (store, runtime, space) = (self.store.clone(), Handle::current(), transfer.key.0);
        blocking(move || write_parts(&mut Opened::new(store, runtime, space, piece), &parts)).await
    }
}

fn list_of(space: SpaceId, folder: &Attachment) -> lists::Key {
    (space, folder.hash, folder.size, folder.key.as_ref().map(|key| *key.as_bytes()))
}

/// A file of a folder, as pages see it.
fn file_info(folder: &Attachment, file: &FolderFile) -> FolderFileInfo {
    let path = file.path.as_str();
    let encoded = crate::manage::encode_path(path);
    FolderFileInfo {
        url: format!("{}/{encoded}", super::file_ref(folder).url),
        media_type: super::share::media_type(path).as_str().to_owned(),
        path: path.to_owned(),
        size: file.size,
    }
}

/// Smallest blob that is written to its place while it comes.
const OWN: u64 = 64 * 1024;

/// What is to be done for a folder that goes to the store.
fn plan_store(blobs: Vec<FolderBlob>, steps: &mpsc::Sender<Step>) -> Result<()> {
    for blob in &blobs {
        if steps.blocking_send(Step::Blob(blob.into())).is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends the parts that were gathered. Where nobody takes them any more, it ends elsewhere.
fn flush(
    parts: &mut Vec<Part>,
    of: &mut Option<(u32, bool)>,
    blobs: &[FolderBlob],
    steps: &mpsc::Sender<Step>,
) {
    let Some((blob, new)) = of.take() else { return };
    let piece = Piece::from(&blobs[blob as usize]);
    let _ = steps.blocking_send(Step::Parts { piece, parts: std::mem::take(parts), new });
}

async fn make_folder_of(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    tokio::fs::create_dir_all(folder).await.map_err(|error| not_written(folder, &error))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| stopped())?
}

fn stopped() -> Error {
    Error::new(ErrorCode::Internal, "The folder could not be read or written.")
}

fn bad_folder(error: &FolderError) -> Error {
    match error {
        FolderError::Io(error) => {
            Error::new(ErrorCode::Storage, "The folder's list can't be read.")
                .why(format!("{error}."))
        }
        error => Error::new(ErrorCode::BadBundle, "The folder's list breaks a rule.")
            .why(format!("{error}."))
            .todo("Ask whoever shared it to share it again."),
    }
}
