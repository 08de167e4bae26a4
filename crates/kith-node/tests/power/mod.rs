//! A disk in memory that remembers everything it was told, so that its power can be cut afterwards
//! at any sync, any number of times: what was not synced then is lost, kept, kept in part, or torn.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dice;
mod image;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kith_node::store::{Disk, DiskFile, FileIdentity, Held, Open, Stamp, StoreError};

pub(crate) use dice::Dice;
pub(crate) use image::{Cut, Image};

/// What happened to the disk, in order.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A folder was made.
    MakeDir(PathBuf),
    /// A file was made: its number from then on.
    Make(PathBuf, u64),
    /// Bytes were written.
    Write(u64, u64, Vec<u8>),
    /// A file got this length.
    SetLen(u64, u64),
    /// A file was renamed.
    Rename(PathBuf, PathBuf),
    /// A file was removed.
    Remove(PathBuf),
    /// A file is synced: the power may fail before it is.
    Sync(u64),
    /// A file's sync failed: what was not synced is in memory, and the system will not write it.
    LostSync(u64),
    /// A folder is synced: the power may fail before it is.
    SyncDir(PathBuf),
    /// The test was told that something is done: what, by its number.
    Told(usize),
}

impl Event {
    pub(crate) fn is_sync(&self) -> bool {
        matches!(self, Self::Sync(_) | Self::SyncDir(_))
    }
}

/// What makes an operation fail.
type Fault = Box<dyn FnMut(&Event) -> Option<io::ErrorKind> + Send>;

#[derive(Default)]
struct State {
    image: Image,
    events: Vec<Event>,
    fault: Option<Fault>,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimDisk")
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    number: u64,
}

#[derive(Debug)]
struct Free;

impl Held for Free {}

impl SimDisk {
    /// The names of the files in a folder.
    pub(crate) fn names(&self, dir: &Path) -> Vec<String> {
        self.state().image.list(dir)
    }

    /// A disk with this on it.
    pub(crate) fn with(image: Image) -> Self {
        let state = State { image, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that happened so far.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.state().events.clone()
    }

    /// What is on it now, synced or not.
    pub(crate) fn image(&self) -> Image {
        self.state().image.clone()
    }

    /// Notes that the test was told that something is done.
    pub(crate) fn told(&self, what: usize) {
        self.state().events.push(Event::Told(what));
    }

    /// From now on, `fault` decides which operations fail.
    pub(crate) fn fail(&self, fault: impl FnMut(&Event) -> Option<io::ErrorKind> + Send + 'static) {
        self.state().fault = Some(Box::new(fault));
    }

    /// From now on, nothing fails.
    pub(crate) fn mend(&self) {
        self.state().fault = None;
    }

    fn apply(&self, event: Event) -> io::Result<()> {
        let mut state = self.state();
        if let Some(fault) = &mut state.fault
            && let Some(kind) = fault(&event)
        {
            if let Event::Sync(file) = event {
                state.events.push(Event::LostSync(file));
            }
            return Err(kind.into());
        }
        state.image.apply(&event);
        state.events.push(event);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if self.state().image.has_dir(path) {
            return Ok(());
        }
        self.apply(Event::MakeDir(path.into()))
    }

    fn lock(&self, _dir: &Path) -> Result<Box<dyn Held>, StoreError> {
        Ok(Box::new(Free))
    }

    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let found = self.state().image.find(path);
        let number = match (found, how) {
            (Some(_), Open::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(number), _) => number,
            (None, Open::Read | Open::Plain | Open::PlainWrite) => {
                return Err(io::ErrorKind::NotFound.into());
            }
            (None, Open::Write | Open::New) => {
                let number = self.state().image.next_number();
                self.apply(Event::Make(path.into(), number))?;
                number
            }
        };
        Ok(Box::new(SimFile { disk: self.clone(), number }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.state().image.find(from).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.apply(Event::Rename(from.into(), to.into()))
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.state().image.find(to).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    fn clone_file(&self, _from: &Path, _to: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn stamp(&self, path: &Path) -> io::Result<Stamp> {
        let state = self.state();
        let inode = state.image.find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(stamp(inode, state.image.bytes(inode)))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if self.state().image.find(path).is_none() {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.apply(Event::Remove(path.into()))
    }

    fn list(&self, dir: &Path, visit: &mut dyn FnMut(String) -> bool) -> io::Result<()> {
        let names = {
            let state = self.state();
            if !state.image.has_dir(dir) {
                return Err(io::ErrorKind::NotFound.into());
            }
            state.image.list(dir)
        };
        names.into_iter().all(visit);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.apply(Event::SyncDir(dir.into()))
    }

    fn identity(&self, path: &Path) -> io::Result<Option<FileIdentity>> {
        let inode = self.state().image.find(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Some(FileIdentity { inode, origin: 0 }))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().image.bytes(self.number).len() as u64)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.disk.state();
        let bytes = state.image.bytes(self.number);
        let start = usize::try_from(offset).unwrap();
        let found = bytes.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.disk.apply(Event::Write(self.number, offset, data.to_vec()))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.apply(Event::SetLen(self.number, len))
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.apply(Event::Sync(self.number))
    }

    fn sync_stamp(&self) -> io::Result<()> {
        self.sync()
    }

    fn stamp(&self) -> io::Result<Stamp> {
        Ok(stamp(self.number, self.disk.state().image.bytes(self.number)))
    }
}

/// Other bytes have another time.
fn stamp(inode: u64, bytes: &[u8]) -> Stamp {
    let modified = i64::from_be_bytes(blake3::hash(bytes).as_bytes()[..8].try_into().unwrap());
    Stamp { size: bytes.len() as u64, modified, inode }
}

/// Replays what happened to a disk, and cuts its power on the way.
pub(crate) struct Replay {
    /// What is on the platter for sure.
    durable: Image,
    /// What the disk was told since, by the file that it is about.
    files: BTreeMap<u64, Vec<Event>>,
    /// What happened to names since, by their folder.
    names: BTreeMap<PathBuf, Vec<Event>>,
}

impl Replay {
    /// Begins with what was on the disk at first.
    pub(crate) fn of(durable: Image) -> Self {
        Self { durable, files: BTreeMap::new(), names: BTreeMap::new() }
    }

    /// Goes on by one event, as if the power held.
    pub(crate) fn step(&mut self, event: &Event) {
        match event {
            Event::Write(file, ..) | Event::SetLen(file, _) => {
                self.files.entry(*file).or_default().push(event.clone());
            }
            Event::MakeDir(path) | Event::Make(path, _) | Event::Remove(path) => {
                self.names.entry(folder(path)).or_default().push(event.clone());
            }
            Event::Rename(from, to) => {
                assert_eq!(folder(from), folder(to));
                self.names.entry(folder(to)).or_default().push(event.clone());
            }
            Event::Sync(file) => {
                for event in self.files.remove(file).unwrap_or_default() {
                    self.durable.apply(&event);
                }
            }
            Event::LostSync(file) => {
                self.files.remove(file);
            }
            Event::SyncDir(dir) => {
                for event in self.names.remove(dir).unwrap_or_default() {
                    self.durable.apply(&event);
                }
            }
            Event::Told(_) => {}
        }
    }

    /// What a power cut leaves now.
    pub(crate) fn cut(&self, how: Cut, dice: &mut Dice) -> Image {
        let mut image = self.durable.clone();
        for events in self.names.values().chain(self.files.values()) {
            image.survive(events, how, dice);
        }
        image.forget_orphans();
        image
    }
}

fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_path_buf).unwrap_or_default()
}
