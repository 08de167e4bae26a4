//! How many sockets there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Limits;

/// Counts sockets, in all and by origin.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashMap<String, usize>>>);

/// A socket's place; free again when dropped.
#[derive(Debug)]
pub(super) struct Held {
    places: Places,
    host: String,
}

impl Places {
    pub(super) fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// A place for one more socket of `host`, unless there are too many.
    pub(super) fn take(&self, host: &str, limits: &Limits) -> Option<Held> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = counts.values().sum();
        let own = counts.get(host).copied().unwrap_or(0);
        if all >= limits.sockets || own >= limits.sockets_per_origin {
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
        let limits = Limits { sockets: 3, sockets_per_origin: 2, ..Limits::default() };
        let places = Places::default();
        let (a1, a2) = (places.take("a", &limits), places.take("a", &limits));
        assert!(a1.is_some() && a2.is_some());
        assert!(places.take("a", &limits).is_none());
        let b1 = places.take("b", &limits);
        assert!(b1.is_some());
        assert!(places.take("b", &limits).is_none());
        drop((a1, a2, b1));
        assert!(places.0.lock().unwrap().is_empty());
    }
}
