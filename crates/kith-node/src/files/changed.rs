//! Telling the person of shared files that are not what they were.

use std::collections::BTreeSet;
use std::sync::Arc;

use kith_api::{Error, ErrorCode};

use crate::node::Inner;

impl Inner {
    /// Tells of each changed file once, as it is found.
    pub(crate) async fn tell_changed_files(self: Arc<Self>) {
        let mut changed = self.store.changed_files();
        let mut told = BTreeSet::new();
        loop {
            let now = changed.borrow_and_update().clone();
            told.retain(|hash| now.iter().any(|file| file.hash == *hash));
            for file in now {
                if told.insert(file.hash) {
                    let error = Error::new(
                        ErrorCode::NotFound,
                        format!("{} can't be got from you any more.", file.path.display()),
                    )
                    .why("It was changed, moved or deleted since it was shared.")
                    .todo("Share it again, if others should get what it is now.");
                    self.problems.lock().expect("no panic while held").add(error, None);
                    self.changed();
                }
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }
}
