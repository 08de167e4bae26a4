//! Files as the gateway hands them out and takes them in.

use std::sync::Arc;

use bytes::Bytes;
use kith_api::{
    BoxFuture, Error, ErrorCode, FileBytes, FileRef, FileSink, Files, Invite, InviteLink, NewFile,
    OpenFile, Result,
};
use kith_app::{AppId, Permission};
use kith_log::SpaceId;
use kith_log::file::{Attachment, FileName, MediaType};
use kith_overlay::blob::GROUP;
use kith_overlay::storage::{BlobScope, BlobState, MAX_BLOB_READ};

use super::fetch::{Begun, Fetching, Piece, State};
use super::{file_ref, no_file, parse_hash};
use crate::node::{Inner, Node};
use crate::store::{StoreError, Upload};

/// Bytes that are fetched first for a reader that waits: what it will want next.
const AHEAD: u64 = 1024 * 1024;

impl Files for Node {
    fn open_file<'a>(
        &'a self,
        space: &'a SpaceId,
        path: &'a str,
    ) -> BoxFuture<'a, Result<OpenFile>> {
        Box::pin(self.inner.open_file(space, path))
    }

    fn receive_file<'a>(
        &'a self,
        space: &'a SpaceId,
        file: NewFile,
    ) -> BoxFuture<'a, Result<Box<dyn FileSink>>> {
        Box::pin(self.inner.receive_file(*space, file))
    }
}

impl Inner {
    pub(super) async fn open_file(
        self: &Arc<Self>,
        space: &SpaceId,
        path: &str,
    ) -> Result<OpenFile> {
        let app = self.spaces.get(space)?.app;
        let (hash, inside) = match path.split_once('/') {
            None => (path, None),
            Some((hash, inside)) => (hash, Some(inside)),
        };
        let (hash, claim) = match hash.split_once('-') {
            None => (hash, None),
            Some((hash, claim)) => (hash, Some(claim)),
        };
        let hash = parse_hash(hash)?;
        let attachment = self.claimed(*space, hash, claim).await?;
        if self.store.proven_size(&hash)?.is_some_and(|size| size != attachment.size) {
            return Err(StoreError::OtherSize.into());
        }
        let Some(inside) = inside else {
            let piece = Piece::of(&attachment);
            let size = attachment.size;
            return Ok(OpenFile {
                name: attachment.name.as_str().to_owned(),
                media_type: attachment.media_type.as_str().to_owned(),
                size,
                tag: tag(&piece, 0),
                bytes: self.reader(*space, app, piece, 0, Some(attachment)),
            });
        };
        let found = self.find_in_folder(*space, app, &attachment, inside).await?;
        let name = inside.rsplit('/').next().unwrap_or(inside);
        Ok(OpenFile {
            name: name.to_owned(),
            media_type: kith_app::content_type(name).to_owned(),
            size: found.size,
            tag: tag(&found.piece, found.offset),
            bytes: self.reader(*space, app, found.piece, found.offset, None),
        })
    }

    fn reader(
        self: &Arc<Self>,
        space: SpaceId,
        app: AppId,
        piece: Piece,
        start: u64,
        whole: Option<Attachment>,
    ) -> Arc<dyn FileBytes> {
        let (node, fetching) = (self.clone(), std::sync::Mutex::default());
        Arc::new(Reader { node, space, app, piece, start, whole, fetching })
    }

    pub(super) async fn receive_file(
        self: &Arc<Self>,
        space: SpaceId,
        file: NewFile,
    ) -> Result<Box<dyn FileSink>> {
        let bad = |error: kith_log::file::FileError| {
            Error::new(ErrorCode::InvalidParams, "This can't be the name or type of a file.")
                .why(format!("{error}."))
        };
        let name: FileName = file.name.parse().map_err(bad)?;
        let media_type: MediaType = file.media_type.parse().map_err(bad)?;
        let record = self.store.space(&space)?.ok_or_else(crate::spaces::no_space)?;
        let read_key = (!record.public).then(|| *record.keys().read.as_bytes());
        let upload = self.store.begin_upload(BlobScope::Space(space), read_key).await?;
        Ok(Box::new(Sink { node: self.clone(), space, upload, name, media_type }))
    }
}

/// What differs where the bytes differ: the same blob is another file by another key.
fn tag(piece: &Piece, offset: u64) -> [u8; 32] {
    let mut tag = blake3::Hasher::new();
    tag.update(&piece.hash).update(&offset.to_le_bytes());
    if let Some(key) = &piece.key {
        tag.update(key.as_bytes());
    }
    *tag.finalize().as_bytes()
}

/// The bytes of a file that is here, or comes.
struct Reader {
    node: Arc<Inner>,
    space: SpaceId,
    app: AppId,
    piece: Piece,
    /// Where the file stands in its blob.
    start: u64,
    /// What an entry says of it, where the blob is the file: its pages are told how far it is.
    whole: Option<Attachment>,
    /// Fetched for as long as somebody reads.
    fetching: std::sync::Mutex<Option<Arc<Fetching>>>,
}

impl Reader {
    /// Bytes from an offset on that are here, without a gap.
    fn here(&self, offset: u64) -> Result<u64> {
        let scope = BlobScope::Space(self.space);
        let end = match self.node.store.blob(scope, &self.piece.hash)? {
            BlobState::Absent => 0,
            BlobState::Complete { size } => size,
            BlobState::Partial { size, held } => {
                let group = offset / GROUP;
                let range = held.ranges().iter().find(|range| range.contains(&group));
                range.map_or(0, |range| range.end.saturating_mul(GROUP).min(size))
            }
        };
        Ok(end.saturating_sub(offset))
    }

    async fn read(&self, offset: u64, most: usize) -> Result<Bytes> {
        let at = self.start + offset;
        let most = most.min(MAX_BLOB_READ) as u64;
        loop {
            let here = self.here(at)?.min(most);
            if here > 0 {
                let length = usize::try_from(here).expect("at most 1 MiB");
                let Piece { hash, key, .. } = &self.piece;
                let scope = BlobScope::Space(self.space);
                let read = self.node.store.read_opened(scope, hash, key.clone(), at, length);
                return Ok(read.await?);
            }
            self.wait(at..(at + most.max(AHEAD)).min(self.piece.size)).await?;
        }
    }

    /// Waits until something of a range may be here.
    async fn wait(&self, range: std::ops::Range<u64>) -> Result<()> {
        let held = self.fetching.lock().expect("no panic while held").clone();
        let fetching = match held {
            Some(fetching) => fetching,
            None => {
                let begun = self.node.begin(self.space, self.app, &self.piece, None).await?;
                let Begun::Coming(fetching) = begun else { return Ok(()) };
                if let Some(whole) = self.whole.clone() {
                    self.node.follow_read(self.space, self.app, whole, &fetching);
                }
                *self.fetching.lock().expect("no panic while held") = Some(fetching.clone());
                fetching
            }
        };
        let mut state = fetching.watch();
        state.mark_unchanged();
        if self.here(range.start)? > 0 {
            return Ok(());
        }
        fetching.urgent(range);
        let over = fetching.over(&state.borrow(), &self.piece);
        match over {
            Some(Err(error)) => Err(error),
            // It is here, or was deleted since: then it is fetched again.
            Some(Ok(())) => {
                *self.fetching.lock().expect("no panic while held") = None;
                Ok(())
            }
            None => {
                // A fetch that ended says so by its last state.
                let _ = state.changed().await;
                Ok(())
            }
        }
    }
}

impl Drop for Reader {
    /// Nobody reads on. Where every byte is here, the fetch still says that the file is complete;
    /// ended before, it would be one that waits for nothing.
    fn drop(&mut self) {
        let Some(fetching) = self.fetching.get_mut().ok().and_then(Option::take) else { return };
        let scope = BlobScope::Space(self.space);
        let is_whole = matches!(
            self.node.store.blob(scope, &self.piece.hash),
            Ok(BlobState::Partial { size, held }) if held.bytes(size) == size
        );
        if let (true, Ok(runtime)) = (is_whole, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let mut state = fetching.watch();
                let _ = state.wait_for(State::is_over).await;
            });
        }
    }
}

impl FileBytes for Reader {
    fn read<'a>(&'a self, offset: u64, most: usize) -> BoxFuture<'a, Result<Bytes>> {
        Box::pin(self.read(offset, most))
    }
}

/// A file that a page hands in.
struct Sink {
    node: Arc<Inner>,
    space: SpaceId,
    upload: Upload,
    name: FileName,
    media_type: MediaType,
}

impl FileSink for Sink {
    fn write<'a>(&'a mut self, bytes: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { Ok(self.upload.write(bytes).await?) })
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<FileRef>> {
        Box::pin(async move {
            let Self { node, space, upload, name, media_type } = *self;
            // The space may have been left meanwhile.
            node.spaces.get(&space).map_err(|_| no_file())?;
            let added = upload.finish().await?;
            let attachment = Attachment {
                hash: added.hash,
                size: added.size,
                folder: false,
                key: added.key,
                name,
                media_type,
            };
            let reference = file_ref(&attachment);
            node.uploads.put(space, attachment);
            Ok(reference)
        })
    }
}

impl Inner {
    /// A link into the space of a page whose person granted that.
    pub(crate) async fn link_for_page(self: &Arc<Self>, space: SpaceId) -> Result<InviteLink> {
        let app = self.spaces.get(&space)?.app;
        let granted = self.apps.granted(&app).unwrap_or_default();
        if !granted.contains(&Permission::Invite) {
            return Err(Error::new(ErrorCode::NotPermitted, "This app may not make links.")
                .why("Its manifest does not ask for “invite”."));
        }
        self.invite(&Invite { target: space.to_string() }).await
    }
}
