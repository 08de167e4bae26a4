//! Who the node is, its settings, and whether its store is a copy.

use std::fmt;

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::database::Database;
use super::disk::FileIdentity;
use super::error::StoreError;
use super::logs;
use super::mark::{self, Marks};
use super::open::Store;
use super::row;
use super::schema::META;
use super::writer::{Tx, write_once};

const NODE_SECRET: &str = "node secret";
const PAGE_SECRET: &str = "page secret";
const FILE: &str = "file";
const SETTINGS: &str = "settings";

/// Largest settings, in bytes as encoded.
pub const MAX_SETTINGS: usize = 64 * 1024;

macro_rules! secret {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub [u8; 32]);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret! {
    /// The seed of the endpoint's key.
    NodeSecret
}

secret! {
    /// The secret from which the labels of pages are derived.
    PageSecret
}

/// What is read once, at the opening.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    node: NodeSecret,
    page: PageSecret,
    restored: bool,
}

#[derive(Serialize, Deserialize)]
struct FileRow {
    inode: u64,
    origin: u128,
}

impl Identity {
    /// Reads who the node is; makes it up in a new database. `file` is the database's file as it
    /// is now, `marks` what the small file says: where it is another one than last time, or forgotten,
    /// this store is a copy of an older state, and its authors may have written more since. Then none of them writes on, and serials leap.
    pub(super) fn load(
        database: &Database,
        file: Option<FileIdentity>,
        marks: Option<Marks>,
    ) -> Result<Self, StoreError> {
        write_once(database, |tx| {
            let node = NodeSecret(secret(tx, NODE_SECRET)?);
            let page = PageSecret(secret(tx, PAGE_SECRET)?);
            let file = file.map(|file| FileRow { inode: file.inode, origin: file.origin });
            let file = row::encode(&file);
            let held = tx.look(META)?.get(FILE)?.map(|held| held.value().to_owned());
            let moved = held.as_ref().is_some_and(|held| *held != file);
            let restored = moved || mark::is_forgotten(tx, marks)?;
            if restored {
                logs::restored(tx)?;
            }
            if moved || held.is_none() {
                tx.change(META)?.insert(FILE, file.as_slice())?;
            }
            Ok(Self { node, page, restored })
        })
    }
}

fn secret(tx: &Tx<'_>, name: &str) -> Result<[u8; 32], StoreError> {
    if let Some(secret) = tx.look(META)?.get(name)? {
        return secret.value().try_into().map_err(|_| StoreError::bad_row("meta"));
    }
    let secret = random()?;
    tx.change(META)?.insert(name, secret.as_slice())?;
    Ok(secret)
}

/// Fresh random bytes of the system's.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        let error = std::io::Error::other(error.to_string());
        StoreError::io("get random bytes for", super::DATABASE_FILE.as_ref(), error)
    })?;
    Ok(bytes)
}

impl Store {
    /// The seed of the endpoint's key.
    pub fn node_secret(&self) -> NodeSecret {
        self.identity().node
    }

    /// The secret from which the labels of pages are derived.
    pub fn page_secret(&self) -> PageSecret {
        self.identity().page
    }

    /// Whether the database's file is another one than when it was last open: it was copied or put
    /// back. Nothing need be done: each author's next entry begins its next incarnation.
    pub fn restored(&self) -> bool {
        self.identity().restored
    }

    /// The node's settings, as they were given to [`Self::change_settings`].
    ///
    /// # Errors
    /// The disk's.
    pub fn settings(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(|snapshot| {
            let settings = snapshot.table(META)?.get_owned(SETTINGS)?;
            Ok(settings.map(|settings| settings.value().to_owned()))
        })
    }

    /// Changes the node's settings, which are encoded by the caller: `change` gets what is kept and
    /// returns what is to be. It may run several times.
    ///
    /// # Errors
    /// [`StoreError::Limit`] over [`MAX_SETTINGS`]; the disk's.
    pub async fn change_settings(
        &self,
        change: impl Fn(Option<&[u8]>) -> Vec<u8> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.write(MAX_SETTINGS, move |tx| {
            let held = tx.look(META)?.get(SETTINGS)?.map(|held| held.value().to_owned());
            let settings = change(held.as_deref());
            if settings.len() > MAX_SETTINGS {
                return Err(StoreError::Limit("settings have 64 KiB at most"));
            }
            tx.change(META)?.insert(SETTINGS, settings.as_slice())?;
            Ok(())
        })
        .await
    }
}
