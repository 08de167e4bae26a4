//! What pages are told of files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kith_api::{Event, EventStream, FileStage, FileState, Result};
use kith_log::SpaceId;
use tokio::sync::watch;

use crate::node::Inner;

/// Between two reports.
const REPORT_GAP: Duration = Duration::from_millis(250);
/// Files that are looked at where all are, the newest ones.
const MAX_TOLD: usize = 10_000;

impl Inner {
    /// How far the files of a space are: all that are not absent, then those that change. Of each the
    /// newest state is told, however slowly the subscriber takes them.
    pub(crate) fn watch_files(self: &Arc<Self>, space: SpaceId) -> Result<EventStream> {
        self.spaces.get(&space)?;
        let changes = self.transfers.changes();
        let (node, told) = (self.clone(), BTreeMap::new());
        let start = Watch { node, space, changes, told, seen: None };
        let events = stream::unfold(start, |mut watch| async move {
            let files = watch.next().await?;
            Some((Event::Files { files }, watch))
        });
        Ok(events.boxed())
    }
}

struct Watch {
    node: Arc<Inner>,
    space: SpaceId,
    changes: watch::Receiver<u64>,
    /// What was told last of each that is under way, or was: of others each change is a touch.
    told: BTreeMap<[u8; 32], FileState>,
    /// How many touches were looked at; `None` before the first report.
    seen: Option<u64>,
}

impl Watch {
    /// The next report; none when the space was left.
    async fn next(&mut self) -> Option<Vec<FileState>> {
        loop {
            let is_first = self.seen.is_none();
            if !is_first {
                tokio::time::sleep(REPORT_GAP).await;
                self.changes.changed().await.ok()?;
            }
            self.changes.mark_unchanged();
            self.node.spaces.get(&self.space).ok()?;
            let mut files = self.changed();
            if is_first {
                files.retain(|state| state.stage != FileStage::Absent);
                return Some(files);
            }
            if !files.is_empty() {
                return Some(files);
            }
        }
    }

    /// The states that were not told yet.
    fn changed(&mut self) -> Vec<FileState> {
        let Self { node, space, told, seen, .. } = self;
        let (touched, count) = node.transfers.touched(space, seen.unwrap_or(0));
        let touched = touched.filter(|_| seen.is_some());
        *seen = Some(count);
        let before = std::mem::take(told);
        let mut news = Vec::new();
        for transfer in node.transfers.standing_of(space) {
            let (hash, state) = (transfer.key.1, node.state_of(&transfer));
            if before.get(&hash) != Some(&state) {
                news.push(state.clone());
            }
            told.insert(hash, state);
        }
        let others = match touched {
            Some(hashes) => {
                let hashes: BTreeSet<_> = hashes.into_iter().collect();
                let named = hashes.iter().filter_map(|hash| node.attachment(space, hash).ok());
                named.collect()
            }
            None => node.store.attached(space, MAX_TOLD).unwrap_or_default(),
        };
        let others = others.iter().filter(|attachment| !told.contains_key(&attachment.hash));
        news.extend(others.filter_map(|attachment| node.file_state(space, attachment).ok()));
        news
    }
}
