//! Deleting a space's logs.

use kith_log::SpaceId;
use redb::ReadableTable;

use super::log::Log;
use super::{
    ARRIVALS, ASIDE, CARRIED, CLOCKS, ENTRIES, FORKS, LOGS, MEMBERS, NAMES, NUMBERS, OWN, PAST,
    SEGMENTS, SERIAL_FLOOR, all_of,
};
use crate::store::attached;
use crate::store::error::StoreError;
use crate::store::writer::Tx;

/// Deletes all rows of a space. What is left is that no space will reuse its serials, and nothing
/// says which space they were of.
pub(in crate::store) fn delete_space(tx: &Tx<'_>, space: &SpaceId) -> Result<(), StoreError> {
    let mut logs = tx.change(LOGS)?;
    let mut numbers = Vec::new();
    for entry in logs.range(all_of(space))? {
        let (_, row) = entry?;
        numbers.push(Log::decode(row.value())?.number);
    }
    logs.retain_in(all_of(space), |_, _| false)?;
    for table in [ASIDE, CARRIED] {
        let mut table = tx.change(table)?;
        for row in table.range(all_of(space))? {
            numbers.push(row?.1.value().0);
        }
        table.retain_in(all_of(space), |_, _| false)?;
    }
    let (mut names, mut segments) = (tx.change(NAMES)?, tx.change(SEGMENTS)?);
    let mut entries = tx.change(ENTRIES)?;
    for number in numbers {
        names.remove(number)?;
        segments.retain_in((number, 0)..=(number, u64::MAX), |_, _| false)?;
        entries.retain_in((number, 0)..=(number, u64::MAX), |_, _| false)?;
    }
    attached::delete_space(tx, space)?;
    tx.change(MEMBERS)?.retain_in(all_of(space), |_, _| false)?;
    tx.change(PAST)?.retain_in(all_of(space), |_, _| false)?;
    tx.change(FORKS)?.retain_in(all_of(space), |_, _| false)?;
    tx.change(OWN)?.remove(space.as_bytes())?;
    let clock = tx.change(CLOCKS)?.remove(space.as_bytes())?.map(|clock| clock.value());
    let Some((arrivals, serial, _)) = clock else { return Ok(()) };
    let all = (arrivals, 0, 0)..=(arrivals, u8::MAX, u64::MAX);
    tx.change(ARRIVALS)?.retain_in(all, |_, _| false)?;
    let mut table = tx.change(NUMBERS)?;
    let floor = table.get(SERIAL_FLOOR)?.map_or(0, |floor| floor.value());
    table.insert(SERIAL_FLOOR, floor.max(serial))?;
    Ok(())
}
