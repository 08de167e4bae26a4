//! Lists of folders that are read on from where they were left.
//!
//! A list of a hundred thousand files is asked for in a thousand pages, and its files one by one. Each
//! is found by reading on from the last one, not from the start.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::Mutex;

use kith_log::SpaceId;
use kith_log::file::{FolderBlob, FolderError, FolderFile, FolderReader};

/// Lists that are kept open, over all spaces: of a few pages that each read several files at once. The
/// one used longest ago goes first. 9 MB of read but not yet asked for.
const MAX_OPEN: usize = 8;
/// Blobs that the open lists know of together. Bounds memory at 20 MB; a list with more of them is read
/// from its start each time.
const MAX_BLOBS: usize = 256 * 1024;

/// A list: its space, hash and size, and the key that opens it.
pub(super) type Key = (SpaceId, [u8; 32], u64, Option<[u8; 32]>);

/// A place in a folder's list.
pub(super) struct Place<R: Read> {
    reader: FolderReader<R>,
    /// The path before; empty at the start.
    passed: String,
    next: Option<FolderFile>,
}

impl<R: Read> Place<R> {
    /// The start of a list.
    pub(super) fn start(mut reader: FolderReader<R>) -> Result<Self, FolderError> {
        let next = reader.next().transpose()?;
        Ok(Self { reader, passed: String::new(), next })
    }

    /// The file that comes next.
    pub(super) fn peek(&self) -> Option<&FolderFile> {
        self.next.as_ref()
    }

    pub(super) fn blobs(&self) -> &[FolderBlob] {
        self.reader.blobs()
    }

    /// Goes past the next file, and returns it.
    pub(super) fn advance(&mut self) -> Result<Option<FolderFile>, FolderError> {
        let Some(file) = self.next.take() else { return Ok(None) };
        file.path.as_str().clone_into(&mut self.passed);
        self.next = self.reader.next().transpose()?;
        Ok(Some(file))
    }

    /// Goes past the files whose paths say so.
    pub(super) fn skip(&mut self, skips: impl Fn(&str) -> bool) -> Result<(), FolderError> {
        while self.next.as_ref().is_some_and(|file| skips(file.path.as_str())) {
            self.advance()?;
        }
        Ok(())
    }
}

/// The places where lists were left.
pub(super) struct Lists<R: Read>(Mutex<VecDeque<(Key, Place<R>)>>);

impl<R: Read> Default for Lists<R> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<R: Read> Lists<R> {
    /// The furthest place in a list that has passed only what `may_pass`; it is the caller's alone.
    pub(super) fn take(&self, key: &Key, may_pass: impl Fn(&str) -> bool) -> Option<Place<R>> {
        let mut open = self.0.lock().expect("no panic while held");
        let fits = open.iter().enumerate().filter(|(_, (of, place))| {
            of == key && (place.passed.is_empty() || may_pass(&place.passed))
        });
        let furthest = fits.max_by(|(_, (_, a)), (_, (_, b))| a.passed.cmp(&b.passed));
        let at = furthest.map(|(at, _)| at)?;
        open.remove(at).map(|(_, place)| place)
    }

    /// Keeps a place for who reads on from it.
    pub(super) fn put(&self, key: Key, place: Place<R>) {
        if place.next.is_none() {
            return;
        }
        let mut open = self.0.lock().expect("no panic while held");
        open.push_back((key, place));
        let blobs = |open: &VecDeque<(Key, Place<R>)>| -> usize {
            open.iter().map(|(_, place)| place.blobs().len()).sum()
        };
        while open.len() > MAX_OPEN || blobs(&open) > MAX_BLOBS {
            open.pop_front();
        }
    }

    /// A space was left.
    pub(super) fn forget(&self, space: &SpaceId) {
        self.0.lock().expect("no panic while held").retain(|((of, ..), _)| of != space);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::{Cursor, Result};
    use std::rc::Rc;

    use kith_log::file::FolderWriter;

    use super::*;

    const FILES: u64 = 100_000;
    const KEY: Key = (SpaceId::from_bytes([1; 32]), [2; 32], 3, None);

    /// Counts what is read.
    struct Counted(Cursor<Rc<[u8]>>, Rc<Cell<u64>>);

    impl Read for Counted {
        fn read(&mut self, out: &mut [u8]) -> Result<usize> {
            let read = self.0.read(out)?;
            self.1.set(self.1.get() + read as u64);
            Ok(read)
        }
    }

    fn path(n: u64) -> String {
        format!("photos/{n:06}.jpg")
    }

    fn list() -> Rc<[u8]> {
        let blob = FolderBlob { hash: [3; 32], size: FILES, key: None };
        let mut writer = FolderWriter::new(Vec::new(), &[blob], FILES).unwrap();
        for n in 0..FILES {
            let path = path(n).try_into().unwrap();
            let file = FolderFile { path, executable: false, size: 1, blob: 0, offset: n };
            writer.write(&file).unwrap();
        }
        writer.finish().unwrap().into()
    }

    /// The start of a list whose reading is counted.
    fn start(list: &Rc<[u8]>, read: &Rc<Cell<u64>>) -> Place<Counted> {
        let counted = Counted(Cursor::new(list.clone()), read.clone());
        Place::start(FolderReader::new(counted).unwrap()).unwrap()
    }

    #[test]
    fn a_hundred_thousand_names_are_read_once_however_many_pages_they_come_in() {
        let (list, read) = (list(), Rc::new(Cell::new(0)));
        let lists = Lists::default();
        let open = || start(&list, &read);
        let mut last = String::new();
        let mut seen = 0;
        loop {
            let place = lists.take(&KEY, |passed| passed <= last.as_str());
            let mut place = place.unwrap_or_else(open);
            place.skip(|path| path <= last.as_str()).unwrap();
            for _ in 0..100 {
                let file = place.advance().unwrap().expect("a thousand full pages");
                assert_eq!(file.path.as_str(), path(seen));
                seen += 1;
                last = file.path.as_str().to_owned();
            }
            let more = place.peek().is_some();
            lists.put(KEY, place);
            if !more {
                break;
            }
        }
        assert_eq!(seen, FILES);
        assert_eq!(read.get(), list.len() as u64);
        assert!(lists.take(&KEY, |_| true).is_none(), "what was read to its end is let go");
    }

    #[test]
    fn who_goes_back_begins_anew_and_spoils_nobodys_place() {
        let (list, read) = (list(), Rc::new(Cell::new(0)));
        let lists = Lists::default();
        let open = || start(&list, &read);
        let find = |n: u64| {
            let wanted = path(n);
            let place = lists.take(&KEY, |passed| passed < wanted.as_str());
            let mut place = place.unwrap_or_else(open);
            place.skip(|path| path < wanted.as_str()).unwrap();
            let offset = place.peek().map(|file| file.offset);
            lists.put(KEY, place);
            offset
        };
        assert_eq!(find(50_000), Some(50_000));
        let before = read.get();
        assert_eq!(find(50_000), Some(50_000), "the same one again");
        assert_eq!(find(50_001), Some(50_001));
        assert_eq!(read.get(), before);
        assert_eq!(find(7), Some(7));
        assert_eq!(find(50_002), Some(50_002));
        assert!(read.get() < before + 200_000, "{} after {before}", read.get());
        for other in [(KEY.0, KEY.1, KEY.2, Some([9; 32])), (KEY.0, KEY.1, 4, KEY.3)] {
            assert!(lists.take(&other, |_| true).is_none());
        }
        lists.forget(&KEY.0);
        assert!(lists.take(&KEY, |_| true).is_none());
    }

    #[test]
    fn so_many_places_are_kept_and_no_more() {
        let list = list();
        let lists = Lists::default();
        for n in 0..=MAX_OPEN {
            let key = (KEY.0, [u8::try_from(n).unwrap(); 32], 3, None);
            let reader = FolderReader::new(Cursor::new(list.clone())).unwrap();
            lists.put(key, Place::start(reader).unwrap());
        }
        assert!(lists.take(&(KEY.0, [0; 32], 3, None), |_| true).is_none());
        assert!(lists.take(&(KEY.0, [1; 32], 3, None), |_| true).is_some());
    }
}
