//! The tables, the format's version, and the way from older formats.

use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::database::Database;
use super::error::StoreError;

/// The format that this kith writes.
pub(super) const VERSION: u32 = 7;

/// Where a database says of itself what it is: by names below.
pub(super) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Under this name in [`META`]: the format's version, `u32`. It stands in this place for ever.
const SCHEMA: &str = "schema";

/// Space id to `spaces::SpaceRow`.
pub(super) const SPACES: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("spaces");
/// App id to `apps::AppRow`.
pub(super) const APPS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("apps");
/// Name of a publishing key to its Ed25519 seed.
pub(super) const KEYS: TableDefinition<'static, &str, [u8; 32]> = TableDefinition::new("keys");
/// Endpoint id to `peers::PeerRow`.
pub(super) const PEERS: TableDefinition<'static, [u8; 32], &[u8]> = TableDefinition::new("peers");
/// Endpoint ids that the person blocked.
pub(super) const BLOCKED: TableDefinition<'static, [u8; 32], ()> = TableDefinition::new("blocked");
/// App or space id to the bytes and the number of its entries.
pub(super) const USAGE: TableDefinition<'static, [u8; 32], (u64, u64)> =
    TableDefinition::new("usage");

/// One step of migration: from the format with its index to the next.
type Step = fn(&WriteTransaction) -> Result<(), StoreError>;

/// All steps. A database that is new has format 0, and takes them all.
const STEPS: [Step; VERSION as usize] = [
    lay_tables,
    super::logs::part_arrivals,
    super::blobs::lay_file_tables,
    super::attached::lay_tables,
    super::claims::from_attached,
    super::folders::size_folders,
    super::blobs::index_public,
];

/// Brings the database to [`VERSION`], each step in a transaction of its own: a power cut between
/// two steps costs nothing.
pub(super) fn migrate(database: &Database) -> Result<(), StoreError> {
    migrate_by(database, &STEPS)
}

fn migrate_by(database: &Database, steps: &[Step]) -> Result<(), StoreError> {
    let known = u32::try_from(steps.len()).expect("few steps");
    loop {
        let (opening, transaction) = database.begin_write()?;
        let found = version(&transaction)?;
        if found > known {
            return Err(StoreError::NewerSchema { found, known });
        }
        let Some(step) = steps.get(found as usize) else {
            return Ok(transaction.abort()?);
        };
        let result = step(&transaction)
            .and_then(|()| set_version(&transaction, found + 1))
            .and_then(|()| Ok(transaction.commit()?));
        if result.is_err() {
            database.recover(opening);
        }
        result?;
        tracing::debug!(from = found, to = found + 1, "migrated the database");
    }
}

fn version(transaction: &WriteTransaction) -> Result<u32, StoreError> {
    let meta = transaction.open_table(META)?;
    let Some(version) = meta.get(SCHEMA)? else { return Ok(0) };
    let bytes = version.value().try_into().map_err(|_| StoreError::bad_row("meta"))?;
    Ok(u32::from_be_bytes(bytes))
}

fn set_version(transaction: &WriteTransaction, version: u32) -> Result<(), StoreError> {
    transaction.open_table(META)?.insert(SCHEMA, version.to_be_bytes().as_slice())?;
    Ok(())
}

/// 0 to 1: the tables are there, so that reading never meets a missing one.
fn lay_tables(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(SPACES)?;
    transaction.open_table(APPS)?;
    transaction.open_table(KEYS)?;
    transaction.open_table(PEERS)?;
    transaction.open_table(BLOCKED)?;
    transaction.open_table(USAGE)?;
    super::logs::lay_tables(transaction)?;
    super::blobs::lay_tables(transaction)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::disk::SystemDisk;

    const NAMES: TableDefinition<'static, &str, &str> = TableDefinition::new("names");

    fn database(dir: &tempfile::TempDir) -> Database {
        Database::open(Arc::new(SystemDisk), &dir.path().join("kith.redb"), 1 << 20).unwrap()
    }

    /// A database as a kith before the first format would have left it.
    fn old_fixture(dir: &tempfile::TempDir) {
        let database = redb::Database::create(dir.path().join("kith.redb")).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(NAMES).unwrap().insert("self", "Ada").unwrap();
        transaction.commit().unwrap();
    }

    fn rename(transaction: &WriteTransaction) -> Result<(), StoreError> {
        let mut names = transaction.open_table(NAMES)?;
        let old = names.remove("self")?.map(|name| name.value().to_owned());
        names.insert("me", old.unwrap_or_default().as_str())?;
        Ok(())
    }

    fn fail(transaction: &WriteTransaction) -> Result<(), StoreError> {
        transaction.open_table(NAMES)?.insert("me", "half-written")?;
        Err(StoreError::DiskFull)
    }

    fn name(database: &Database) -> Option<String> {
        database
            .read(|snapshot| {
                let names = snapshot.table(NAMES)?;
                Ok(names.get_owned("me")?.map(|name| name.value().to_owned()))
            })
            .unwrap()
    }

    fn version_of(database: &Database) -> u32 {
        let (_, transaction) = database.begin_write().unwrap();
        let found = version(&transaction).unwrap();
        transaction.abort().unwrap();
        found
    }

    #[test]
    fn an_old_database_is_brought_up_step_by_step() {
        let dir = tempfile::tempdir().unwrap();
        old_fixture(&dir);
        let database = database(&dir);
        migrate_by(&database, &[rename, |_| Ok(())]).unwrap();
        assert_eq!(name(&database).as_deref(), Some("Ada"));
        assert_eq!(version_of(&database), 2);
        migrate_by(&database, &[rename, |_| Ok(())]).unwrap();
        assert_eq!(name(&database).as_deref(), Some("Ada"), "no step is taken twice");
    }

    #[test]
    fn a_step_that_fails_leaves_the_format_before_it() {
        let dir = tempfile::tempdir().unwrap();
        old_fixture(&dir);
        let database = database(&dir);
        let failed = migrate_by(&database, &[rename, fail]);
        assert!(matches!(failed, Err(StoreError::DiskFull)), "{failed:?}");
        assert_eq!(name(&database).as_deref(), Some("Ada"));
        assert_eq!(version_of(&database), 1);
        migrate_by(&database, &[rename, |_| Ok(())]).unwrap();
        assert_eq!(version_of(&database), 2);
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let database = database(&dir);
        let steps: [Step; VERSION as usize + 1] = [|_| Ok(()); VERSION as usize + 1];
        migrate_by(&database, &steps).unwrap();
        let refused = migrate(&database);
        let expected = StoreError::NewerSchema { found: VERSION + 1, known: VERSION };
        assert_eq!(refused.unwrap_err().to_string(), expected.to_string());
        assert_eq!(version_of(&database), VERSION + 1);
    }

    #[test]
    fn the_real_steps_bring_an_old_database_to_this_format() {
        let dir = tempfile::tempdir().unwrap();
        old_fixture(&dir);
        let database = database(&dir);
        migrate(&database).unwrap();
        assert_eq!(version_of(&database), VERSION);
        database.read(|snapshot| snapshot.table(SPACES).map(|_| ())).unwrap();
    }
}
