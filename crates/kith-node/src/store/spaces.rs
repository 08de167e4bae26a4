//! The spaces that this node is in.

use kith_app::{AppId, SpaceKeys, SpaceSecret};
use kith_log::{AuthorId, AuthorSecret, SpaceId};
use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::identity::random;
use super::open::Store;
use super::schema::SPACES;
use super::writer::Tx;
use super::{logs, row, usage};

/// A space that this node is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpaceRecord {
    /// The app that it belongs to.
    pub app: AppId,
    /// From which all its keys are derived.
    pub secret: SpaceSecret,
    /// Whether it is the app's public space.
    pub public: bool,
    /// What the person calls it.
    pub name: String,
    /// When it was joined or made, in milliseconds since 1970.
    pub joined: u64,
    /// When it was last opened, in milliseconds since 1970.
    pub used: u64,
}

/// Oneself in a space.
#[derive(Clone, Debug)]
pub struct OwnAuthor {
    /// Signs own entries. One space, one device, one incarnation.
    pub secret: AuthorSecret,
    /// The member, which stays the same over incarnations: the first author's id.
    pub member: AuthorId,
}

#[derive(Serialize, Deserialize)]
struct SpaceRow {
    app: [u8; 32],
    secret: [u8; 32],
    public: bool,
    name: String,
    joined: u64,
    used: u64,
}

impl SpaceRecord {
    /// The space's keys. Its id is among them.
    pub fn keys(&self) -> SpaceKeys {
        SpaceKeys::derive(&self.app, &self.secret)
    }

    /// The space's id.
    pub fn id(&self) -> SpaceId {
        SpaceId::from_bytes(self.keys().space)
    }

    fn encode(&self) -> Vec<u8> {
        row::encode(&SpaceRow {
            app: *self.app.as_bytes(),
            secret: *self.secret.as_bytes(),
            public: self.public,
            name: self.name.clone(),
            joined: self.joined,
            used: self.used,
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let space: SpaceRow = row::decode("spaces", bytes)?;
        Ok(Self {
            app: AppId::from_bytes(space.app),
            secret: SpaceSecret::from_bytes(space.secret),
            public: space.public,
            name: space.name,
            joined: space.joined,
            used: space.used,
        })
    }
}

impl Store {
    /// Joins or makes a space, with an author of its own. Returns the space's id.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where this node is in it already; the disk's.
    pub async fn add_space(&self, space: SpaceRecord) -> Result<SpaceId, StoreError> {
        let (id, bytes) = (space.id(), space.encode());
        let seed = random()?;
        self.write(bytes.len(), move |tx| {
            let mut spaces = tx.change(SPACES)?;
            if spaces.insert(id.as_bytes(), bytes.as_slice())?.is_some() {
                return Err(StoreError::Exists("space"));
            }
            logs::begin_space(tx, &id, &AuthorSecret::from_seed(&seed))?;
            Ok(id)
        })
        .await
    }

    /// A space.
    ///
    /// # Errors
    /// The disk's.
    pub fn space(&self, space: &SpaceId) -> Result<Option<SpaceRecord>, StoreError> {
        self.read(|snapshot| {
            let row = snapshot.table(SPACES)?.get_owned(space.as_bytes())?;
            row.map(|row| SpaceRecord::decode(row.value())).transpose()
        })
    }

    /// All spaces, in the order of their ids.
    ///
    /// # Errors
    /// The disk's.
    pub fn spaces(&self) -> Result<Vec<(SpaceId, SpaceRecord)>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(SPACES)?;
            let rows = table.iter()?;
            rows.map(|entry| {
                let (id, row) = entry?;
                Ok((SpaceId::from_bytes(id.value()), SpaceRecord::decode(row.value())?))
            })
            .collect()
        })
    }

    /// Gives a space another name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub async fn rename_space(&self, space: SpaceId, name: String) -> Result<(), StoreError> {
        self.change_space(space, move |record| record.name.clone_from(&name)).await
    }

    /// Says when a space was last opened.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub async fn use_space(&self, space: SpaceId, now: u64) -> Result<(), StoreError> {
        self.change_space(space, move |record| record.used = now).await
    }

    async fn change_space(
        &self,
        space: SpaceId,
        change: impl Fn(&mut SpaceRecord) + Send + 'static,
    ) -> Result<(), StoreError> {
        self.write(0, move |tx| {
            let mut record = find(tx, &space)?;
            change(&mut record);
            tx.change(SPACES)?.insert(space.as_bytes(), record.encode().as_slice())?;
            Ok(())
        })
        .await
    }

    /// Leaves a space, and deletes all that is here of it: its keys, logs and own author.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; the disk's.
    pub async fn leave_space(&self, space: SpaceId) -> Result<(), StoreError> {
        self.write(0, move |tx| {
            let record = find(tx, &space)?;
            tx.change(SPACES)?.remove(space.as_bytes())?;
            usage::forget(tx, record.app.as_bytes(), &space)?;
            logs::delete_space(tx, &space)
        })
        .await?;
        self.watches().end(&space);
        self.drop_blobs_of(space).await
    }
}

/// A space, inside of a transaction.
pub(super) fn find(tx: &Tx<'_>, space: &SpaceId) -> Result<SpaceRecord, StoreError> {
    let table = tx.look(SPACES)?;
    let row = table.get(space.as_bytes())?.ok_or(StoreError::NotFound("space"))?;
    SpaceRecord::decode(row.value())
}
