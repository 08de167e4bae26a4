//! Making one blob of a folder: large files are blobs of their own, small ones share some.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use kith_api::{Error, ErrorCode, Result};
use kith_log::file::{
    Attachment, FileName, FolderBlob, FolderError, FolderFile, FolderPath, FolderWriter,
    MAX_FOLDER_BLOBS, MAX_FOLDER_FILES, MAX_PACK_SIZE, MediaType, OWN_BLOB_SIZE,
};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::share::Sharing;
use super::walk::{Found, Walk};
use crate::node::Inner;
use crate::store::{AddedFile, Upload};

/// Files that were read, or looked at, and wait to be taken: 4 MiB of small ones on average.
const QUEUE: usize = 32;
/// Bytes that a folder's blob is written in.
const CHUNK: usize = 256 * 1024;

/// A file of the folder, and the bytes of a small one.
type Read1 = (Found, Option<Vec<u8>>);

/// A file as it waits for the list of blobs to be known: in a file, since there may be millions.
#[derive(Serialize, Deserialize)]
struct Spooled {
    path: String,
    executable: bool,
    size: u64,
    blob: u32,
    offset: u64,
}

/// A folder while it is packed.
struct Packing<'a> {
    node: &'a Arc<Inner>,
    sharing: &'a Sharing,
    blobs: Vec<FolderBlob>,
    /// Blobs of whole files, by their hash: the same file in two places is one blob.
    known: HashMap<[u8; 32], u32>,
    /// The blob of small files that is being filled: its number, and bytes in it.
    pack: Option<(Upload, u32, u64)>,
    spool: BufWriter<File>,
    files: u64,
}

impl Inner {
    /// Adds all files of a folder, and the blob that lists them.
    pub(super) async fn pack_folder(
        self: &Arc<Self>,
        sharing: &Sharing,
        folder: &Path,
        name: FileName,
    ) -> Result<Attachment> {
        let (sender, mut found) = mpsc::channel(QUEUE);
        let (root, told) = (folder.to_owned(), sharing.left_out.clone());
        let walked = tokio::task::spawn_blocking(move || read_all(&root, &sender, &told));
        let mut packing = Packing {
            node: self,
            sharing,
            blobs: Vec::new(),
            known: HashMap::new(),
            pack: None,
            spool: BufWriter::new(sharing.spool()?),
            files: 0,
        };
        while let Some((file, bytes)) = found.recv().await {
            packing.take(file, bytes).await?;
        }
        walked.await.map_err(|_| failed("The folder could not be read."))??;
        packing.finish(name).await
    }
}

impl Packing<'_> {
    async fn take(&mut self, found: Found, bytes: Option<Vec<u8>>) -> Result<()> {
        if self.files == MAX_FOLDER_FILES {
            return Err(Error::new(
                ErrorCode::TooLarge,
                "The folder has more than 4,194,304 files.",
            )
            .todo("Share its folders one by one."));
        }
        self.files += 1;
        let Found { path, at, size, executable } = found;
        let (size, blob, offset) = match bytes {
            Some(bytes) if bytes.is_empty() => (0, 0, 0),
            Some(bytes) => {
                let size = bytes.len() as u64;
                let (blob, offset) = self.pack(bytes.into()).await?;
                self.sharing.read(size, 1);
                (size, blob, offset)
            }
            None if path.ends_with('/') => (size, 0, 0),
            None => {
                let added = self.sharing.add(self.node, &at).await?;
                (added.size, self.blob_of(added)?, 0)
            }
        };
        let file = Spooled { path, executable, size, blob, offset };
        let line = postcard::to_allocvec(&file).map_err(|_| failed("A name can't be written."))?;
        let length = u32::try_from(line.len()).map_err(|_| failed("A name is too long."))?;
        self.spool
            .write_all(&length.to_le_bytes())
            .and_then(|()| self.spool.write_all(&line))
            .map_err(|error| self.sharing.spool_failed(&error))
    }

    /// Puts a small file behind the others: which blob it is in, and where.
    async fn pack(&mut self, bytes: Bytes) -> Result<(u32, u64)> {
        let size = bytes.len() as u64;
        if self.pack.as_ref().is_some_and(|(.., filled)| filled + size > MAX_PACK_SIZE) {
            self.close_pack().await?;
        }
        let (upload, number, filled) = match &mut self.pack {
            Some(pack) => pack,
            none => {
                let number = next_number(&self.blobs)?;
                // Its place among the blobs, until it is known.
                self.blobs.push(FolderBlob { hash: [0; 32], size: 0, key: None });
                none.insert((self.sharing.upload(self.node).await?, number, 0))
            }
        };
        let offset = *filled;
        upload.write(bytes).await?;
        *filled += size;
        Ok((*number, offset))
    }

    async fn close_pack(&mut self) -> Result<()> {
        if let Some((upload, number, _)) = self.pack.take() {
            let added = upload.finish().await?;
            let blob = FolderBlob { hash: added.hash, size: added.size, key: added.key };
            self.blobs[number as usize] = blob;
        }
        Ok(())
    }

    fn blob_of(&mut self, added: AddedFile) -> Result<u32> {
        if let Some(known) = self.known.get(&added.hash) {
            return Ok(*known);
        }
        let number = next_number(&self.blobs)?;
        self.blobs.push(FolderBlob { hash: added.hash, size: added.size, key: added.key });
        self.known.insert(added.hash, number);
        Ok(number)
    }

    async fn finish(mut self, name: FileName) -> Result<Attachment> {
        self.close_pack().await?;
        let Self { node, sharing, blobs, spool, files, .. } = self;
        let mut spool = spool.into_inner().map_err(|error| sharing.spool_failed(error.error()))?;
        spool.seek(SeekFrom::Start(0)).map_err(|error| sharing.spool_failed(&error))?;
        let pieces: Vec<_> = blobs.iter().map(|blob| blob.hash).collect();
        let size = blobs.iter().map(|blob| blob.size).fold(0, u64::saturating_add);
        let (sender, mut chunks) = mpsc::channel(2);
        let written = tokio::task::spawn_blocking(move || {
            let out = BufWriter::with_capacity(CHUNK, Chunks(sender));
            write_list(out, &blobs, files, BufReader::new(spool))
        });
        let mut upload = sharing.upload(node).await?;
        while let Some(chunk) = chunks.recv().await {
            upload.write(chunk).await?;
        }
        written.await.map_err(|_| failed("The folder's list could not be written."))??;
        let added = upload.finish().await?;
        node.store.add_pieces(sharing.space, added.hash, pieces, size).await?;
        node.store.folder_is_here(sharing.space, added.hash).await?;
        Ok(Attachment {
            hash: added.hash,
            size: added.size,
            folder: true,
            key: added.key,
            name,
            media_type: MediaType::default(),
        })
    }
}

fn next_number(blobs: &[FolderBlob]) -> Result<u32> {
    let number = blobs.len() as u64;
    if number >= MAX_FOLDER_BLOBS {
        return Err(Error::new(
            ErrorCode::TooLarge,
            "The folder has more than 1,048,576 large files.",
        )
        .todo("Share its folders one by one."));
    }
    u32::try_from(number).map_err(|_| failed("Too many blobs."))
}

fn failed(what: &str) -> Error {
    Error::new(ErrorCode::Internal, what)
}

/// Walks a folder and reads the small files; ends early where nobody takes them any more.
fn read_all(root: &Path, files: &mpsc::Sender<Read1>, left_out: &super::share::Told) -> Result<()> {
    let mut walk = Walk::new(root).map_err(|error| super::share::unreadable(root, &error))?;
    while let Some(mut found) = walk.next() {
        let mut bytes = None;
        if found.size < OWN_BLOB_SIZE && !found.path.ends_with('/') {
            match read_small(&found) {
                Ok(read) => bytes = Some(read),
                Err(error) => {
                    walk.left_out.add(&found.at, &error.to_string());
                    continue;
                }
            }
            found.size = bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        }
        if files.blocking_send((found, bytes)).is_err() {
            break;
        }
    }
    left_out.lock().expect("no panic while held").extend(walk.left_out.into_lines());
    Ok(())
}

/// The bytes of a small file, which may have changed since it was looked at.
fn read_small(found: &Found) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(found.size).unwrap_or_default());
    let mut file = File::open(&found.at)?.take(OWN_BLOB_SIZE + 1);
    file.read_to_end(&mut bytes)?;
    if bytes.len() as u64 > OWN_BLOB_SIZE {
        return Err(io::Error::other("it grows while it is read"));
    }
    Ok(bytes)
}

fn write_list(
    out: BufWriter<Chunks>,
    blobs: &[FolderBlob],
    files: u64,
    mut spool: BufReader<File>,
) -> Result<()> {
    let bad = |error: FolderError| {
        failed("The folder's list could not be written.").why(error.to_string())
    };
    let io = |error: io::Error| bad(error.into());
    let mut writer = FolderWriter::new(out, blobs, files).map_err(bad)?;
    for _ in 0..files {
        let mut length = [0; 4];
        spool.read_exact(&mut length).map_err(io)?;
        let mut line = vec![0; u32::from_le_bytes(length) as usize];
        spool.read_exact(&mut line).map_err(io)?;
        let file: Spooled = postcard::from_bytes(&line).map_err(|_| failed("A name got lost."))?;
        let Spooled { path, executable, size, blob, offset } = file;
        let path: FolderPath =
            path.parse().map_err(|error: kith_log::file::FileError| bad_path(&error))?;
        writer.write(&FolderFile { path, executable, size, blob, offset }).map_err(bad)?;
    }
    let mut out = writer.finish().map_err(bad)?;
    out.flush().map_err(io)
}

fn bad_path(error: &kith_log::file::FileError) -> Error {
    failed("A path can't be shared.").why(error.to_string())
}

/// Writes into a queue of chunks.
struct Chunks(mpsc::Sender<Bytes>);

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send(Bytes::copy_from_slice(bytes)).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
