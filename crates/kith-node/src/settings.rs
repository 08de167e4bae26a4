//! The person's settings, kept in the store.

use kith_api::{Error, ErrorCode, MAX_NAME, Result, Settings, SettingsChange};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::store::Store;

/// What is kept: the settings, and what the node remembers between runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    lan: bool,
    #[serde(default)]
    auto_update: bool,
    /// UDP ports of the last run, IPv4's and IPv6's: invitations and other nodes remember them.
    #[serde(default)]
    ports: [u16; 2],
}

impl Kept {
    fn settings(self) -> Settings {
        Settings { name: self.name, lan: self.lan, auto_update: self.auto_update }
    }
}

/// The settings, in memory and on disk.
pub(crate) struct SettingsStore {
    store: Store,
    current: watch::Sender<Settings>,
    /// Those of the last run.
    ports: [u16; 2],
}

impl SettingsStore {
    /// Reads the settings; `default_name` is the person's name in a new data directory.
    pub(crate) fn load(store: Store, default_name: &str) -> Result<Self> {
        let kept = match store.settings()? {
            None => {
                let name = person_name(default_name).unwrap_or_else(|_| "Me".into());
                Kept { name, lan: true, auto_update: false, ports: [0; 2] }
            }
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(ErrorCode::Storage, "The settings can't be read.").why(error.to_string())
            })?,
        };
        let ports = kept.ports;
        Ok(Self { store, current: watch::Sender::new(kept.settings()), ports })
    }

    /// The settings now.
    pub(crate) fn get(&self) -> Settings {
        self.current.borrow().clone()
    }

    /// Told of each change.
    pub(crate) fn watch(&self) -> watch::Receiver<Settings> {
        self.current.subscribe()
    }

    /// Changes them, on disk first.
    pub(crate) async fn set(&self, change: SettingsChange) -> Result<Settings> {
        let name = change.name.map(|name| person_name(&name)).transpose()?;
        self.keep(move |kept| {
            if let Some(name) = &name {
                kept.name.clone_from(name);
            }
            kept.lan = change.lan.unwrap_or(kept.lan);
            kept.auto_update = change.auto_update.unwrap_or(kept.auto_update);
        })
        .await?;
        Ok(self.get())
    }

    /// The UDP ports of the last run, IPv4's and IPv6's; 0 for none.
    pub(crate) fn ports(&self) -> [u16; 2] {
        self.ports
    }

    /// Keeps the ports for the next run. A disk that is full is no reason not to run now.
    pub(crate) async fn set_ports(&self, ports: [u16; 2]) {
        if self.ports == ports {
            return;
        }
        if let Err(error) = self.keep(move |kept| kept.ports = ports).await {
            tracing::warn!(%error, "the ports of this run are not remembered");
        }
    }

    /// Changes what is kept, each change upon the one before.
    async fn keep(&self, change: impl Fn(&mut Kept) + Send + 'static) -> Result<()> {
        let Settings { name, lan, auto_update } = self.get();
        let first = Kept { name, lan, auto_update, ports: self.ports };
        let changed = self.store.change_settings(move |held| {
            let held = held.and_then(|held| serde_json::from_slice(held).ok());
            let mut kept: Kept = held.unwrap_or_else(|| first.clone());
            change(&mut kept);
            serde_json::to_vec(&kept).expect("plain data")
        });
        changed.await?;
        // Read again: of two changes at once, the one that comes here last may be the older one.
        self.current.send_modify(|current| {
            let held = self.store.settings().ok().flatten();
            let held = held.map(|held| serde_json::from_slice::<Kept>(&held));
            if let Some(Ok(kept)) = held {
                *current = kept.settings();
            }
        });
        Ok(())
    }
}

/// A name that people see: trimmed, on one line, 1 to 64 bytes.
pub(crate) fn person_name(name: &str) -> Result<String> {
    let name = name.trim();
    let refused =
        |why: &str| Err(Error::new(ErrorCode::InvalidParams, "This name can't be used.").why(why));
    if name.is_empty() {
        return refused("It is empty.");
    }
    if name.len() > MAX_NAME {
        return refused("It is longer than 64 bytes.");
    }
    if name.chars().any(char::is_control) {
        return refused("It has a control character.");
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_at_once_are_all_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), crate::store::Options::default()).unwrap();
        let settings = SettingsStore::load(store.clone(), "Ada").unwrap();
        let name = SettingsChange { name: Some("Ben".into()), ..SettingsChange::default() };
        let lan = SettingsChange { lan: Some(false), ..SettingsChange::default() };
        let (first, second, ()) =
            tokio::join!(settings.set(name), settings.set(lan), settings.set_ports([1, 2]));
        first.and(second).unwrap();
        let now = Settings { name: "Ben".into(), lan: false, auto_update: false };
        assert_eq!(settings.get(), now);
        let again = SettingsStore::load(store, "Ada").unwrap();
        assert_eq!((again.get(), again.ports()), (now, [1, 2]));
    }

    #[test]
    fn names_are_trimmed_and_checked() {
        assert_eq!(person_name("  Ada  ").unwrap(), "Ada");
        for bad in ["", "   ", "a\nb", "\u{7}", &"x".repeat(65)] {
            assert_eq!(person_name(bad).unwrap_err().code, ErrorCode::InvalidParams);
        }
    }
}
