//! Own authors: one for each space and incarnation.

use kith_log::{AuthorId, AuthorSecret, SpaceId};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::{CLOCKS, LAST_ARRIVALS, LOGS, NUMBERS, OWN, PAST, SERIAL_FLOOR, log, next_number};
use crate::store::error::StoreError;
use crate::store::identity::random;
use crate::store::open::Store;
use crate::store::row;
use crate::store::spaces::OwnAuthor;
use crate::store::writer::Tx;

/// How far a restored store's serials leap: more than any node can have given out since the copy
/// was made that the store was restored from.
const SERIAL_LEAP: u64 = 1 << 32;

#[derive(Serialize, Deserialize)]
pub(super) struct OwnRow {
    /// The current incarnation's.
    pub(super) seed: [u8; 32],
    /// The first incarnation's author.
    pub(super) member: [u8; 32],
    /// The incarnation that the current one continues, in its first entry.
    pub(super) previous: Option<[u8; 32]>,
}

impl OwnRow {
    pub(super) fn secret(&self) -> AuthorSecret {
        AuthorSecret::from_seed(&self.seed)
    }

    /// The next incarnation. An author that wrote nothing has left nothing to continue.
    fn next(self, wrote: bool) -> Result<Self, StoreError> {
        let seed = random()?;
        let previous = if wrote { Some(self.seed) } else { self.previous };
        let member = match previous {
            Some(_) => self.member,
            None => *AuthorSecret::from_seed(&seed).author().as_bytes(),
        };
        Ok(Self { seed, member, previous })
    }
}

impl Store {
    /// Oneself in a space.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub fn own_author(&self, space: &SpaceId) -> Result<OwnAuthor, StoreError> {
        self.read(|snapshot| {
            let own = find(&snapshot.table(OWN)?, space)?;
            Ok(OwnAuthor { secret: own.secret(), member: AuthorId::from_bytes(own.member) })
        })
    }

    /// Begins the next incarnation in a space, unless `author` is not the current one any more: of
    /// an author whose later entries this node has lost, no more may be written. Serials leap, for
    /// those of what was lost may be remembered.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub async fn next_incarnation(
        &self,
        space: SpaceId,
        author: AuthorId,
    ) -> Result<OwnAuthor, StoreError> {
        self.write(0, move |tx| {
            let mut own = find(&tx.look(OWN)?, &space)?;
            if own.secret().author() == author {
                own = begin_next(tx, &space, own, true)?;
                leap(tx)?;
            }
            Ok(OwnAuthor { secret: own.secret(), member: AuthorId::from_bytes(own.member) })
        })
        .await
    }
}

/// Begins the next incarnation in a space. `wrote` where it is known that there is something to
/// continue, although nothing of it is here.
pub(super) fn begin_next(
    tx: &Tx<'_>,
    space: &SpaceId,
    own: OwnRow,
    wrote: bool,
) -> Result<OwnRow, StoreError> {
    let author = own.secret().author();
    let held = log::find(&tx.look(LOGS)?, space, &author)?.is_some();
    if held {
        tx.change(PAST)?.insert((*space.as_bytes(), *author.as_bytes()), ())?;
    }
    let own = own.next(wrote || held)?;
    keep(tx, space, &own)?;
    Ok(own)
}

/// A space's own author.
pub(super) fn find(
    table: &impl ReadableTable<[u8; 32], &'static [u8]>,
    space: &SpaceId,
) -> Result<OwnRow, StoreError> {
    let row = table.get(space.as_bytes())?.ok_or(StoreError::NotFound("space"))?;
    row::decode("own", row.value())
}

/// Whether an author is oneself, in this incarnation or one before that is here.
pub(super) fn is_own(tx: &Tx<'_>, space: &SpaceId, author: &AuthorId) -> Result<bool, StoreError> {
    let key = (*space.as_bytes(), *author.as_bytes());
    Ok(find(&tx.look(OWN)?, space)?.secret().author() == *author
        || tx.look(PAST)?.get(key)?.is_some())
}

/// Keeps a space's own author.
pub(super) fn keep(tx: &Tx<'_>, space: &SpaceId, own: &OwnRow) -> Result<(), StoreError> {
    tx.change(OWN)?.insert(space.as_bytes(), row::encode(own).as_slice())?;
    Ok(())
}

/// Lays a space's rows, with its first own author. Its serials begin above those of all spaces
/// that were left, this one perhaps among them, whose pages may remember them.
pub(in crate::store) fn begin_space(
    tx: &Tx<'_>,
    space: &SpaceId,
    secret: &AuthorSecret,
) -> Result<(), StoreError> {
    let member = *secret.author().as_bytes();
    keep(tx, space, &OwnRow { seed: secret.seed(), member, previous: None })?;
    let arrivals = next_number(tx, LAST_ARRIVALS)?;
    let floor = tx.look(NUMBERS)?.get(SERIAL_FLOOR)?.map_or(0, |floor| floor.value());
    tx.change(CLOCKS)?.insert(space.as_bytes(), (arrivals, floor, 0))?;
    Ok(())
}

/// After the store was put back from a copy: ends all incarnations, and lets serials leap above
/// those that were given out after the copy was made.
pub(in crate::store) fn restored(tx: &Tx<'_>) -> Result<(), StoreError> {
    let mut rows = Vec::new();
    for entry in tx.look(OWN)?.iter()? {
        let (space, own) = entry?;
        rows.push((SpaceId::from_bytes(space.value()), row::decode("own", own.value())?));
    }
    for (space, own) in rows {
        begin_next(tx, &space, own, false)?;
    }
    leap(tx)
}

/// Lets all serials leap: above those that this node gave out and has forgotten.
pub(super) fn leap(tx: &Tx<'_>) -> Result<(), StoreError> {
    let mut clocks = tx.change(CLOCKS)?;
    let mut rows = Vec::new();
    for entry in clocks.iter()? {
        let (space, clock) = entry?;
        rows.push((space.value(), clock.value()));
    }
    for (space, (arrivals, serial, lamport)) in rows {
        clocks.insert(space, (arrivals, serial + SERIAL_LEAP, lamport))?;
    }
    let mut numbers = tx.change(NUMBERS)?;
    let floor = numbers.get(SERIAL_FLOOR)?.map_or(0, |floor| floor.value());
    numbers.insert(SERIAL_FLOOR, floor + SERIAL_LEAP)?;
    Ok(())
}
