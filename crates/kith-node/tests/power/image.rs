//! What is on a disk, and what a power cut leaves of what was not synced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Dice, Event};

/// What a disk writes whole or not at all, in bytes.
const SECTOR: usize = 512;

/// How a power cut treats what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// All of it is lost.
    Nothing,
    /// All of it was written in time.
    All,
    /// The first so many operations were written; the next one is torn.
    Prefix,
    /// Each operation may or may not have been written.
    Some,
    /// Each sector of each operation may or may not have been written.
    Sectors,
    /// All operations were written but one.
    AllButOne,
}

impl Cut {
    pub(crate) const ALL: [Self; 6] =
        [Self::Nothing, Self::All, Self::Prefix, Self::Some, Self::Sectors, Self::AllButOne];
}

/// What is on a disk. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    dirs: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    files: BTreeMap<u64, Arc<Vec<u8>>>,
    last: u64,
}

impl Image {
    pub(crate) fn has_dir(&self, path: &Path) -> bool {
        self.dirs.contains(path)
    }

    pub(crate) fn find(&self, path: &Path) -> Option<u64> {
        self.names.get(path).copied()
    }

    pub(crate) fn list(&self, dir: &Path) -> Vec<String> {
        let files = self.names.keys().filter(|path| path.parent() == Some(dir));
        files.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn bytes(&self, file: u64) -> &[u8] {
        self.files.get(&file).map_or(&[], |bytes| bytes.as_slice())
    }

    pub(crate) fn next_number(&self) -> u64 {
        self.last + 1
    }

    /// Puts other bytes into a file.
    pub(crate) fn replace(&mut self, path: &Path, bytes: Vec<u8>) {
        let number = self.names[path];
        self.files.insert(number, Arc::new(bytes));
    }

    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::MakeDir(path) => {
                self.dirs.insert(path.clone());
            }
            Event::Make(path, number) => {
                self.names.insert(path.clone(), *number);
                self.files.entry(*number).or_default();
                self.last = self.last.max(*number);
            }
            Event::Write(file, offset, data) => self.write(*file, *offset as usize, data),
            Event::SetLen(file, len) => self.file(*file).resize(*len as usize, 0),
            Event::Rename(from, to) => {
                // It may be that its making was lost.
                if let Some(number) = self.names.remove(from) {
                    self.names.insert(to.clone(), number);
                }
            }
            Event::Remove(path) => {
                self.names.remove(path);
            }
            Event::Sync(_) | Event::LostSync(_) | Event::SyncDir(_) | Event::Told(_) => {}
        }
    }

    fn file(&mut self, number: u64) -> &mut Vec<u8> {
        // Numbers are never given twice, also where the making of the file is not on disk yet.
        self.last = self.last.max(number);
        Arc::make_mut(self.files.entry(number).or_default())
    }

    fn write(&mut self, file: u64, offset: usize, data: &[u8]) {
        let file = self.file(file);
        if file.len() < offset + data.len() {
            file.resize(offset + data.len(), 0);
        }
        file[offset..offset + data.len()].copy_from_slice(data);
    }

    /// Applies what a power cut leaves of these operations.
    pub(crate) fn survive(&mut self, events: &[Event], how: Cut, dice: &mut Dice) {
        let chosen = dice.below(events.len() + 1);
        for (at, event) in events.iter().enumerate() {
            match how {
                Cut::Nothing => {}
                Cut::All => self.apply(event),
                Cut::Prefix if at < chosen => self.apply(event),
                Cut::Prefix if at == chosen => self.tear(event, dice),
                Cut::Prefix => {}
                Cut::Some if dice.coin() => self.apply(event),
                Cut::Some => {}
                Cut::Sectors => self.tear(event, dice),
                Cut::AllButOne if at + 1 != chosen => self.apply(event),
                Cut::AllButOne => {}
            }
        }
    }

    /// Applies some sectors of a write; anything else whole or not at all.
    fn tear(&mut self, event: &Event, dice: &mut Dice) {
        let Event::Write(file, offset, data) = event else {
            if dice.coin() {
                self.apply(event);
            }
            return;
        };
        let mut at = *offset as usize;
        let mut rest = data.as_slice();
        while !rest.is_empty() {
            let (sector, later) = rest.split_at(rest.len().min(SECTOR - at % SECTOR));
            if dice.coin() {
                self.write(*file, at, sector);
            }
            at += sector.len();
            rest = later;
        }
    }

    /// Drops what nobody can reach any more: files below folders that are not there.
    pub(crate) fn forget_orphans(&mut self) {
        let dirs = &self.dirs;
        self.names.retain(|path, _| path.parent().is_some_and(|dir| dirs.contains(dir)));
        let held: BTreeSet<_> = self.names.values().copied().collect();
        self.files.retain(|number, _| held.contains(number));
    }
}
