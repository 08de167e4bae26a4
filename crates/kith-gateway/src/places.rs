//! How many there are of what is limited by origin and in all: sockets, uploads.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts places, in all and by origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<HashMap<String, usize>>>);

/// A place; free again when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    places: Places,
    host: String,
}

impl Places {
    pub(crate) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// One more place of `host`, unless there are so many in all, or of this host.
    pub(crate) fn take(&self, host: &str, in_all: usize, of_host: usize) -> Option<Held> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let own = counts.get(host).copied().unwrap_or(0);
        if all >= in_all || own >= of_host {
            return None;
        }
        counts.insert(host.to_owned(), own + 1);
        Some(Held { places: self.clone(), host: host.to_owned() })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut counts = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.host) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.host);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_by_origin_and_in_all_and_come_back() {
        let places = Places::default();
        let (a1, a2) = (places.take("a", 3, 2), places.take("a", 3, 2));
        assert!(a1.is_some() && a2.is_some());
        assert!(places.take("a", 3, 2).is_none());
        let b1 = places.take("b", 3, 2);
        assert!(b1.is_some());
        assert!(places.take("b", 3, 2).is_none());
        drop((a1, a2, b1));
        assert!(places.0.lock().unwrap().is_empty());
    }
}
