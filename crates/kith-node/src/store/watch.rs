//! Who waits for new entries of a space.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use kith_log::SpaceId;
use tokio::sync::watch;

/// The channels, one for each space that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Watches(Mutex<HashMap<SpaceId, watch::Sender<u64>>>);

impl Watches {
    /// A receiver of the space's highest serial. `now` is read while no notice can pass unseen.
    pub(super) fn watch<E>(
        &self,
        space: SpaceId,
        now: impl FnOnce() -> Result<u64, E>,
    ) -> Result<watch::Receiver<u64>, E> {
        let mut watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|_, sender| sender.receiver_count() > 0);
        if let Some(sender) = watches.get(&space) {
            return Ok(sender.subscribe());
        }
        let (sender, receiver) = watch::channel(now()?);
        watches.insert(space, sender);
        Ok(receiver)
    }

    /// Tells that the space's highest serial is now this one.
    pub(super) fn tell(&self, space: &SpaceId, serial: u64) {
        let watches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = watches.get(space) {
            sender.send_if_modified(|last| {
                let newer = serial > *last;
                *last = serial.max(*last);
                newer
            });
        }
    }

    /// Ends the space's watches: it was left.
    pub(super) fn end(&self, space: &SpaceId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(space);
    }
}
