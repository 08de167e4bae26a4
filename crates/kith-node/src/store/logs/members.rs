//! The people of a space: chains of incarnations, and the names they go by.

use kith_log::{AuthorId, Entry, SpaceId};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::log::{self, Log};
use super::write::Gist;
use super::{LOGS, MEMBERS, OWN, all_of, own};
use crate::store::error::StoreError;
use crate::store::open::Store;
use crate::store::row;
use crate::store::writer::Tx;

/// Someone in a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRecord {
    /// The first author of their chain of incarnations.
    pub id: AuthorId,
    /// All their authors whose logs are here, by id.
    pub authors: Vec<AuthorId>,
    /// As they last called themselves.
    pub name: Option<String>,
    /// Whether it is oneself.
    pub me: bool,
    /// Whether one of their authors signed two histories.
    pub forked: bool,
}

/// Which entry named someone: its Lamport clock, author and index, in the order of entries.
type Naming = (u64, [u8; 32], u64);

#[derive(Serialize, Deserialize)]
pub(super) struct MemberRow {
    /// The serial of their first entry here.
    first: u64,
    name: Option<String>,
    /// Which entry named them; the newest wins.
    named: Naming,
}

impl Store {
    /// The people of a space, in the order of their first entry here; oneself is among them also
    /// before the first entry.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub fn members(&self, space: &SpaceId) -> Result<Vec<MemberRecord>, StoreError> {
        self.read(|snapshot| {
            let own = own::find(&snapshot.table(OWN)?, space)?;
            let mut members = Vec::new();
            for entry in snapshot.table(MEMBERS)?.range(all_of(space))? {
                let (key, row) = entry?;
                let row: MemberRow = row::decode("members", row.value())?;
                members.push((row.first, record(key.value().1, row.name, &own.member)));
            }
            members.sort_by_key(|(first, _)| *first);
            let mut members: Vec<_> = members.into_iter().map(|(_, member)| member).collect();
            if !members.iter().any(|member| member.me) {
                members.push(record(own.member, None, &own.member));
            }
            for entry in snapshot.table(LOGS)?.range(all_of(space))? {
                let (key, row) = entry?;
                let log = Log::decode(row.value())?;
                if let Some(member) = members.iter_mut().find(|member| member.id == log.member) {
                    member.authors.push(AuthorId::from_bytes(key.value().1));
                    member.forked |= log.forked;
                }
            }
            Ok(members)
        })
    }

    /// The member that an author belongs to; `None` while nothing of another's log is here.
    ///
    /// # Errors
    /// The disk's.
    pub fn member_of(
        &self,
        space: &SpaceId,
        author: &AuthorId,
    ) -> Result<Option<AuthorId>, StoreError> {
        self.read(|snapshot| {
            if let Some(log) = log::find(&snapshot.table(LOGS)?, space, author)? {
                return Ok(Some(log.member));
            }
            let own = own::find(&snapshot.table(OWN)?, space)?;
            let is_own = own.secret().author() == *author;
            Ok(is_own.then(|| AuthorId::from_bytes(own.member)))
        })
    }
}

fn record(id: [u8; 32], name: Option<String>, me: &[u8; 32]) -> MemberRecord {
    MemberRecord {
        id: AuthorId::from_bytes(id),
        authors: Vec::new(),
        name,
        me: id == *me,
        forked: false,
    }
}

/// Notes what a run says about its author, and returns whose log it is.
#[expect(clippy::too_many_arguments, reason = "all of them describe the one run")]
pub(super) fn note(
    tx: &Tx<'_>,
    space: &SpaceId,
    author: &AuthorId,
    log: &Log,
    entries: &[Entry],
    gists: &[Gist],
    first: u64,
    start: u64,
) -> Result<AuthorId, StoreError> {
    let new = log::find(&tx.look(LOGS)?, space, author)?.is_none();
    let member = if new { join_chain(tx, space, author, log)? } else { log.member };
    let named = (start..)
        .zip(entries.iter().zip(gists))
        .filter_map(|(index, (entry, gist))| {
            let name = gist.name()?;
            Some(((entry.header.lamport, *author.as_bytes(), index), name.to_owned()))
        })
        .max();
    if new || named.is_some() {
        merge(tx, space, &member, first, named)?;
    }
    Ok(member)
}

/// Whose log a new one is: its author's, or, where it continues another, that one's. Logs that
/// continue the new one were taken for its author's until now, and become that member's, too.
fn join_chain(
    tx: &Tx<'_>,
    space: &SpaceId,
    author: &AuthorId,
    log: &Log,
) -> Result<AuthorId, StoreError> {
    let Some(previous) = log.known.opening.previous() else { return Ok(*author) };
    let before = log::find(&tx.look(LOGS)?, space, previous)?;
    let member = before.map_or(*previous, |log| log.member);
    if member == *author {
        return Ok(member);
    }
    let mut later = Vec::new();
    for entry in tx.look(LOGS)?.range(all_of(space))? {
        let (key, row) = entry?;
        let log = Log::decode(row.value())?;
        if log.member == *author {
            later.push((AuthorId::from_bytes(key.value().1), log));
        }
    }
    for (author, mut log) in later {
        log.member = member;
        log::keep(tx, space, &author, &log)?;
    }
    let mut members = tx.change(MEMBERS)?;
    let row = members.remove((*space.as_bytes(), *author.as_bytes()))?;
    let row = row.map(|row| row::decode::<MemberRow>("members", row.value())).transpose()?;
    drop(members);
    if let Some(row) = row {
        let named = row.name.map(|name| (row.named, name));
        merge(tx, space, &member, row.first, named)?;
    }
    Ok(member)
}

/// Adds to what is known of a member.
fn merge(
    tx: &Tx<'_>,
    space: &SpaceId,
    member: &AuthorId,
    first: u64,
    named: Option<(Naming, String)>,
) -> Result<(), StoreError> {
    let key = (*space.as_bytes(), *member.as_bytes());
    let mut table = tx.change(MEMBERS)?;
    let held = table.get(key)?.map(|row| row::decode::<MemberRow>("members", row.value()));
    let mut row =
        held.transpose()?.unwrap_or(MemberRow { first, name: None, named: (0, [0; 32], 0) });
    row.first = row.first.min(first);
    if let Some((at, name)) = named
        && (row.name.is_none() || at > row.named)
    {
        (row.named, row.name) = (at, Some(name));
    }
    table.insert(key, row::encode(&row).as_slice())?;
    Ok(())
}
