//! Logs in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kith_app::{AppId, SignedVersion};
use kith_log::sync::ForkProof;
use kith_log::{AuthorId, Entry, Head, KnownLog, Placement, Segment, SpaceId, VerifiedRun};
use tokio::sync::watch;

use super::MemoryStorage;
use crate::boxed::BoxFuture;
use crate::storage::{LogStorage, StorageError, StorageResult};

#[derive(Debug, Default)]
pub(super) struct Logs {
    state: Mutex<State>,
    /// Rises with each run that was stored.
    stored: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    logs: BTreeMap<(SpaceId, AuthorId), Log>,
    forks: BTreeMap<(SpaceId, AuthorId), ForkProof>,
    versions: BTreeMap<AppId, SignedVersion>,
}

#[derive(Clone, Debug)]
struct Log {
    known: KnownLog,
    entries: BTreeMap<u64, Entry>,
    /// The head before each segment's first entry.
    segments: BTreeMap<u64, Option<Head>>,
}

impl MemoryStorage {
    /// Adds a run of our own log.
    ///
    /// # Errors
    /// Where it doesn't join what is held.
    pub fn append(&self, space: &SpaceId, run: VerifiedRun) -> StorageResult<()> {
        self.store(space, vec![run])
    }

    /// Changes after each run that was stored.
    pub fn stored(&self) -> watch::Receiver<u64> {
        self.logs.stored.subscribe()
    }

    /// The authors of the logs that are held in a space.
    pub fn authors(&self, space: &SpaceId) -> Vec<AuthorId> {
        let state = self.state();
        state.logs.keys().filter(|(of, _)| of == space).map(|(_, author)| *author).collect()
    }

    /// The entries that are held of a log, with the index of the first.
    pub fn entries(&self, space: &SpaceId, author: &AuthorId) -> (u64, Vec<Entry>) {
        match self.state().logs.get(&(*space, *author)) {
            Some(log) => (log.known.start(), log.entries.values().cloned().collect()),
            None => (0, Vec::new()),
        }
    }

    /// What is held of a log.
    pub fn known(&self, space: &SpaceId, author: &AuthorId) -> Option<KnownLog> {
        self.state().logs.get(&(*space, *author)).map(|log| log.known.clone())
    }

    /// The proof that an author forked, where there is one.
    pub fn fork(&self, space: &SpaceId, author: &AuthorId) -> Option<ForkProof> {
        self.state().forks.get(&(*space, *author)).cloned()
    }

    /// Adds an app's version, where it supersedes the one that is here.
    pub fn add_version(&self, version: SignedVersion) {
        let mut state = self.state();
        let held = state.versions.get(&version.app());
        if held.is_none_or(|held| version.supersedes(held)) {
            state.versions.insert(version.app(), version);
        }
    }

    fn store(&self, space: &SpaceId, runs: Vec<VerifiedRun>) -> StorageResult<()> {
        let mut state = self.state();
        // All or none: every run is checked against what the ones before it leave.
        let mut known = BTreeMap::new();
        for run in &runs {
            let key = (*space, *run.author());
            let held = known.remove(&key).or_else(|| state.logs.get(&key).map(|l| l.known.clone()));
            if !joins(held.as_ref(), run) {
                return Err(StorageError::NotHeld);
            }
            known.insert(key, KnownLog::after(held.as_ref(), run));
        }
        for run in runs {
            state.add((*space, *run.author()), run);
        }
        drop(state);
        self.logs.stored.send_modify(|n| *n += 1);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.logs.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn joins(known: Option<&KnownLog>, run: &VerifiedRun) -> bool {
    match (run.place(), known) {
        (Placement::First, known) => known.is_none(),
        (Placement::Append, Some(known)) => run.before() == Some(&known.head),
        (Placement::Older, Some(known)) => Some(run.head()) == known.base.as_ref(),
        (Placement::Append | Placement::Older, None) => false,
    }
}

impl State {
    /// Adds a run that joins.
    fn add(&mut self, key: (SpaceId, AuthorId), run: VerifiedRun) {
        let known = KnownLog::after(self.logs.get(&key).map(|log| &log.known), &run);
        let log = self.logs.entry(key).or_insert_with(|| Log {
            known: known.clone(),
            entries: BTreeMap::new(),
            segments: BTreeMap::new(),
        });
        let start = run.start();
        if run.place() == Placement::Older || known.segment.start == start {
            log.segments.insert(start, run.before().cloned());
        }
        log.known = known;
        log.entries.extend((start..).zip(run.into_entries()));
    }
}

impl Log {
    fn segment(&self, index: u64) -> Option<Segment> {
        self.entries.get(&index)?;
        let (start, before) = self.segments.range(..=index).next_back()?;
        let next = self.segments.range(index + 1..).next();
        let (end, after) = match next {
            Some((end, head)) => (*end, head.clone()?),
            None => (self.known.size(), self.known.head.clone()),
        };
        let entries = self.entries.range(start..&end).map(|(_, entry)| entry.clone()).collect();
        Some(Segment { before: before.clone(), entries, after })
    }
}

impl LogStorage for MemoryStorage {
    fn logs<'a>(
        &'a self,
        space: &'a SpaceId,
    ) -> BoxFuture<'a, StorageResult<Vec<(AuthorId, KnownLog)>>> {
        Box::pin(async move {
            let state = self.state();
            let logs = state.logs.iter().filter(|((of, _), _)| of == space);
            Ok(logs.map(|((_, author), log)| (*author, log.known.clone())).collect())
        })
    }

    fn segment<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        index: u64,
    ) -> BoxFuture<'a, StorageResult<Segment>> {
        Box::pin(async move {
            let state = self.state();
            let log = state.logs.get(&(*space, *author)).ok_or(StorageError::NotHeld)?;
            log.segment(index).ok_or(StorageError::NotHeld)
        })
    }

    fn ingest<'a>(
        &'a self,
        space: &'a SpaceId,
        runs: Vec<VerifiedRun>,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move { self.store(space, runs) })
    }

    fn keep_fork<'a>(
        &'a self,
        space: &'a SpaceId,
        author: &'a AuthorId,
        proof: &'a ForkProof,
    ) -> BoxFuture<'a, StorageResult<()>> {
        Box::pin(async move {
            self.state().forks.entry((*space, *author)).or_insert_with(|| proof.clone());
            Ok(())
        })
    }

    fn newest_version<'a>(
        &'a self,
        app: &'a AppId,
    ) -> BoxFuture<'a, StorageResult<Option<SignedVersion>>> {
        Box::pin(async move { Ok(self.state().versions.get(app).copied()) })
    }
}

#[cfg(test)]
mod tests {
    use kith_log::{AuthorSecret, Body, BodyKind, Draft, Opening, append};

    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn draft(index: u64, body: Vec<u8>) -> Draft {
        Draft { lamport: index + 1, time_ms: 1000 + index, epoch: 0, body }
    }

    #[test]
    fn segments_cover_what_was_appended() {
        let space = SpaceId::from_bytes(*AuthorSecret::from_seed(&SEED).author().as_bytes());
        let secret = AuthorSecret::from_seed(&[1; 32]);
        let author = secret.author();
        let storage = MemoryStorage::new();
        let opening = Opening::admit(&SEED, &author, None).to_body();
        for index in 0..40 {
            let body = if index == 0 {
                opening.clone()
            } else {
                Body::new(BodyKind::App, vec![0; 30_000]).to_plain().unwrap()
            };
            let known = storage.known(&space, &author);
            let run = append(&secret, &space, known.as_ref(), vec![draft(index, body)]).unwrap();
            storage.append(&space, run).unwrap();
        }
        let log = storage.state().logs[&(space, author)].clone();
        assert!(log.segments.len() > 3, "a segment has 256 KiB at most");
        let mut index = 0;
        while index < 40 {
            let segment = log.segment(index).unwrap();
            assert_eq!(segment.start(), index);
            assert_eq!(segment.after.size(), index + segment.entries.len() as u64);
            segment.after.checkpoint(&author).verify(&space).unwrap();
            index = segment.after.size();
        }
        assert!(log.segment(40).is_none());
    }

    #[test]
    fn what_does_not_join_is_refused_as_a_whole() {
        let space = SpaceId::from_bytes(*AuthorSecret::from_seed(&SEED).author().as_bytes());
        let secret = AuthorSecret::from_seed(&[1; 32]);
        let opening = Opening::admit(&SEED, &secret.author(), None).to_body();
        let first = append(&secret, &space, None, vec![draft(0, opening)]).unwrap();
        let storage = MemoryStorage::new();
        let twice = vec![first.clone(), first.clone()];
        assert!(matches!(storage.store(&space, twice), Err(StorageError::NotHeld)));
        assert!(storage.known(&space, &secret.author()).is_none());
        storage.append(&space, first.clone()).unwrap();
        assert!(storage.append(&space, first).is_err());
    }
}
