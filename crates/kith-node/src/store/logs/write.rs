//! Writing a run that was verified, whoever wrote it.

use std::ops::RangeInclusive;

use kith_app::SpaceKeys;
use kith_log::file::Attachment;
use kith_log::{
    AuthorId, Body, BodyKind, Entry, Head, KnownLog, Place, Placement, SpaceId, VerifiedRun,
};
use redb::ReadableTable;

use super::log::{self, Log};
use super::{
    ARRIVALS, CLOCKS, ENTRIES, LAST_LOG, NAMES, SEGMENTS, UNREADABLE, members, next_number, own,
};
use crate::store::attached;
use crate::store::error::StoreError;
use crate::store::usage::{self, Usage};
use crate::store::writer::Tx;

/// What is told apart of a body without its reader: made before the transaction, for decrypting
/// takes time.
#[derive(Clone, Debug)]
pub(super) struct Gist {
    /// The body's kind, or [`UNREADABLE`].
    kind: u8,
    /// A profile's name.
    name: Option<String>,
    /// The files that it names.
    attachments: Vec<Attachment>,
}

impl Gist {
    /// The gists of all of a run's entries. Without a read key, the space is public.
    pub(super) fn of_run(space: &SpaceId, run: &VerifiedRun, keys: &SpaceKeys) -> Vec<Self> {
        run.entries().iter().map(|entry| Self::of(space, run.author(), entry, keys)).collect()
    }

    fn of(space: &SpaceId, author: &AuthorId, entry: &Entry, keys: &SpaceKeys) -> Self {
        let place = Place { space: *space, author: *author, epoch: entry.header.epoch };
        let body = entry.body.as_deref();
        let body = body.and_then(|body| Body::open(body, Some(keys.read.as_bytes()), &place).ok());
        let Some(body) = body else {
            return Self { kind: UNREADABLE, name: None, attachments: Vec::new() };
        };
        let name = (body.kind == BodyKind::Profile).then(|| shown(&body.payload)).flatten();
        Self { kind: body.kind as u8, name, attachments: body.attachments }
    }
}

/// The name of a profile, as people can be shown it: whoever wrote it may mean to move the cursor, or
/// to turn around what stands beside it.
fn shown(profile: &[u8]) -> Option<String> {
    let name = str::from_utf8(profile).ok().filter(|name| name.len() <= kith_api::MAX_NAME)?;
    let name = kith_app::one_line(name, kith_api::MAX_NAME);
    (!name.is_empty()).then_some(name)
}

/// Where a run goes.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// Its log, unless that begins with it.
    pub(super) log: Option<Log>,
    /// The number of a log that begins, where it is not to be a new one.
    pub(super) number: Option<u64>,
    /// Entries at the run's front that are stored already.
    pub(super) held: usize,
    /// The serials of its last entries, where they have some already.
    pub(super) serials: Vec<u64>,
}

/// Adds a run to its log, which it fits: numbers its entries, counts them and tells who watches.
/// Returns the new serials.
pub(super) fn write_run(
    tx: &Tx<'_>,
    space: &SpaceId,
    app: &[u8; 32],
    target: Target,
    run: VerifiedRun,
    gists: &[Gist],
) -> Result<RangeInclusive<u64>, StoreError> {
    let (author, held) = (*run.author(), target.held);
    let mut log = match target.log {
        Some(log) => grow(tx, log, &run)?,
        None => begin(tx, space, &run, target.number)?,
    };
    let (start, number) = (run.start(), log.number);
    let entries = run.into_entries();
    let (arrivals, last, lamport) = clock(tx, space)?;
    let lamport = entries.iter().map(|entry| entry.header.lamport).fold(lamport, u64::max);
    let new = (entries.len() - held) as u64;
    let serials = last + 1..=last + new - target.serials.len() as u64;
    let mut bytes = 0;
    {
        let mut table = tx.change(ENTRIES)?;
        let mut order = tx.change(ARRIVALS)?;
        let places = (start + held as u64..).zip(serials.clone().chain(target.serials));
        for ((index, serial), (entry, gist)) in places.zip(entries.iter().zip(gists).skip(held)) {
            let row = encode_entry(entry);
            table.insert((number, index), row.as_slice())?;
            order.insert((arrivals, gist.kind, serial), (number, index))?;
            if !gist.attachments.is_empty() {
                let author = (author.as_bytes(), own::is_own(tx, space, &author)?);
                attached::note(tx, space, author, serial, &gist.attachments)?;
            }
            bytes += row.len() as u64;
        }
    }
    tx.change(CLOCKS)?.insert(space.as_bytes(), (arrivals, *serials.end(), lamport))?;
    usage::add(tx, app, space, Usage { bytes, entries: new })?;
    log.member = members::note(tx, space, &author, &log, &entries, gists, *serials.start(), start)?;
    log::keep(tx, space, &author, &log)?;
    if !serials.is_empty() {
        tx.arrived(*space, *serials.end());
    }
    Ok(serials)
}

impl Gist {
    /// A profile's name, where it is one.
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// A space's clocks: the number of its arrivals, its highest serial, its highest Lamport clock.
pub(super) fn clock(tx: &Tx<'_>, space: &SpaceId) -> Result<(u64, u64, u64), StoreError> {
    let table = tx.look(CLOCKS)?;
    let clock = table.get(space.as_bytes())?.ok_or(StoreError::NotFound("space"))?;
    Ok(clock.value())
}

fn begin(
    tx: &Tx<'_>,
    space: &SpaceId,
    run: &VerifiedRun,
    number: Option<u64>,
) -> Result<Log, StoreError> {
    let number = number.map_or_else(|| next_number(tx, LAST_LOG), Ok)?;
    let key = (*space.as_bytes(), *run.author().as_bytes());
    tx.change(NAMES)?.insert(number, key)?;
    begin_segment(tx, number, run)?;
    let known = KnownLog::after(None, run);
    Ok(Log { number, known, member: *run.author(), forked: false })
}

fn grow(tx: &Tx<'_>, mut log: Log, run: &VerifiedRun) -> Result<Log, StoreError> {
    log.known = KnownLog::after(Some(&log.known), run);
    if run.place() != Placement::Append || log.known.segment.start == run.start() {
        begin_segment(tx, log.number, run)?;
    }
    Ok(log)
}

fn begin_segment(tx: &Tx<'_>, number: u64, run: &VerifiedRun) -> Result<(), StoreError> {
    let before = run.before().map(Head::encode).unwrap_or_default();
    tx.change(SEGMENTS)?.insert((number, run.start()), before.as_slice())?;
    Ok(())
}

fn encode_entry(entry: &Entry) -> Vec<u8> {
    let body = entry.body.as_deref();
    let mut row = Vec::with_capacity(kith_log::Header::LEN + 1 + body.map_or(0, <[u8]>::len));
    row.extend(entry.header.encode());
    row.push(u8::from(body.is_some()));
    row.extend(body.unwrap_or_default());
    row
}

/// The entry of a row.
pub(super) fn decode_entry(row: &[u8]) -> Result<Entry, StoreError> {
    let bad = || StoreError::bad_row("entries");
    let (header, rest) = row.split_at_checked(kith_log::Header::LEN).ok_or_else(bad)?;
    let header = kith_log::Header::decode(header).map_err(|_| bad())?;
    let body = match rest.split_first().ok_or_else(bad)? {
        (0, []) => None,
        (1, body) => Some(body.to_vec()),
        _ => return Err(bad()),
    };
    Ok(Entry { header, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_others_is_one_line_that_moves_no_cursor_and_turns_nothing_around() {
        let of = |name: &str| shown(name.as_bytes());
        assert_eq!(of("Ada").as_deref(), Some("Ada"));
        assert_eq!(of("A\x1b[2Jda\nroot\u{202e}x").as_deref(), Some("A [2Jda rootx"));
        assert_eq!(of("\u{202e}\n"), None);
        assert_eq!(of(&"x".repeat(kith_api::MAX_NAME + 1)), None);
        assert_eq!(shown(b"\xff"), None);
    }
}
