//! Publishing keys, by name.

use kith_app::AppSecret;
use redb::ReadableTable;

use super::error::StoreError;
use super::open::Store;
use super::schema::KEYS;

impl Store {
    /// Keeps a publishing key. A name that is here already keeps its key: a lost key is a dead app.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the name has another key; the disk's.
    pub async fn add_key(&self, name: &str, secret: &AppSecret) -> Result<(), StoreError> {
        let (name, secret) = (name.to_owned(), secret.clone());
        self.write(name.len() + 32, move |tx| {
            let held = tx.look(KEYS)?.get(name.as_str())?.map(|seed| seed.value());
            match held {
                Some(held) if held == *secret.seed() => Ok(()),
                Some(_) => Err(StoreError::Exists("publishing key")),
                None => {
                    tx.change(KEYS)?.insert(name.as_str(), secret.seed())?;
                    Ok(())
                }
            }
        })
        .await
    }

    /// The publishing key of that name.
    ///
    /// # Errors
    /// The disk's.
    pub fn key(&self, name: &str) -> Result<Option<AppSecret>, StoreError> {
        self.read(|snapshot| {
            let seed = snapshot.table(KEYS)?.get_owned(name)?;
            Ok(seed.map(|seed| AppSecret::from_seed(&seed.value())))
        })
    }

    /// All publishing keys, by name.
    ///
    /// # Errors
    /// The disk's.
    pub fn keys(&self) -> Result<Vec<(String, AppSecret)>, StoreError> {
        self.read(|snapshot| {
            let table = snapshot.table(KEYS)?;
            let rows = table.iter()?;
            rows.map(|row| {
                let (name, seed) = row?;
                Ok((name.value().to_owned(), AppSecret::from_seed(&seed.value())))
            })
            .collect()
        })
    }
}
