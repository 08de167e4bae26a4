//! Reading entries: for apps by serial, for peers by segment.

use std::collections::{BTreeSet, HashMap};

use kith_log::{AuthorId, Body, BodyKind, Head, KnownLog, Place, Segment, SpaceId};
use tokio::sync::watch;

use super::arrivals::{ALL_KINDS, Arrival, Arrivals};
use super::log::{self, Log};
use super::write::decode_entry;
use super::{ARRIVALS, CLOCKS, ENTRIES, LOGS, NAMES, OWN, SEGMENTS, all_of, own};
use crate::store::database::Snapshot;
use crate::store::error::StoreError;
use crate::store::open::Store;

/// Most entries of one page.
pub const MAX_READ_ENTRIES: usize = 1_000;
/// A page ends with the entry that brings its bodies over so many bytes: 4 MiB.
pub const MAX_READ_BYTES: usize = 4 * 1024 * 1024;

/// Which entries of a space to read.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Those with a higher serial.
    pub after: u64,
    /// Those with a lower serial; where it is given, the newest of them are read, else the oldest.
    pub before: Option<u64>,
    /// At most so many; [`MAX_READ_ENTRIES`] where it is more.
    pub limit: usize,
    /// Only of these kinds; all, where there are none.
    pub kinds: Vec<BodyKind>,
    /// The page ends with the entry that brings its bodies over so many bytes; [`MAX_READ_BYTES`]
    /// where it is more, or nothing is said.
    pub max_bytes: Option<usize>,
}

/// An entry as apps see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEntry {
    /// This node's number of arrival.
    pub serial: u64,
    /// Who wrote it.
    pub author: AuthorId,
    /// The member that the author belongs to.
    pub member: AuthorId,
    /// Its index in its log.
    pub index: u64,
    /// Its Lamport clock.
    pub lamport: u64,
    /// The author's clock, in milliseconds since 1970.
    pub time: u64,
    /// What it says; `None` where the body was deleted or can't be read.
    pub body: Option<Body>,
}

/// Entries in the order of their serials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The entries.
    pub entries: Vec<StoredEntry>,
    /// The space's highest serial.
    pub max_serial: u64,
}

/// The serials of one's own entries in a space.
pub(in crate::store) fn own_serials(
    snapshot: &Snapshot,
    space: &SpaceId,
) -> Result<BTreeSet<u64>, StoreError> {
    let me = own::find(&snapshot.table(OWN)?, space)?.member;
    let mut numbers = BTreeSet::new();
    for row in snapshot.table(LOGS)?.range(all_of(space))? {
        let log = Log::decode(row?.1.value())?;
        if *log.member.as_bytes() == me {
            numbers.insert(log.number);
        }
    }
    let (arrivals, ..) = clock(snapshot, space)?;
    let table = snapshot.table(ARRIVALS)?;
    let mut serials = BTreeSet::new();
    for row in table.range((arrivals, 0, 0)..=(arrivals, u8::MAX, u64::MAX))? {
        let (key, value) = row?;
        if numbers.contains(&value.value().0) {
            serials.insert(key.value().2);
        }
    }
    Ok(serials)
}

impl Store {
    /// Reads entries of a space.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub fn entries(&self, space: &SpaceId, query: &Query) -> Result<Page, StoreError> {
        let record = self.space(space)?.ok_or(StoreError::NotFound("space"))?;
        let keys = record.keys();
        let max_bytes = query.max_bytes.unwrap_or(MAX_READ_BYTES).min(MAX_READ_BYTES);
        self.read(|snapshot| {
            let (arrivals, max_serial, _) = clock(snapshot, space)?;
            let places = choose(snapshot, arrivals, query)?;
            let mut reader = Reader::new(snapshot, space, keys.read.as_bytes())?;
            let mut entries = Vec::with_capacity(places.len());
            let mut bytes = 0;
            for Arrival { serial, number, index, .. } in places {
                let entry = reader.entry(serial, number, index)?;
                bytes += entry.body.as_ref().map_or(0, |body| body.payload.len());
                entries.push(entry);
                if bytes > max_bytes {
                    break;
                }
            }
            entries.sort_by_key(|entry| entry.serial);
            Ok(Page { entries, max_serial })
        })
    }

    /// The space's highest serial, now and after each arrival. The channel ends when the space is
    /// left or the store is gone.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub fn watch(&self, space: &SpaceId) -> Result<watch::Receiver<u64>, StoreError> {
        self.watches().watch(*space, || self.max_serial(space))
    }

    /// The space's highest serial.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub fn max_serial(&self, space: &SpaceId) -> Result<u64, StoreError> {
        self.read(|snapshot| Ok(clock(snapshot, space)?.1))
    }

    /// What is held of each log of a space, by author.
    ///
    /// # Errors
    /// The disk's.
    pub fn logs(&self, space: &SpaceId) -> Result<Vec<(AuthorId, KnownLog)>, StoreError> {
        self.read(|snapshot| {
            let mut logs = Vec::new();
            for entry in snapshot.table(LOGS)?.range(all_of(space))? {
                let (key, row) = entry?;
                let log = Log::decode(row.value())?;
                logs.push((AuthorId::from_bytes(key.value().1), log.known));
            }
            Ok(logs)
        })
    }

    /// What is held of one log.
    ///
    /// # Errors
    /// The disk's.
    pub fn log(&self, space: &SpaceId, author: &AuthorId) -> Result<Option<KnownLog>, StoreError> {
        self.read(|snapshot| {
            Ok(log::find(&snapshot.table(LOGS)?, space, author)?.map(|log| log.known))
        })
    }

    /// The segment of a log that has the entry of that index; `None` where that is not held.
    ///
    /// # Errors
    /// The disk's.
    pub fn segment(
        &self,
        space: &SpaceId,
        author: &AuthorId,
        index: u64,
    ) -> Result<Option<Segment>, StoreError> {
        self.read(|snapshot| {
            let Some(log) = log::find(&snapshot.table(LOGS)?, space, author)? else {
                return Ok(None);
            };
            if index < log.known.start() || index >= log.known.size() {
                return Ok(None);
            }
            segment(snapshot, &log, index).map(Some)
        })
    }
}

fn clock(snapshot: &Snapshot, space: &SpaceId) -> Result<(u64, u64, u64), StoreError> {
    let clock = snapshot.table(CLOCKS)?.get_owned(space.as_bytes())?;
    Ok(clock.ok_or(StoreError::NotFound("space"))?.value())
}

/// What a query asks for, in the order in which it is read.
fn choose(snapshot: &Snapshot, arrivals: u64, query: &Query) -> Result<Vec<Arrival>, StoreError> {
    let limit = query.limit.min(MAX_READ_ENTRIES);
    let first = query.after.saturating_add(1);
    let end = query.before.unwrap_or(u64::MAX);
    if first >= end {
        return Ok(Vec::new());
    }
    let mut kinds: Vec<_> = query.kinds.iter().map(|kind| *kind as u8).collect();
    if kinds.is_empty() {
        kinds.extend(ALL_KINDS);
    }
    let table = snapshot.table(ARRIVALS)?;
    let mut arrivals =
        Arrivals::read(&table, arrivals, &kinds, first..end, query.before.is_some())?;
    let mut chosen = Vec::new();
    while chosen.len() < limit.max(1) {
        let Some(arrival) = arrivals.next()? else { break };
        chosen.push(arrival);
    }
    Ok(chosen)
}

/// Reads entries for apps; remembers whose logs they are of.
struct Reader<'a> {
    space: &'a SpaceId,
    read_key: &'a [u8; 32],
    entries: redb::ReadOnlyTable<(u64, u64), &'static [u8]>,
    names: redb::ReadOnlyTable<u64, super::Pair>,
    logs: redb::ReadOnlyTable<super::Pair, &'static [u8]>,
    own: redb::ReadOnlyTable<[u8; 32], &'static [u8]>,
    authors: HashMap<u64, (AuthorId, AuthorId)>,
}

impl<'a> Reader<'a> {
    fn new(
        snapshot: &Snapshot,
        space: &'a SpaceId,
        read_key: &'a [u8; 32],
    ) -> Result<Self, StoreError> {
        Ok(Self {
            space,
            read_key,
            entries: snapshot.table(ENTRIES)?,
            names: snapshot.table(NAMES)?,
            logs: snapshot.table(LOGS)?,
            own: snapshot.table(OWN)?,
            authors: HashMap::new(),
        })
    }

    fn entry(&mut self, serial: u64, number: u64, index: u64) -> Result<StoredEntry, StoreError> {
        let (author, member) = self.author(number)?;
        let row = self.entries.get((number, index))?;
        let entry = decode_entry(row.ok_or(StoreError::bad_row("arrivals"))?.value())?;
        let place = Place { space: *self.space, author, epoch: entry.header.epoch };
        let body = entry.body.as_deref();
        let body = body.and_then(|body| Body::open(body, Some(self.read_key), &place).ok());
        let (lamport, time) = (entry.header.lamport, entry.header.time_ms);
        Ok(StoredEntry { serial, author, member, index, lamport, time, body })
    }

    fn author(&mut self, number: u64) -> Result<(AuthorId, AuthorId), StoreError> {
        if let Some(author) = self.authors.get(&number) {
            return Ok(*author);
        }
        let name = self.names.get(number)?.ok_or(StoreError::bad_row("log names"))?.value();
        let author = AuthorId::from_bytes(name.1);
        let log = log::find(&self.logs, self.space, &author)?;
        // Only own logs are set aside.
        let own = || own::find(&self.own, self.space).map(|own| AuthorId::from_bytes(own.member));
        let member = log.map_or_else(own, |log| Ok(log.member))?;
        self.authors.insert(number, (author, member));
        Ok((author, member))
    }
}

fn segment(snapshot: &Snapshot, log: &Log, index: u64) -> Result<Segment, StoreError> {
    let bad = || StoreError::bad_row("segments");
    let head = |bytes: &[u8]| match bytes {
        [] => Ok(None),
        bytes => Head::decode(bytes).map(Some).map_err(|_| bad()),
    };
    let segments = snapshot.table(SEGMENTS)?;
    let number = log.number;
    let (key, before) =
        segments.range((number, 0)..=(number, index))?.next_back().ok_or_else(bad)??;
    let start = key.value().1;
    let before = head(before.value())?;
    let next = segments.range((number, index + 1)..=(number, u64::MAX))?.next().transpose()?;
    let after = match next {
        Some((_, row)) => head(row.value())?.ok_or_else(bad)?,
        None => log.known.head.clone(),
    };
    let mut entries = Vec::new();
    for row in snapshot.table(ENTRIES)?.range((number, start)..(number, after.size()))? {
        entries.push(decode_entry(row?.1.value())?);
    }
    if entries.len() as u64 != after.size() - start {
        return Err(StoreError::bad_row("entries"));
    }
    Ok(Segment { before, entries, after })
}
