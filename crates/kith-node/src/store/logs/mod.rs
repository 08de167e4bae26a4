//! The logs of all spaces, in tables.
//!
//! A log is held as one stretch, cut into segments whose signed heads are kept; entries are named
//! by the log's number on this node and their index. What arrives gets the space's next serial.

mod append;
mod arrivals;
mod aside;
mod delete;
mod ingest;
mod log;
mod members;
mod own;
mod read;
mod write;

use kith_log::SpaceId;
use redb::{ReadableTable, TableDefinition, WriteTransaction};

pub use append::Appended;
pub use members::MemberRecord;
pub use read::{MAX_READ_BYTES, MAX_READ_ENTRIES, Page, Query, StoredEntry};

pub(super) use delete::delete_space;
pub(super) use own::{begin_space, restored};
pub(super) use read::own_serials;

use super::error::StoreError;
use super::row;
use super::writer::Tx;

type Table<K, V> = TableDefinition<'static, K, V>;
type Pair = ([u8; 32], [u8; 32]);

/// Space to the number of its arrivals, its highest serial and its highest Lamport clock.
const CLOCKS: Table<[u8; 32], (u64, u64, u64)> = TableDefinition::new("clocks");
/// Space to [`OwnRow`](own::OwnRow).
const OWN: Table<[u8; 32], &[u8]> = TableDefinition::new("own");
/// Space and author to [`LogRow`](log::LogRow).
const LOGS: Table<Pair, &[u8]> = TableDefinition::new("logs");
/// A log's number to its space and author.
const NAMES: Table<u64, Pair> = TableDefinition::new("log names");
/// A log's number and the index of a segment's first entry to the signed head before it; empty
/// before entry 0.
const SEGMENTS: Table<(u64, u64), &[u8]> = TableDefinition::new("segments");
/// A log's number and an index to the entry: its header, then, where it is held, 1 and the body;
/// else 0.
const ENTRIES: Table<(u64, u64), &[u8]> = TableDefinition::new("entries");
/// The number of a space's arrivals, the body's kind and a serial to a log's number and an index.
const ARRIVALS: Table<arrivals::Key, arrivals::Value> = TableDefinition::new("arrivals by kind");
/// Space and member to [`MemberRow`](members::MemberRow).
const MEMBERS: Table<Pair, &[u8]> = TableDefinition::new("members");
/// Space and author to the proof that the author signed two histories.
const FORKS: Table<Pair, &[u8]> = TableDefinition::new("forks");
/// Space and author of own logs before that are here as they were written.
const PAST: Table<Pair, ()> = TableDefinition::new("past authors");
/// Space and author of an own log that was set aside to its number and its size.
const ASIDE: Table<Pair, (u64, u64)> = TableDefinition::new("set aside");
/// Space and author of what of such a log is only here, to its number and the serial from which on
/// it is still to be carried over.
const CARRIED: Table<Pair, (u64, u64)> = TableDefinition::new("carried over");
/// By name, numbers that only rise.
const NUMBERS: Table<&str, u64> = TableDefinition::new("numbers");

/// In [`NUMBERS`]: the last log's number.
const LAST_LOG: &str = "log";
/// In [`NUMBERS`]: the number of the last arrivals.
const LAST_ARRIVALS: &str = "arrivals";
/// In [`NUMBERS`]: no serial above this one was ever given out in a space that was left.
const SERIAL_FLOOR: &str = "serial floor";

/// The kind of a body that can't be read, in [`ARRIVALS`].
const UNREADABLE: u8 = u8::MAX;

pub(super) fn lay_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(CLOCKS)?;
    transaction.open_table(OWN)?;
    transaction.open_table(LOGS)?;
    transaction.open_table(NAMES)?;
    transaction.open_table(SEGMENTS)?;
    transaction.open_table(ENTRIES)?;
    transaction.open_table(MEMBERS)?;
    transaction.open_table(FORKS)?;
    transaction.open_table(NUMBERS)?;
    Ok(())
}

/// From format 1 to 2: arrivals lie apart by kind, and own logs can be set aside.
pub(super) fn part_arrivals(transaction: &WriteTransaction) -> Result<(), StoreError> {
    const OLD: Table<(u64, u64), (u64, u64, u8)> = TableDefinition::new("arrivals");
    transaction.open_table(PAST)?;
    transaction.open_table(ASIDE)?;
    transaction.open_table(CARRIED)?;
    let mut new = transaction.open_table(ARRIVALS)?;
    let old = transaction.open_table(OLD)?;
    for row in old.iter()? {
        let (key, value) = row?;
        let ((arrivals, serial), (number, index, kind)) = (key.value(), value.value());
        new.insert((arrivals, kind, serial), (number, index))?;
    }
    drop(old);
    transaction.delete_table(OLD)?;
    Ok(())
}

/// Who wrote the entry of a space that has a serial, and whether that is oneself. None where it is not
/// there any more.
pub(super) fn who_wrote(
    transaction: &WriteTransaction,
    space: &[u8; 32],
    serial: u64,
) -> Result<Option<([u8; 32], bool)>, StoreError> {
    let clock = transaction.open_table(CLOCKS)?.get(space)?.map(|clock| clock.value());
    let Some((arrivals, ..)) = clock else { return Ok(None) };
    let table = transaction.open_table(ARRIVALS)?;
    for kind in 0..=u8::MAX {
        let Some(place) = table.get((arrivals, kind, serial))? else { continue };
        let number = place.value().0;
        let name = transaction.open_table(NAMES)?.get(number)?.map(|name| name.value());
        let Some((_, author)) = name else { return Ok(None) };
        let own = transaction.open_table(OWN)?;
        let own = own.get(space)?.map(|row| row::decode::<own::OwnRow>("own", row.value()));
        let now = own.transpose()?.map(|own| *own.secret().author().as_bytes());
        let before = transaction.open_table(PAST)?.get((*space, author))?.is_some();
        return Ok(Some((author, before || now == Some(author))));
    }
    Ok(None)
}

/// As if an entry with this serial were of this author.
#[cfg(test)]
pub(super) fn tests_wrote(
    transaction: &WriteTransaction,
    space: &SpaceId,
    serial: u64,
    author: [u8; 32],
) {
    let id = *space.as_bytes();
    let mut clocks = transaction.open_table(CLOCKS).expect("a table");
    clocks.insert(id, (3, serial, 0)).expect("it is written");
    let mut names = transaction.open_table(NAMES).expect("a table");
    names.insert(8, (id, author)).expect("it is written");
    let mut arrivals = transaction.open_table(ARRIVALS).expect("a table");
    arrivals.insert((3, 4, serial), (8, 0)).expect("it is written");
}

/// The next of the numbers of that name.
fn next_number(tx: &Tx<'_>, name: &str) -> Result<u64, StoreError> {
    let mut numbers = tx.change(NUMBERS)?;
    let next = numbers.get(name)?.map_or(0, |last| last.value()) + 1;
    numbers.insert(name, next)?;
    Ok(next)
}

/// All keys of a space, in a table of pairs.
fn all_of(space: &SpaceId) -> std::ops::RangeInclusive<Pair> {
    (*space.as_bytes(), [0; 32])..=(*space.as_bytes(), [u8::MAX; 32])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::arrivals::{ALL_KINDS, Arrivals};
    use super::*;
    use crate::store::database::Database;
    use crate::store::disk::SystemDisk;

    #[test]
    fn arrivals_of_the_first_format_keep_their_order() {
        const OLD: Table<(u64, u64), (u64, u64, u8)> = TableDefinition::new("arrivals");
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("kith.redb");
        let database = Database::open(Arc::new(SystemDisk), &path, 1 << 20).expect("it opens");
        let kinds = [0, 2, 1, 255, 3, 1, 4];
        let (_, transaction) = database.begin_write().expect("it begins");
        let mut old = transaction.open_table(OLD).expect("a table");
        for (serial, kind) in (1..).zip(kinds) {
            old.insert((9, serial), (5, serial - 1, kind)).expect("it is written");
        }
        drop(old);
        part_arrivals(&transaction).expect("it is migrated");
        let new = transaction.open_table(ARRIVALS).expect("a table");
        for back in [false, true] {
            let mut arrivals =
                Arrivals::read(&new, 9, &ALL_KINDS, 0..u64::MAX, back).expect("it is read");
            let mut found = Vec::new();
            while let Some(arrival) = arrivals.next().expect("it is read") {
                assert_eq!((arrival.number, arrival.index), (5, arrival.serial - 1));
                found.push((arrival.serial, arrival.kind));
            }
            if back {
                found.reverse();
            }
            assert_eq!(found, (1..).zip(kinds).collect::<Vec<_>>());
        }
        let tables: Vec<_> = transaction.list_tables().expect("they are listed").collect();
        assert!(tables.iter().all(|table| redb::TableHandle::name(table) != "arrivals"));
    }
}
