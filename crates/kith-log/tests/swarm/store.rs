//! A store in memory, as a real one would be: logs in segments, each with the head at its start.

use std::collections::BTreeMap;

use kith_log::{AuthorId, Entry, Head, KnownLog, Placement, Segment, VerifiedRun};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLog {
    pub known: KnownLog,
    segments: BTreeMap<u64, Option<Head>>,
    pub entries: BTreeMap<u64, Entry>,
}

#[derive(Clone, Debug, Default)]
pub struct Store {
    pub logs: BTreeMap<AuthorId, StoredLog>,
}

impl Store {
    pub fn add(&mut self, run: &VerifiedRun) {
        let known = KnownLog::after(self.logs.get(run.author()).map(|log| &log.known), run);
        let log = self.logs.entry(*run.author()).or_insert_with(|| StoredLog {
            known: known.clone(),
            segments: BTreeMap::new(),
            entries: BTreeMap::new(),
        });
        let opens = match run.place() {
            Placement::First | Placement::Older => true,
            Placement::Append => known.segment.start == run.start(),
        };
        if opens {
            log.segments.insert(run.start(), run.before().cloned());
        }
        for (index, entry) in (run.start()..).zip(run.entries()) {
            assert!(
                log.entries.insert(index, entry.clone()).is_none(),
                "entry {index} stored twice"
            );
        }
        log.known = known;
    }

    pub fn load(&self, author: &AuthorId, index: u64) -> Option<Segment> {
        let log = self.logs.get(author)?;
        let (&start, before) = log.segments.range(..=index).next_back()?;
        let after = log.segments.range(index + 1..).next();
        let after =
            after.map_or(&log.known.head, |(_, head)| head.as_ref().expect("not the first"));
        let entries: Vec<_> =
            log.entries.range(start..after.size()).map(|(_, entry)| entry.clone()).collect();
        assert_eq!(start + entries.len() as u64, after.size(), "a gap in the store");
        Some(Segment { before: before.clone(), entries, after: after.clone() })
    }

    pub fn known(&self) -> Vec<(AuthorId, KnownLog)> {
        self.logs.iter().map(|(author, log)| (*author, log.known.clone())).collect()
    }

    pub fn lamport(&self) -> u64 {
        let last = self.logs.values().filter_map(|log| log.entries.values().next_back());
        last.map(|entry| entry.header.lamport).max().unwrap_or(0)
    }
}
