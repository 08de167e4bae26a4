//! What limits refused or dropped, by the limit's name.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Counters. Their names are constants of the code, so their number is bounded.
#[derive(Debug, Default)]
pub struct Refused(Mutex<BTreeMap<&'static str, u64>>);

impl Refused {
    /// Adds one.
    pub fn count(&self, limit: &'static str) {
        self.add(limit, 1);
    }

    /// Adds some.
    pub fn add(&self, limit: &'static str, n: u64) {
        if n > 0 {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(limit).or_default() += n;
        }
    }

    /// All of them.
    pub fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
