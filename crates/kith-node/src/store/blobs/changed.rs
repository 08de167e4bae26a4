//! Files of the person's that are not what was shared any more: each is told once.

use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::place::Outside;
use crate::store::open::Store;

/// Changed files that are remembered: later ones take the place of the first. Bounds the list that a
/// person is shown.
pub const MAX_CHANGED: usize = 64;

/// A shared file that was changed, moved or deleted. It is not served while it is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// The blob that it was.
    pub hash: [u8; 32],
    /// Where it was.
    pub path: PathBuf,
}

/// The list, and who watches it.
#[derive(Debug)]
pub(in crate::store) struct ChangedFiles(watch::Sender<Vec<ChangedFile>>);

impl Default for ChangedFiles {
    fn default() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }
}

impl Store {
    /// The shared files that were found changed, the latest last, [`MAX_CHANGED`] at most. One that
    /// is shared again, or is as it was again, is on the list no more.
    pub fn changed_files(&self) -> watch::Receiver<Vec<ChangedFile>> {
        self.changed().0.subscribe()
    }

    pub(super) fn note_changed(&self, hash: &[u8; 32], outside: &Outside) {
        self.changed().0.send_if_modified(|files| {
            if files.iter().any(|file| file.hash == *hash) {
                return false;
            }
            tracing::info!("a shared file was changed, moved or deleted; it is not served");
            files.push(ChangedFile { hash: *hash, path: outside.path.clone() });
            files.drain(..files.len().saturating_sub(MAX_CHANGED));
            true
        });
    }

    /// A file is what was shared, or what is there now is shared.
    pub(super) fn note_intact(&self, path: &Path) {
        self.changed().0.send_if_modified(|files| {
            let before = files.len();
            files.retain(|file| file.path != path);
            files.len() < before
        });
    }
}
