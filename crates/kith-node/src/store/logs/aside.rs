//! An own log that others hold otherwise: this store was put back from a copy, and wrote on
//! before it met anyone who could tell.
//!
//! 1. The log is set aside. Its entries stay, so that pages go on reading them; what others hold of
//!    it is fetched like any other's log, and takes up its number.
//! 2. What comes is compared with what is here. Where both are the same, it is here already. From the
//!    first entry that differs on, what is only here moves to a number of its own.
//! 3. That is carried over into the own log, under the serials that it has.
//!
//! Each step is one transaction or several that may each be the last before a crash.

use std::collections::BTreeSet;

use kith_log::{
    AuthorId, BodyKind, ENTRY_WEIGHT, Entry, MAX_RUN_WEIGHT, Place, SpaceId, VerifiedRun,
};
use redb::ReadableTable;

use super::append::{OwnLog, Written};
use super::arrivals::{ALL_KINDS, Arrival, Arrivals};
use super::write::{clock, decode_entry};
use super::{
    ARRIVALS, ASIDE, CARRIED, ENTRIES, FORKS, LAST_LOG, LOGS, NAMES, OWN, PAST, Pair, SEGMENTS,
    all_of, log, next_number, own,
};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::usage::{self, Usage};
use crate::store::writer::Tx;

/// Entries that are carried over in one transaction: one run, which peers fetch as a whole.
const MAX_CARRIED: usize = 256;
/// Their weight, below that of a run by room for an opening.
const MAX_CARRIED_WEIGHT: u64 = MAX_RUN_WEIGHT - 4096;

/// A log that was set aside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    /// Its number, which what others hold of it takes up.
    pub(super) number: u64,
    /// How many entries it had.
    size: u64,
}

/// The log of an author that was set aside, until it is known what of it is only here.
pub(super) fn find(
    table: &impl ReadableTable<Pair, (u64, u64)>,
    space: &SpaceId,
    author: &AuthorId,
) -> Result<Option<Aside>, StoreError> {
    let row = table.get(pair(space, author))?.map(|row| row.value());
    Ok(row.map(|(number, size)| Aside { number, size }))
}

impl Store {
    /// Own authors before, whose logs are here as they were written here.
    ///
    /// # Errors
    /// The disk's.
    pub fn past_authors(&self, space: &SpaceId) -> Result<BTreeSet<AuthorId>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(PAST)?;
            let rows = table.range(all_of(space))?;
            rows.map(|row| Ok(AuthorId::from_bytes(row?.0.value().1))).collect()
        })
    }

    /// Sets a log aside that was written here and that others hold otherwise; the next incarnation
    /// begins where it is the current one's. False for any other log, and for one that was set aside
    /// before.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a space that this node is not in; the disk's.
    pub async fn set_aside(&self, space: SpaceId, author: AuthorId) -> Result<bool, StoreError> {
        self.write(0, move |tx| set_aside(tx, &space, &author)).await
    }

    /// Whether a log of the space was set aside, and not all that is only in it was carried over.
    ///
    /// # Errors
    /// The disk's.
    pub fn has_aside(&self, space: &SpaceId) -> Result<bool, StoreError> {
        self.read(|snapshot| {
            let waits = snapshot.table(ASIDE)?.range(all_of(space))?.next().is_some();
            Ok(waits || snapshot.table(CARRIED)?.range(all_of(space))?.next().is_some())
        })
    }

    /// Carries entries that are only in a log that was set aside over into the own log: some of them,
    /// the oldest first. They keep serial, time and Lamport clock. `None` where nothing is left.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a space that this node is not in; the disk's.
    pub async fn carry_over(&self, space: SpaceId) -> Result<Option<VerifiedRun>, StoreError> {
        let bytes = usize::try_from(MAX_RUN_WEIGHT).unwrap_or(usize::MAX);
        self.write(bytes, move |tx| carry_over(tx, &space)).await
    }
}

fn set_aside(tx: &Tx<'_>, space: &SpaceId, author: &AuthorId) -> Result<bool, StoreError> {
    let key = pair(space, author);
    let current = own::find(&tx.look(OWN)?, space)?;
    if current.secret().author() == *author {
        own::begin_next(tx, space, current, true)?;
        own::leap(tx)?;
    }
    let Some(held) = log::find(&tx.look(LOGS)?, space, author)? else { return Ok(false) };
    if tx.look(PAST)?.get(key)?.is_none() {
        return Ok(false);
    }
    tracing::warn!(%space, %author, "others hold this log otherwise: the store was put back");
    tx.change(PAST)?.remove(key)?;
    tx.change(LOGS)?.remove(key)?;
    tx.change(FORKS)?.remove(key)?;
    let all = (held.number, 0)..=(held.number, u64::MAX);
    tx.change(SEGMENTS)?.retain_in(all, |_, _| false)?;
    tx.change(ASIDE)?.insert(key, (held.number, held.known.size()))?;
    Ok(true)
}

impl Aside {
    /// Compares a run of what others hold with what was set aside: says how many entries from its
    /// front are here already. At the first that differs it is known what is only here.
    pub(super) fn compare(
        &self,
        tx: &Tx<'_>,
        space: &SpaceId,
        run: &VerifiedRun,
    ) -> Result<usize, StoreError> {
        let mut held = 0;
        {
            let entries = tx.look(ENTRIES)?;
            for (index, entry) in (run.start()..self.size).zip(run.entries()) {
                let row = entries.get((self.number, index))?;
                let row = row.ok_or(StoreError::bad_row("entries"))?;
                if decode_entry(row.value())?.header != entry.header {
                    break;
                }
                held += 1;
            }
        }
        let at = run.start() + held as u64;
        let is_over = at == self.size || held < run.entries().len();
        if is_over {
            tx.change(ASIDE)?.remove(pair(space, run.author()))?;
        }
        if is_over && at < self.size {
            self.part(tx, space, run.author(), at)?;
        }
        Ok(held)
    }

    /// Gives the entries from `at` on, which are only here, a number of their own.
    fn part(
        &self,
        tx: &Tx<'_>,
        space: &SpaceId,
        author: &AuthorId,
        at: u64,
    ) -> Result<(), StoreError> {
        let tail = next_number(tx, LAST_LOG)?;
        tx.change(NAMES)?.insert(tail, pair(space, author))?;
        let arrivals = clock(tx, space)?.0;
        let moved = self.arrivals_from(tx, arrivals, at)?;
        let mut first = u64::MAX;
        let (mut order, mut entries) = (tx.change(ARRIVALS)?, tx.change(ENTRIES)?);
        for Arrival { serial, kind, index, .. } in moved {
            order.insert((arrivals, kind, serial), (tail, index))?;
            let row = entries.remove((self.number, index))?.map(|row| row.value().to_owned());
            let row = row.ok_or(StoreError::bad_row("entries"))?;
            entries.insert((tail, index), row.as_slice())?;
            first = first.min(serial);
        }
        tx.change(CARRIED)?.insert(pair(space, author), (tail, first))?;
        Ok(())
    }

    /// The arrivals of the log's entries from `at` on. They came last: no others are passed by but
    /// those that came since.
    fn arrivals_from(
        &self,
        tx: &Tx<'_>,
        arrivals: u64,
        at: u64,
    ) -> Result<Vec<Arrival>, StoreError> {
        let order = tx.look(ARRIVALS)?;
        let mut newest = Arrivals::read(&order, arrivals, &ALL_KINDS, 0..u64::MAX, true)?;
        let mut found = Vec::new();
        while (found.len() as u64) < self.size - at {
            let arrival = newest.next()?.ok_or(StoreError::bad_row("arrivals"))?;
            if arrival.number == self.number && arrival.index >= at {
                found.push(arrival);
            }
        }
        Ok(found)
    }
}

/// An entry that is only here.
struct Only {
    arrival: Arrival,
    entry: Entry,
    bytes: usize,
}

fn carry_over(tx: &Tx<'_>, space: &SpaceId) -> Result<Option<VerifiedRun>, StoreError> {
    loop {
        let Some((author, tail, from)) = next_carried(tx, space)? else { return Ok(None) };
        let batch = next_batch(tx, space, tail, from)?;
        let key = pair(space, &author);
        if let Some(last) = batch.last() {
            tx.change(CARRIED)?.insert(key, (tail, last.arrival.serial + 1))?;
        } else {
            tx.change(NAMES)?.remove(tail)?;
            tx.change(CARRIED)?.remove(key)?;
        }
        if let Some(run) = write_batch(tx, space, &author, tail, batch)? {
            return Ok(Some(run));
        }
    }
}

/// Whose entries are to be carried over next, their number, and where to go on.
fn next_carried(tx: &Tx<'_>, space: &SpaceId) -> Result<Option<(AuthorId, u64, u64)>, StoreError> {
    let table = tx.look(CARRIED)?;
    let Some(row) = table.range(all_of(space))?.next() else { return Ok(None) };
    let (key, value) = row?;
    let (tail, from) = value.value();
    Ok(Some((AuthorId::from_bytes(key.value().1), tail, from)))
}

fn next_batch(tx: &Tx<'_>, space: &SpaceId, tail: u64, from: u64) -> Result<Vec<Only>, StoreError> {
    let arrivals = clock(tx, space)?.0;
    let (order, entries) = (tx.look(ARRIVALS)?, tx.look(ENTRIES)?);
    let mut arrivals = Arrivals::read(&order, arrivals, &ALL_KINDS, from..u64::MAX, false)?;
    let (mut batch, mut weight) = (Vec::new(), 0);
    while let Some(arrival) = arrivals.next()? {
        if arrival.number != tail {
            continue;
        }
        let row = entries.get((tail, arrival.index))?;
        let row = row.ok_or(StoreError::bad_row("entries"))?;
        let entry = decode_entry(row.value())?;
        weight += u64::from(entry.header.body_len) + ENTRY_WEIGHT;
        if batch.len() == MAX_CARRIED || (weight > MAX_CARRIED_WEIGHT && !batch.is_empty()) {
            break;
        }
        batch.push(Only { arrival, entry, bytes: row.value().len() });
    }
    Ok(batch)
}

/// Writes a batch to the own log. The name and the opening of an author who writes no more stay
/// behind; a body of a kind that this kith doesn't know goes along.
fn write_batch(
    tx: &Tx<'_>,
    space: &SpaceId,
    author: &AuthorId,
    tail: u64,
    batch: Vec<Only>,
) -> Result<Option<VerifiedRun>, StoreError> {
    let own = OwnLog::find(tx, space)?;
    let arrivals = clock(tx, space)?.0;
    let (mut written, mut serials) = (Vec::new(), Vec::new());
    let mut gone = Usage::default();
    for Only { arrival, entry, bytes } in batch {
        tx.change(ENTRIES)?.remove((tail, arrival.index))?;
        tx.change(ARRIVALS)?.remove((arrivals, arrival.kind, arrival.serial))?;
        gone = Usage { bytes: gone.bytes + bytes as u64, entries: gone.entries + 1 };
        let place = Place { space: *space, author: *author, epoch: entry.header.epoch };
        let stays = [BodyKind::Opening as u8, BodyKind::Profile as u8].contains(&arrival.kind);
        let plain = entry.body.filter(|_| !stays).and_then(|body| own.read(&body, &place));
        if let Some(plain) = plain {
            let (lamport, time_ms) = (entry.header.lamport, entry.header.time_ms);
            written.push(Written { plain, lamport, time_ms });
            serials.push(arrival.serial);
        }
    }
    usage::take(tx, own.app(), space, gone)?;
    if written.is_empty() {
        return Ok(None);
    }
    let run = own.sign(space, written)?;
    own.write(tx, space, run.clone(), serials)?;
    Ok(Some(run))
}

fn pair(space: &SpaceId, author: &AuthorId) -> Pair {
    (*space.as_bytes(), *author.as_bytes())
}
