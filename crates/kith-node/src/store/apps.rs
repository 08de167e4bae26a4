//! Installed apps.

use kith_app::{AppId, SignedVersion};
use kith_overlay::storage::{BlobScope, BlobState};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::blobs;
use super::error::StoreError;
use super::open::Store;
use super::schema::APPS;
use super::writer::Tx;
use super::{row, updates};

/// An installed app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRecord {
    /// The installed version, as its publisher signed it.
    pub signed: SignedVersion,
    /// Whether its bundle is in the binary, and not among the blobs.
    pub bundled: bool,
    /// From its manifest.
    pub name: String,
    /// From its manifest.
    pub description: String,
    /// A `data:` URL, where the bundle has an icon.
    pub icon: Option<String>,
    /// The permissions that the person granted, by their names in the manifest.
    pub granted: Vec<String>,
    /// When it was installed, in milliseconds since 1970.
    pub installed: u64,
}

#[derive(Serialize, Deserialize)]
struct AppRow {
    signed: Vec<u8>,
    bundled: bool,
    name: String,
    description: String,
    icon: Option<String>,
    granted: Vec<String>,
    installed: u64,
}

impl AppRow {
    fn encode(app: &AppRecord) -> Vec<u8> {
        let app = app.clone();
        row::encode(&Self {
            signed: app.signed.to_bytes().to_vec(),
            bundled: app.bundled,
            name: app.name,
            description: app.description,
            icon: app.icon,
            granted: app.granted,
            installed: app.installed,
        })
    }

    fn decode(bytes: &[u8]) -> Result<AppRecord, StoreError> {
        let app: Self = row::decode("apps", bytes)?;
        let signed =
            SignedVersion::from_bytes(&app.signed).map_err(|_| StoreError::bad_row("apps"))?;
        Ok(AppRecord {
            signed,
            bundled: app.bundled,
            name: app.name,
            description: app.description,
            icon: app.icon,
            granted: app.granted,
            installed: app.installed,
        })
    }
}

impl Store {
    /// Installs an app, or puts a higher version in the place of the installed one, whose bundle is
    /// then deleted. What comes with the binary takes any version's place. The installed version
    /// itself may be given again, with other grants.
    ///
    /// # Errors
    /// [`StoreError::OlderVersion`]; [`StoreError::NotFound`] unless the bundle is in the binary or
    /// a complete blob; the disk's.
    pub async fn install_app(&self, app: AppRecord) -> Result<(), StoreError> {
        self.install(app, false).await
    }

    /// Installs an app as [`Self::install_app`] does; but the bundle in whose place it comes stays,
    /// for the pages that run it, until [`Self::forget_before`].
    ///
    /// # Errors
    /// As [`Self::install_app`].
    pub async fn update_app(&self, app: AppRecord) -> Result<(), StoreError> {
        self.install(app, true).await
    }

    async fn install(&self, app: AppRecord, keep: bool) -> Result<(), StoreError> {
        let bytes = app.icon.as_ref().map_or(0, String::len) + 1024;
        let unused = self
            .write(bytes, move |tx| {
                let id = app.signed.app();
                let held = find(tx, &id)?;
                if let Some(held) = &held {
                    let same = held.signed == app.signed;
                    if !same && !app.bundled && !app.signed.supersedes(&held.signed) {
                        let installed = held.signed.version();
                        return Err(StoreError::OlderVersion { installed });
                    }
                }
                if !app.bundled && !blobs::is_complete(tx, &app.signed.bundle())? {
                    return Err(StoreError::NotFound("bundle"));
                }
                tx.change(APPS)?.insert(id.as_bytes(), AppRow::encode(&app).as_slice())?;
                let new = app.signed.bundle();
                let old = held.filter(|held| !held.bundled).map(|held| held.signed);
                let old = old.filter(|old| old.bundle() != new);
                let mut unused =
                    updates::installed(tx, &app.signed, old.as_ref().filter(|_| keep))?;
                unused.extend(old.filter(|_| !keep));
                Ok(unused)
            })
            .await?;
        self.delete_bundles(&unused).await
    }

    async fn delete_bundles(&self, versions: &[SignedVersion]) -> Result<(), StoreError> {
        for version in versions {
            self.delete_blob(&version.bundle()).await?;
        }
        Ok(())
    }

    /// Removes an app. Its spaces stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub async fn remove_app(&self, app: &AppId) -> Result<(), StoreError> {
        let app = *app;
        let removed = self
            .write(0, move |tx| {
                let row =
                    tx.change(APPS)?.remove(app.as_bytes())?.map(|row| row.value().to_owned());
                let app = AppRow::decode(&row.ok_or(StoreError::NotFound("app"))?)?;
                let mut gone = updates::removed(tx, &app.signed.app())?;
                gone.extend((!app.bundled).then_some(app.signed));
                Ok(gone)
            })
            .await?;
        self.delete_bundles(&removed).await
    }

    /// Whether the bundle of a version is here, all of it.
    ///
    /// # Errors
    /// The disk's.
    pub fn has_bundle(&self, signed: &SignedVersion) -> Result<bool, StoreError> {
        let state = self.blob(BlobScope::Public, &signed.bundle())?;
        Ok(matches!(state, BlobState::Complete { .. }))
    }

    /// An installed app.
    ///
    /// # Errors
    /// The disk's.
    pub fn app(&self, app: &AppId) -> Result<Option<AppRecord>, StoreError> {
        self.read(|snapshot| {
            let row = snapshot.table(APPS)?.get_owned(app.as_bytes())?;
            row.map(|row| AppRow::decode(row.value())).transpose()
        })
    }

    /// All installed apps, in the order of their ids.
    ///
    /// # Errors
    /// The disk's.
    pub fn apps(&self) -> Result<Vec<AppRecord>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(APPS)?;
            let rows = table.iter()?;
            rows.map(|row| AppRow::decode(row?.1.value())).collect()
        })
    }
}

/// An app, inside of a transaction.
pub(super) fn find(tx: &Tx<'_>, app: &AppId) -> Result<Option<AppRecord>, StoreError> {
    let table = tx.look(APPS)?;
    let row = table.get(app.as_bytes())?;
    row.map(|row| AppRow::decode(row.value())).transpose()
}

/// Whether a version of an installed app has that bundle among the blobs.
pub(super) fn has_bundle(tx: &Tx<'_>, hash: &[u8; 32]) -> Result<bool, StoreError> {
    for row in tx.look(APPS)?.iter()? {
        let app = AppRow::decode(row?.1.value())?;
        if !app.bundled && app.signed.bundle() == *hash {
            return Ok(true);
        }
    }
    updates::has_bundle(tx, hash)
}
