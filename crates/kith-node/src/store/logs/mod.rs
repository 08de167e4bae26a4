//! The logs of all spaces, in tables.
//!
//! A log is held as one stretch, cut into segments whose signed heads are kept; entries are named
//! by the log's number on this node and their index. What arrives gets the space's next serial.

mod append;
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

use super::error::StoreError;
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
/// The number of a space's arrivals and a serial to a log's number, an index, and the body's kind.
const ARRIVALS: Table<(u64, u64), (u64, u64, u8)> = TableDefinition::new("arrivals");
/// Space and member to [`MemberRow`](members::MemberRow).
const MEMBERS: Table<Pair, &[u8]> = TableDefinition::new("members");
/// Space and author to the proof that the author signed two histories.
const FORKS: Table<Pair, &[u8]> = TableDefinition::new("forks");
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
    transaction.open_table(ARRIVALS)?;
    transaction.open_table(MEMBERS)?;
    transaction.open_table(FORKS)?;
    transaction.open_table(NUMBERS)?;
    Ok(())
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
