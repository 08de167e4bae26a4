//! What pages handed in of late, and may attach to an entry.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use kith_log::SpaceId;
use kith_log::file::Attachment;

use super::transfers::Key;

/// Uploads remembered; the oldest go first, and must be handed in again. 1 MB.
const MAX_UPLOADS: usize = 4_096;

/// What pages handed in.
#[derive(Default)]
pub(crate) struct Uploads(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_hash: BTreeMap<Key, Attachment>,
    order: VecDeque<Key>,
}

impl Uploads {
    pub(super) fn put(&self, space: SpaceId, attachment: Attachment) {
        let mut known = self.0.lock().expect("no panic while held");
        let key = (space, attachment.hash);
        if known.by_hash.insert(key, attachment).is_some() {
            return;
        }
        known.order.push_back(key);
        if known.order.len() > MAX_UPLOADS
            && let Some(oldest) = known.order.pop_front()
        {
            known.by_hash.remove(&oldest);
        }
    }

    pub(super) fn get(&self, key: &Key) -> Option<Attachment> {
        self.0.lock().expect("no panic while held").by_hash.get(key).cloned()
    }
}
