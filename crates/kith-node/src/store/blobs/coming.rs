//! Fetching a blob to where a person wants it.
//!
//! Opened bytes are written to a hidden file beside the place, whose row says what of it is there.
//! At the end that file is given its name, never that of a file that exists:
//!
//! 1. everything is synced,
//! 2. it is renamed, and the folder synced,
//! 3. the row says where it is.
//!
//! After a crash between the last two the hidden file is gone, and one of the names that it may have
//! got is that file's, by its number on its file system. Where files have none to tell, the row says
//! before the renaming which name it will be.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kith_log::file::{FileKey, MAX_NAME_LEN};
use kith_overlay::blob::Groups;
use kith_overlay::storage::BlobScope;

use super::add::scope_key;
use super::files::{self, stored};
use super::live::Live;
use super::place::{Coming, Outside, Place};
use super::table::{self, Blob};
use super::transfer::blocking;
use super::{BLOBS, OUTSIDE};
use crate::store::disk::{Disk, Open, Stamp};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::platform::bytes_of_path;
use crate::store::writer::Tx;

/// Smallest blob of our own whose row is written before anything of it has come: of a smaller one
/// nothing is found again after a crash. 1 MiB, what a page's picture rarely has.
const ROW_FIRST: u64 = 1024 * 1024;
/// What the hidden file's name ends with.
const PART: &str = ".kith-part";
/// Names that are tried for one file.
const MAX_NAMES: u32 = 10_000;

/// Where the bytes of a blob will go, or are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// To the place that was given; some may be there.
    Destination,
    /// To the folder of blobs, or there in part: it is to be copied from there at the end.
    Own,
    /// All of it is here: in a file of the person's, or of our own.
    Held(Option<PathBuf>),
}

impl Store {
    /// Says where a blob goes before it is fetched: with a destination, its opened bytes become that
    /// file, or one with a number in its name, where there is a file of that name by then.
    ///
    /// What a transfer to another destination had fetched before is given up.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the destination's folder is missing; [`StoreError::NotPlain`]
    /// where it has no name; [`StoreError::OtherSize`] where what is here of it proves that;
    /// [`StoreError::NoRoom`]; the disk's.
    pub async fn expect_file(
        &self,
        scope: BlobScope,
        hash: &[u8; 32],
        size: u64,
        key: Option<FileKey>,
        destination: Option<PathBuf>,
    ) -> Result<Expected, StoreError> {
        let (store, hash) = (self.clone(), *hash);
        // To its end, whether or not somebody waits for it: a part must not stay without a row.
        let expecting = tokio::spawn(async move {
            let mut blob = Blob { key, ..Blob::new(size, scope) };
            let is_wanted = destination.is_some();
            if let Some(path) = destination {
                let path =
                    std::path::absolute(&path).map_err(|e| StoreError::io("find", &path, e))?;
                if path.file_name().is_none() {
                    return Err(StoreError::NotPlain { path });
                }
                let part = PathBuf::new();
                blob.place = Place::Coming(Coming { part, inode: 0, wanted: path, moving: None });
            }
            store.expect_now(hash, blob, is_wanted).await
        });
        expecting.await.map_err(|_| StoreError::Closed)?
    }

    async fn expect_now(
        &self,
        hash: [u8; 32],
        mut blob: Blob,
        is_wanted: bool,
    ) -> Result<Expected, StoreError> {
        self.settle(hash).await?;
        let live = self.blobs().live(&hash);
        let held = match &live {
            Some(live) => Some(live.blob()),
            None => stored(self.database(), &hash)?,
        };
        if held.as_ref().is_some_and(|held| held.size != blob.size && held.is_size_proven()) {
            return Err(StoreError::OtherSize);
        }
        // Without a destination it goes on where it is.
        let goes_on = held.as_ref().filter(|held| !is_wanted && held.size == blob.size);
        let folder = match &goes_on.unwrap_or(&blob).place {
            Place::Coming(coming) => coming.wanted.parent().map(Path::to_owned),
            Place::Own | Place::Outside(_) => None,
        };
        self.look_for_room(folder, vec![(hash, blob.size)]).await?;
        if let Some(held) = &held
            && let Some(expected) = self.goes_on(&hash, held, &blob)
        {
            let scopes = blob.scopes.clone();
            if let Some(live) = live {
                live.change(|blob| blob.join(&scopes));
            }
            self.write(1024, move |tx| {
                if let Some(mut row) = table::find(&tx.look(BLOBS)?, &hash)?
                    && row.join(&scopes)
                {
                    table::replace(tx, &hash, &row)?;
                }
                Ok(())
            })
            .await?;
            return Ok(expected);
        }
        drop(live);
        if let Some(held) = held {
            blob.join(&held.scopes);
            self.delete(hash, true).await?;
        }
        if !is_wanted {
            self.expect_own(hash, blob).await?;
            return Ok(Expected::Own);
        }
        let _claim = self.blobs().claim(&hash).await;
        let store = self.clone();
        let blob = blocking(move || {
            if let Place::Coming(coming) = &mut blob.place {
                make_part(&**store.blobs().disk(), coming)?;
            }
            Ok(blob)
        })
        .await?;
        let place = blob.place.clone();
        let written = self.write(1024, move |tx| table::replace(tx, &hash, &blob)).await;
        if let (Err(_), Place::Coming(coming)) = (&written, &place) {
            files::remove(&**self.blobs().disk(), &coming.part);
        }
        written.map(|()| Expected::Destination)
    }

    /// Writes the row of a large blob that is about to come to the folder of blobs: without one, what
    /// came of it would not outlive a crash.
    async fn expect_own(&self, hash: [u8; 32], blob: Blob) -> Result<(), StoreError> {
        if blob.size < ROW_FIRST {
            return Ok(());
        }
        // Its file has it as it is sent.
        let blob = Blob { key: None, ..blob };
        self.write(1024, move |tx| {
            let is_new = table::find(&tx.look(BLOBS)?, &hash)?.is_none();
            if is_new { table::replace(tx, &hash, &blob) } else { Ok(()) }
        })
        .await
    }

    /// What becomes of a blob that is here in part, or all of it; `None` where it has to begin anew.
    fn goes_on(&self, hash: &[u8; 32], held: &Blob, new: &Blob) -> Option<Expected> {
        if held.size != new.size {
            return None;
        }
        match (&held.place, &new.place) {
            (Place::Own, _) if held.complete => Some(Expected::Held(None)),
            (Place::Own, _) => Some(Expected::Own),
            (Place::Outside(outside), _) => {
                let path = outside.path.clone();
                self.is_as_it_was(hash, outside).then_some(Expected::Held(Some(path)))
            }
            (Place::Coming(held_coming), Place::Coming(new_coming)) => {
                let disk = &**self.blobs().disk();
                let same = held_coming.wanted == new_coming.wanted && held.key == new.key;
                let stamp = disk.stamp(&held_coming.part);
                let is_there = stamp.is_ok_and(|stamp| files::is_part(&stamp, held_coming, held));
                (same && is_there).then_some(Expected::Destination)
            }
            (Place::Coming(_), Place::Own | Place::Outside(_)) => Some(Expected::Destination),
        }
    }

    /// Whether all of a blob is here, in whatever scope and place.
    ///
    /// # Errors
    /// The disk's.
    pub fn is_whole(&self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(stored(self.database(), hash)?.is_some_and(|blob| blob.complete))
    }

    /// The size of a blob, where what is here of it proves it.
    ///
    /// # Errors
    /// The disk's.
    pub fn proven_size(&self, hash: &[u8; 32]) -> Result<Option<u64>, StoreError> {
        let blob = match self.blobs().live(hash) {
            Some(live) => Some(live.blob()),
            None => stored(self.database(), hash)?,
        };
        Ok(blob.filter(Blob::is_size_proven).map(|blob| blob.size))
    }

    /// What opens the bytes that are sent of a blob, where its file has the opened ones.
    ///
    /// # Errors
    /// The disk's.
    pub fn file_key(&self, hash: &[u8; 32]) -> Result<Option<FileKey>, StoreError> {
        Ok(stored(self.database(), hash)?.and_then(|blob| blob.key))
    }

    /// Where a blob is in a file of the person's, or will be.
    ///
    /// # Errors
    /// The disk's.
    pub fn file_path(&self, hash: &[u8; 32]) -> Result<Option<PathBuf>, StoreError> {
        Ok(stored(self.database(), hash)?.and_then(|blob| match blob.place {
            Place::Outside(outside) => Some(outside.path),
            Place::Coming(coming) => Some(coming.wanted),
            Place::Own => None,
        }))
    }

    /// Gives a file all of whose bytes have come its name.
    pub(super) async fn finish_coming(
        &self,
        hash: [u8; 32],
        live: Arc<Live>,
    ) -> Result<(), StoreError> {
        let mut blob = self.sync_live(hash, live, true).await?;
        let store = self.clone();
        let finishing = tokio::spawn(async move {
            let _claim = store.blobs().claim(&hash).await;
            let Some(row) = stored(store.database(), &hash)? else {
                return Err(StoreError::NotHeld);
            };
            blob.join(&row.scopes);
            let Place::Coming(coming) = row.place else {
                // Another call was first.
                return store.write(1024, move |tx| table::keep(tx, &hash, blob.clone())).await;
            };
            let (path, stamp) = store.name_part(hash, &blob, coming).await?;
            let row = arrived(&blob, path, stamp);
            store.write(1024, move |tx| keep_arrived(tx, &hash, &row)).await
        });
        finishing.await.map_err(|_| StoreError::Closed)?
    }

    /// Notes that a file has got its name, where that could not be written when it got it. Says
    /// whether it was so.
    pub(super) async fn settle(&self, hash: [u8; 32]) -> Result<bool, StoreError> {
        let Some(blob) = stored(self.database(), &hash)? else { return Ok(false) };
        let Place::Coming(coming) = blob.place.clone() else { return Ok(false) };
        let (disk, size) = (self.blobs().disk().clone(), blob.size);
        let moved = blocking(move || {
            let Some((path, stamp)) = moved(&*disk, &coming, size) else { return Ok(None) };
            // Its name may not be on disk yet.
            sync_folder(&*disk, &path)?;
            Ok(Some((path, stamp)))
        });
        let Some((path, stamp)) = moved.await? else { return Ok(false) };
        let row = arrived(&blob, path, stamp);
        self.write(1024, move |tx| keep_arrived(tx, &hash, &row)).await?;
        Ok(true)
    }

    /// Gives a part the first name that is free.
    async fn name_part(
        &self,
        hash: [u8; 32],
        blob: &Blob,
        mut coming: Coming,
    ) -> Result<(PathBuf, Stamp), StoreError> {
        let disk = self.blobs().disk().clone();
        for number in 1..=MAX_NAMES {
            let name = numbered(&coming.wanted, number);
            if coming.inode == 0 {
                coming.moving = Some(name.clone());
                let row = Blob { place: Place::Coming(coming.clone()), ..blob.clone() };
                self.write(1024, move |tx| table::replace(tx, &hash, &row)).await?;
            }
            let (disk, part, inode) = (disk.clone(), coming.part.clone(), coming.inode);
            let named = blocking(move || {
                match disk.rename_new(&part, &name) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
                    renamed => renamed.map_err(|e| StoreError::plain("rename", &part, e))?,
                }
                sync_folder(&*disk, &name)?;
                let stamp = disk.stamp(&name);
                let stamp = stamp.map_err(|e| StoreError::plain("look at", &name, e))?;
                let is_it = stamp.inode == inode;
                if is_it { Ok(Some((name, stamp))) } else { Err(StoreError::Damaged) }
            });
            if let Some(named) = named.await? {
                return Ok(named);
            }
        }
        Err(StoreError::Limit("10,000 files of one name"))
    }

    /// Removes what is left of the place that a blob had before.
    pub(super) fn leave_place(&self, hash: &[u8; 32], place: Option<Place>) {
        let disk = &**self.blobs().disk();
        match place {
            Some(Place::Own) => files::remove(disk, &self.blobs().path(hash, "")),
            Some(Place::Coming(coming)) => files::remove(disk, &coming.part),
            Some(Place::Outside(_)) | None => {}
        }
    }
}

/// Where a part is that has got its name, and what it is then.
fn moved(disk: &dyn Disk, coming: &Coming, size: u64) -> Option<(PathBuf, Stamp)> {
    let is_gone = disk.stamp(&coming.part).is_err_and(|e| e.kind() == io::ErrorKind::NotFound);
    if !is_gone {
        return None;
    }
    let is_it = |stamp: &Stamp| stamp.inode == coming.inode && stamp.size == size;
    if coming.inode == 0 {
        let path = coming.moving.clone()?;
        let stamp = disk.stamp(&path).ok().filter(is_it)?;
        return Some((path, stamp));
    }
    for number in 1..=MAX_NAMES {
        let path = numbered(&coming.wanted, number);
        match disk.stamp(&path) {
            Ok(stamp) if is_it(&stamp) => return Some((path, stamp)),
            // It got the first name that was free.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Ok(_) | Err(_) => {}
        }
    }
    None
}

/// The row of a file that has its name.
fn arrived(blob: &Blob, path: PathBuf, stamp: Stamp) -> Blob {
    let place = Place::Outside(Outside { path, stamp });
    Blob { held: Groups::all(blob.size), complete: true, place, ..blob.clone() }
}

fn keep_arrived(tx: &Tx<'_>, hash: &[u8; 32], blob: &Blob) -> Result<(), StoreError> {
    let mut blob = blob.clone();
    if let Some(held) = table::find(&tx.look(BLOBS)?, hash)? {
        blob.join(&held.scopes);
    }
    table::replace(tx, hash, &blob)?;
    let Place::Outside(outside) = &blob.place else { return Ok(()) };
    let path = bytes_of_path(&outside.path);
    let mut table = tx.change(OUTSIDE)?;
    for scope in &blob.scopes {
        table.insert((scope_key(*scope), path.as_slice()), hash)?;
    }
    Ok(())
}

fn sync_folder(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent() else { return Ok(()) };
    disk.sync_dir(folder).map_err(|error| StoreError::io("sync", folder, error))
}

/// Makes the hidden file that a blob is written to.
fn make_part(disk: &dyn Disk, coming: &mut Coming) -> Result<(), StoreError> {
    for number in 1..=MAX_NAMES {
        let part = part_of(&coming.wanted, number);
        let file = match disk.open(&part, Open::New) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::NotFound("folder"));
            }
            opened => opened.map_err(|error| StoreError::io("make", &part, error))?,
        };
        let stamp = file.stamp().map_err(|error| StoreError::io("look at", &part, error))?;
        (coming.inode, coming.part) = (stamp.inode, part);
        return Ok(());
    }
    Err(StoreError::Limit("10,000 files of one name"))
}

/// The hidden file's name, the first or a later one.
fn part_of(wanted: &Path, number: u32) -> PathBuf {
    let number = if number == 1 { String::new() } else { format!(".{number}") };
    let end = format!("{number}{PART}");
    let name = wanted.file_name().unwrap_or_default().to_string_lossy();
    let name = cut_to(&name, MAX_NAME_LEN - 1 - end.len());
    wanted.with_file_name(format!(".{name}{end}"))
}

/// A name, or one like it with a number: `name (2).txt`.
fn numbered(wanted: &Path, number: u32) -> PathBuf {
    if number == 1 {
        return wanted.into();
    }
    let end = match wanted.extension() {
        Some(extension) => format!(" ({number}).{}", extension.to_string_lossy()),
        None => format!(" ({number})"),
    };
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy();
    let stem = cut_to(&stem, MAX_NAME_LEN.saturating_sub(end.len()));
    wanted.with_file_name(format!("{stem}{end}"))
}

/// As much of a name as has room.
fn cut_to(name: &str, room: usize) -> &str {
    let mut end = room.min(name.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}
