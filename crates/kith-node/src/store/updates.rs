//! Versions beside the installed ones: newer ones that wait for the person's word, and those before,
//! while pages still run them. And the origins that browsers have still to forget.

use std::collections::HashSet;

use kith_app::{AppId, SignedVersion};
use redb::ReadableTable;

use super::blobs;
use super::error::StoreError;
use super::open::Store;
use super::schema::META;
use super::writer::Tx;

/// Names in [`META`]: this, then the app's id. A version that waits.
const UPDATE: &str = "update/";
/// This, then the app's id, a slash and the bundle's hash in hex. A version that was installed before.
const BEFORE: &str = "before/";
/// This, then the label. An origin that was removed.
const REMOVED: &str = "removed/";
/// Versions of an app that pages may still run beside the installed one; of more, some go.
const MAX_BEFORE: usize = 4;
/// Labels of removed origins that are remembered; of more, some go. 40 kB.
pub const MAX_REMOVED: usize = 1_024;

impl Store {
    /// Keeps a newer version of an installed app until the person has decided. One that waited before
    /// makes room for it.
    ///
    /// # Errors
    /// [`StoreError::OlderVersion`] unless it is newer than the installed and the waiting one;
    /// [`StoreError::NotFound`] unless the app is installed from a bundle, and this bundle is a
    /// complete blob; the disk's.
    pub async fn offer_update(&self, signed: SignedVersion) -> Result<(), StoreError> {
        let bytes = SignedVersion::LEN + 64;
        let old = self
            .write(bytes, move |tx| {
                let held = super::apps::find(tx, &signed.app())?;
                let held = held.filter(|held| !held.bundled).ok_or(StoreError::NotFound("app"))?;
                if !blobs::is_complete(tx, &signed.bundle())? {
                    return Err(StoreError::NotFound("bundle"));
                }
                let key = update_key(&signed.app());
                let waiting = version(tx, &key)?;
                for other in [Some(held.signed), waiting].into_iter().flatten() {
                    if !signed.supersedes(&other) {
                        return Err(StoreError::OlderVersion { installed: other.version() });
                    }
                }
                tx.change(META)?.insert(key.as_str(), signed.to_bytes().as_slice())?;
                Ok(waiting)
            })
            .await?;
        match old {
            Some(old) => self.delete_blob(&old.bundle()).await,
            None => Ok(()),
        }
    }

    /// The version of an app that waits for the person's word.
    ///
    /// # Errors
    /// The disk's.
    pub fn update_of(&self, app: &AppId) -> Result<Option<SignedVersion>, StoreError> {
        self.read(|snapshot| {
            let row = snapshot.table(META)?.get_owned(update_key(app).as_str())?;
            row.map(|row| decode(row.value())).transpose()
        })
    }

    /// Forgets the version that waits, whose bundle can't be used.
    ///
    /// # Errors
    /// The disk's.
    pub async fn forget_update(&self, app: &AppId) -> Result<(), StoreError> {
        let key = update_key(app);
        let gone = self.write(0, move |tx| take(tx, &key)).await?;
        match gone {
            Some(gone) => self.delete_blob(&gone.bundle()).await,
            None => Ok(()),
        }
    }

    /// The versions of an app that were installed before and that pages may still run.
    ///
    /// # Errors
    /// The disk's.
    pub fn versions_before(&self) -> Result<Vec<SignedVersion>, StoreError> {
        self.named(BEFORE)?.iter().map(|(_, row)| decode(row)).collect()
    }

    /// Forgets a version that was installed before, and deletes its bundle.
    ///
    /// # Errors
    /// The disk's.
    pub async fn forget_before(&self, version: &SignedVersion) -> Result<(), StoreError> {
        let key = before_key(version);
        self.write(0, move |tx| take(tx, &key)).await?;
        self.delete_blob(&version.bundle()).await
    }

    /// Remembers that an origin is no more, until its browser was told to forget it.
    ///
    /// # Errors
    /// The disk's.
    pub async fn add_removed(&self, label: &str) -> Result<(), StoreError> {
        let key = format!("{REMOVED}{label}");
        self.write(key.len(), move |tx| {
            let all = names(tx, REMOVED)?;
            let mut meta = tx.change(META)?;
            for old in all.iter().skip(MAX_REMOVED - 1) {
                meta.remove(old.as_str())?;
            }
            meta.insert(key.as_str(), [].as_slice())?;
            Ok(())
        })
        .await
    }

    /// The browser was told to forget an origin, or it is served again.
    ///
    /// # Errors
    /// The disk's.
    pub async fn forget_removed(&self, label: &str) -> Result<(), StoreError> {
        let key = format!("{REMOVED}{label}");
        self.write(0, move |tx| {
            tx.change(META)?.remove(key.as_str())?;
            Ok(())
        })
        .await
    }

    /// The labels of origins that a browser has still to forget.
    ///
    /// # Errors
    /// The disk's.
    pub fn removed(&self) -> Result<Vec<String>, StoreError> {
        let labels = self.named(REMOVED)?.into_iter();
        Ok(labels.map(|(name, _)| name[REMOVED.len()..].to_owned()).collect())
    }

    /// The bundles of all versions that are not the installed ones.
    pub(super) fn bundles_beside(&self) -> Result<HashSet<[u8; 32]>, StoreError> {
        let rows = [self.named(UPDATE)?, self.named(BEFORE)?].concat();
        rows.iter().map(|(_, row)| Ok(decode(row)?.bundle())).collect()
    }

    fn named(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(META)?;
            let mut found = Vec::new();
            for row in table.range(prefix..)? {
                let (name, value) = row?;
                if !name.value().starts_with(prefix) {
                    break;
                }
                found.push((name.value().to_owned(), value.value().to_owned()));
            }
            Ok(found)
        })
    }
}

/// Another version was installed: one that waits goes unless it is newer still, and the one before
/// stays for its pages where `before` names it. Returns what has no use any more.
pub(super) fn installed(
    tx: &Tx<'_>,
    signed: &SignedVersion,
    before: Option<&SignedVersion>,
) -> Result<Vec<SignedVersion>, StoreError> {
    let mut unused = Vec::new();
    let key = update_key(&signed.app());
    if version(tx, &key)?.is_some_and(|waiting| !waiting.supersedes(signed)) {
        unused.extend(take(tx, &key)?);
    }
    let Some(before) = before else { return Ok(unused) };
    let prefix = before_prefix(&signed.app());
    for old in names(tx, &prefix)?.iter().skip(MAX_BEFORE - 1) {
        unused.extend(take(tx, old)?);
    }
    tx.change(META)?.insert(before_key(before).as_str(), before.to_bytes().as_slice())?;
    unused.retain(|one| one.bundle() != signed.bundle());
    Ok(unused)
}

/// An app was removed, and with it its other versions, which are returned.
pub(super) fn removed(tx: &Tx<'_>, app: &AppId) -> Result<Vec<SignedVersion>, StoreError> {
    let mut gone = Vec::new();
    gone.extend(take(tx, &update_key(app))?);
    for name in names(tx, &before_prefix(app))? {
        gone.extend(take(tx, &name)?);
    }
    Ok(gone)
}

/// Whether a version that is not installed has this bundle.
pub(super) fn has_bundle(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<bool, StoreError> {
    for prefix in [UPDATE, BEFORE] {
        for name in names(tx, prefix)? {
            if version(tx, &name)?.is_some_and(|version| version.bundle() == *hash) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn update_key(app: &AppId) -> String {
    format!("{UPDATE}{app}")
}

fn before_prefix(app: &AppId) -> String {
    format!("{BEFORE}{app}/")
}

fn before_key(version: &SignedVersion) -> String {
    let hash = data_encoding::HEXLOWER.encode(&version.bundle());
    format!("{}{hash}", before_prefix(&version.app()))
}

fn names(tx: &Tx<'_>, prefix: &str) -> Result<Vec<String>, StoreError> {
    let table = tx.look(META)?;
    let mut found = Vec::new();
    for row in table.range(prefix..)? {
        let (name, _) = row?;
        if !name.value().starts_with(prefix) {
            break;
        }
        found.push(name.value().to_owned());
    }
    Ok(found)
}

fn version(tx: &Tx<'_>, key: &str) -> Result<Option<SignedVersion>, StoreError> {
    tx.look(META)?.get(key)?.map(|row| decode(row.value())).transpose()
}

fn take(tx: &Tx<'_>, key: &str) -> Result<Option<SignedVersion>, StoreError> {
    let row = tx.look(META)?.get(key)?.map(|row| row.value().to_owned());
    let Some(row) = row else { return Ok(None) };
    tx.change(META)?.remove(key)?;
    decode(&row).map(Some)
}

fn decode(row: &[u8]) -> Result<SignedVersion, StoreError> {
    SignedVersion::from_bytes(row).map_err(|_| StoreError::bad_row("meta"))
}
