//! The order in which entries came, each kind apart: who reads some kinds passes by no others,
//! however many they are.

use std::ops::Range;

use kith_log::BodyKind;
use redb::ReadableTable;

use super::UNREADABLE;
use crate::store::error::StoreError;

/// The number of a space's arrivals, a body's kind and a serial.
pub(super) type Key = (u64, u8, u64);
/// A log's number and an index.
pub(super) type Value = (u64, u64);

/// All that can stand for a kind.
pub(super) const ALL_KINDS: [u8; 6] = [
    BodyKind::Opening as u8,
    BodyKind::App as u8,
    BodyKind::Profile as u8,
    BodyKind::Update as u8,
    BodyKind::Bytes as u8,
    UNREADABLE,
];

/// An entry that came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrival {
    pub(super) serial: u64,
    pub(super) kind: u8,
    /// Its log's number.
    pub(super) number: u64,
    pub(super) index: u64,
}

/// Arrivals of some kinds in the order of their serials, or from the last one back.
pub(super) struct Arrivals<'a> {
    streams: Vec<Stream<'a>>,
    back: bool,
}

struct Stream<'a> {
    kind: u8,
    rows: redb::Range<'a, Key, Value>,
    /// The next of them, unless there is none.
    next: Option<Arrival>,
}

impl<'a> Arrivals<'a> {
    /// Those of a space with serials in a range.
    pub(super) fn read(
        table: &'a impl ReadableTable<Key, Value>,
        space: u64,
        kinds: &[u8],
        serials: Range<u64>,
        back: bool,
    ) -> Result<Self, StoreError> {
        let mut streams = Vec::with_capacity(kinds.len());
        for &kind in kinds {
            let rows = table.range((space, kind, serials.start)..(space, kind, serials.end))?;
            let mut stream = Stream { kind, rows, next: None };
            stream.step(back)?;
            streams.push(stream);
        }
        Ok(Self { streams, back })
    }

    /// The next one.
    pub(super) fn next(&mut self) -> Result<Option<Arrival>, StoreError> {
        let waiting = self.streams.iter_mut().filter(|stream| stream.next.is_some());
        let serial = |stream: &&mut Stream<'_>| stream.next.map(|next| next.serial);
        let stream =
            if self.back { waiting.max_by_key(serial) } else { waiting.min_by_key(serial) };
        match stream {
            Some(stream) => stream.step(self.back),
            None => Ok(None),
        }
    }
}

impl Stream<'_> {
    /// Takes the next one, and looks at the one after it.
    fn step(&mut self, back: bool) -> Result<Option<Arrival>, StoreError> {
        let row = if back { self.rows.next_back() } else { self.rows.next() };
        let after = match row {
            Some(row) => {
                let (key, value) = row?;
                let ((_, _, serial), (number, index)) = (key.value(), value.value());
                Some(Arrival { serial, kind: self.kind, number, index })
            }
            None => None,
        };
        Ok(std::mem::replace(&mut self.next, after))
    }
}
