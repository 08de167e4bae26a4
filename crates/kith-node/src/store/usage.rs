//! Bytes per app and per space, counted in the transaction that writes them.

use kith_app::AppId;
use kith_log::SpaceId;
use redb::ReadableTable;

use super::error::StoreError;
use super::open::Store;
use super::schema::USAGE;
use super::writer::Tx;

/// What an app or a space keeps here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of its entries: headers and bodies.
    pub bytes: u64,
    /// How many entries.
    pub entries: u64,
}

impl Store {
    /// What an app's logs take.
    ///
    /// # Errors
    /// The disk's.
    pub fn app_usage(&self, app: &AppId) -> Result<Usage, StoreError> {
        self.usage(app.as_bytes())
    }

    /// What a space's logs take.
    ///
    /// # Errors
    /// The disk's.
    pub fn space_usage(&self, space: &SpaceId) -> Result<Usage, StoreError> {
        self.usage(space.as_bytes())
    }

    fn usage(&self, id: &[u8; 32]) -> Result<Usage, StoreError> {
        self.read(|snapshot| {
            let row = snapshot.table(USAGE)?.get_owned(id)?;
            let (bytes, entries) = row.map_or((0, 0), |row| row.value());
            Ok(Usage { bytes, entries })
        })
    }
}

/// Adds to the counters of a space and of its app.
pub(super) fn add(
    tx: &Tx<'_>,
    app: &[u8; 32],
    space: &SpaceId,
    more: Usage,
) -> Result<(), StoreError> {
    let mut usage = tx.change(USAGE)?;
    for id in [app, space.as_bytes()] {
        let (bytes, entries) = usage.get(id)?.map_or((0, 0), |row| row.value());
        usage.insert(id, (bytes + more.bytes, entries + more.entries))?;
    }
    Ok(())
}

/// Takes from the counters of a space and of its app.
pub(super) fn take(
    tx: &Tx<'_>,
    app: &[u8; 32],
    space: &SpaceId,
    less: Usage,
) -> Result<(), StoreError> {
    let mut usage = tx.change(USAGE)?;
    for id in [app, space.as_bytes()] {
        let (bytes, entries) = usage.get(id)?.map_or((0, 0), |row| row.value());
        let left = (bytes.saturating_sub(less.bytes), entries.saturating_sub(less.entries));
        usage.insert(id, left)?;
    }
    Ok(())
}

/// Takes a space that is deleted out of the counters.
pub(super) fn forget(tx: &Tx<'_>, app: &[u8; 32], space: &SpaceId) -> Result<(), StoreError> {
    let mut usage = tx.change(USAGE)?;
    let gone = usage.remove(space.as_bytes())?.map(|row| row.value());
    let Some((gone_bytes, gone_entries)) = gone else { return Ok(()) };
    let (bytes, entries) = usage.get(app)?.map_or((0, 0), |row| row.value());
    let left = (bytes.saturating_sub(gone_bytes), entries.saturating_sub(gone_entries));
    if left == (0, 0) {
        usage.remove(app)?;
    } else {
        usage.insert(app, left)?;
    }
    Ok(())
}
