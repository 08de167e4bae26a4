//! What pages are told of files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kith_api::{Event, EventStream, FileStage, FileState, Result};
use kith_log::SpaceId;
use tokio::sync::watch;

use crate::node::Inner;

/// Between two reports.
const REPORT_GAP: Duration = Duration::from_millis(250);
/// Files that the first report tells of, the newest ones.
const MAX_TOLD: usize = 10_000;

impl Inner {
    /// How far the files of a space are: all that are not absent, then those that change.
    pub(crate) fn watch_files(self: &Arc<Self>, space: SpaceId) -> Result<EventStream> {
        self.spaces.get(&space)?;
        let changes = self.transfers.changes();
        let start =
            Watch { node: self.clone(), space, changes, told: BTreeMap::new(), first: true };
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
    /// What was told last of each that may change.
    told: BTreeMap<String, FileState>,
    first: bool,
}

impl Watch {
    /// The next report; none when the space was left.
    async fn next(&mut self) -> Option<Vec<FileState>> {
        loop {
            if !self.first {
                tokio::time::sleep(REPORT_GAP).await;
                self.changes.changed().await.ok()?;
            }
            self.changes.mark_unchanged();
            self.node.spaces.get(&self.space).ok()?;
            let files = if self.first { self.all() } else { self.changed() };
            if self.first || !files.is_empty() {
                self.first = false;
                return Some(files);
            }
        }
    }

    fn all(&mut self) -> Vec<FileState> {
        let _ = self.changed();
        let attached = self.node.store.attached(&self.space, MAX_TOLD).unwrap_or_default();
        let states = attached
            .iter()
            .filter_map(|attachment| self.node.file_state(&self.space, attachment).ok());
        states.filter(|state| state.stage != FileStage::Absent).collect()
    }

    fn changed(&mut self) -> Vec<FileState> {
        let states = self.node.transfers.of(&self.space);
        let states = states.iter().map(|transfer| self.node.state_of(transfer));
        let news: Vec<_> =
            states.filter(|state| self.told.get(&state.hash) != Some(state)).collect();
        self.told.extend(news.iter().map(|state| (state.hash.clone(), state.clone())));
        news
    }
}
