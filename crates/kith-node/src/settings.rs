//! The person's settings, kept in the store.

use std::sync::Mutex;

use kith_api::{Error, ErrorCode, MAX_NAME, Result, Settings, SettingsChange};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::store::Store;

/// What is kept: the settings, and what the node remembers between runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    name: String,
    lan: bool,
    /// UDP ports of the last run, IPv4's and IPv6's: invitations and other nodes remember them.
    #[serde(default)]
    ports: [u16; 2],
}

/// The settings, in memory and on disk.
pub(crate) struct SettingsStore {
    store: Store,
    current: watch::Sender<Settings>,
    ports: Mutex<[u16; 2]>,
}

impl SettingsStore {
    /// Reads the settings; `default_name` is the person's name in a new data directory.
    pub(crate) fn load(store: Store, default_name: &str) -> Result<Self> {
        let kept = match store.settings()? {
            None => {
                let name = person_name(default_name).unwrap_or_else(|_| "Me".into());
                Kept { name, lan: true, ports: [0; 2] }
            }
            Some(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                Error::new(ErrorCode::Storage, "The settings can't be read.").why(error.to_string())
            })?,
        };
        let current = watch::Sender::new(Settings { name: kept.name, lan: kept.lan });
        Ok(Self { store, current, ports: Mutex::new(kept.ports) })
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
        let mut settings = self.get();
        if let Some(name) = change.name {
            settings.name = person_name(&name)?;
        }
        if let Some(lan) = change.lan {
            settings.lan = lan;
        }
        self.keep(&settings, self.ports()).await?;
        self.current.send_replace(settings.clone());
        Ok(settings)
    }
}

impl SettingsStore {
    /// The UDP ports of the last run, IPv4's and IPv6's; 0 for none.
    pub(crate) fn ports(&self) -> [u16; 2] {
        *self.ports.lock().expect("no panic while held")
    }

    /// Keeps the ports for the next run.
    pub(crate) async fn set_ports(&self, ports: [u16; 2]) -> Result<()> {
        if self.ports() != ports {
            self.keep(&self.get(), ports).await?;
            *self.ports.lock().expect("no panic while held") = ports;
        }
        Ok(())
    }

    async fn keep(&self, settings: &Settings, ports: [u16; 2]) -> Result<()> {
        let kept = Kept { name: settings.name.clone(), lan: settings.lan, ports };
        let bytes = serde_json::to_vec(&kept).expect("plain data");
        Ok(self.store.set_settings(bytes).await?)
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

    #[test]
    fn names_are_trimmed_and_checked() {
        assert_eq!(person_name("  Ada  ").unwrap(), "Ada");
        for bad in ["", "   ", "a\nb", "\u{7}", &"x".repeat(65)] {
            assert_eq!(person_name(bad).unwrap_err().code, ErrorCode::InvalidParams);
        }
    }
}
