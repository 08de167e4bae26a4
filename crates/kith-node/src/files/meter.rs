//! How far a file or folder is, how fast it comes, and from whom.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use kith_api::{Error, FileStage};
use kith_log::AuthorId;
use kith_overlay::blob::{BlobProgress, PeerProgress, PeerShare};
use kith_overlay::transport::EndpointId;

/// What speed is measured over.
const SPAN: Duration = Duration::from_secs(4);
/// Between two samples.
const SAMPLE: Duration = Duration::from_millis(250);
/// Peers that are told of, as givers of one file or folder.
const MAX_SOURCES: usize = 64;

/// How far something is. Of a folder, its blobs count together.
#[derive(Clone, Debug)]
pub(super) struct Meter {
    pub(super) stage: FileStage,
    /// Bytes in all, as far as that is known.
    pub(super) size: u64,
    pub(super) error: Option<Error>,
    /// Bytes of blobs that are done.
    done: u64,
    /// Bytes that are here of those under way.
    under_way: BTreeMap<[u8; 32], u64>,
    sources: BTreeMap<EndpointId, Source>,
    samples: VecDeque<(Instant, u64)>,
}

/// Someone who gives.
#[derive(Clone, Debug, Default)]
pub(super) struct Source {
    /// What came from them, by blobs under way that are not done, and before.
    under_way: BTreeMap<[u8; 32], u64>,
    done: u64,
    /// Who they are in the space, once they said so.
    pub(super) author: Option<AuthorId>,
    pub(super) sending: bool,
    pub(super) failure: Option<String>,
}

impl Source {
    /// Bytes that came from them.
    pub(super) fn bytes(&self) -> u64 {
        self.done + self.under_way.values().sum::<u64>()
    }
}

impl Meter {
    pub(super) fn new(stage: FileStage, size: u64, here: u64) -> Self {
        Self {
            stage,
            size,
            error: None,
            done: here,
            under_way: BTreeMap::new(),
            sources: BTreeMap::new(),
            samples: VecDeque::new(),
        }
    }

    /// Bytes that are here.
    pub(super) fn bytes(&self) -> u64 {
        (self.done + self.under_way.values().sum::<u64>()).min(self.size)
    }

    /// Those who give, or failed to.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Source> {
        self.sources
            .values()
            .filter(|source| source.sending || source.failure.is_some() || source.bytes() > 0)
    }

    /// A blob went on.
    pub(super) fn went_on(&mut self, hash: [u8; 32], progress: &BlobProgress, now: Instant) {
        self.under_way.insert(hash, progress.bytes);
        for PeerShare { peer, author, bytes, state } in &progress.peers {
            if !self.sources.contains_key(peer) && self.sources.len() == MAX_SOURCES {
                continue;
            }
            let source = self.sources.entry(*peer).or_default();
            source.author = author.or(source.author);
            if *bytes > 0 {
                source.under_way.insert(hash, *bytes);
            }
            source.sending = matches!(state, PeerProgress::Asked);
            source.failure = match state {
                PeerProgress::Failed(failure) => Some(failure.to_string()),
                _ => None,
            };
        }
        self.sample(now);
    }

    /// A try of a blob is over: its givers send no more, and what came is kept.
    pub(super) fn paused(&mut self, hash: &[u8; 32]) {
        for source in self.sources.values_mut() {
            source.done += source.under_way.remove(hash).unwrap_or_default();
            source.sending = false;
        }
    }

    /// A blob of `size` bytes is here.
    pub(super) fn arrived(&mut self, hash: &[u8; 32], size: u64) {
        self.paused(hash);
        self.under_way.remove(hash);
        self.done += size;
    }

    /// Nothing more comes of the one blob that this is; so much of it is here.
    pub(super) fn rests(&mut self, hash: &[u8; 32], stage: FileStage, here: u64) {
        self.paused(hash);
        self.under_way.remove(hash);
        self.done = here;
        self.stage = stage;
    }

    fn sample(&mut self, now: Instant) {
        if self.samples.back().is_some_and(|(at, _)| now.duration_since(*at) < SAMPLE) {
            return;
        }
        self.samples.push_back((now, self.bytes()));
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > SPAN) {
            self.samples.pop_front();
        }
    }

    /// Bytes per second, of late.
    pub(super) fn speed(&self, now: Instant) -> u64 {
        if self.stage != FileStage::Fetching {
            return 0;
        }
        let Some((start, before)) = self.samples.front() else { return 0 };
        let span = now.duration_since(*start).as_millis().max(1);
        let came = u128::from(self.bytes().saturating_sub(*before));
        u64::try_from(came * 1_000 / span).unwrap_or(u64::MAX)
    }

    /// Milliseconds that are left.
    pub(super) fn left(&self, now: Instant) -> Option<u64> {
        let speed = self.speed(now);
        let rest = self.size.saturating_sub(self.bytes());
        (speed > 0).then(|| rest.saturating_mul(1_000) / speed)
    }
}

#[cfg(test)]
mod tests {
    use kith_overlay::blob::FetchStage;

    use super::*;

    fn peer(n: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[n; 32]).public()
    }

    fn progress(bytes: u64, peers: &[(u8, u64)]) -> BlobProgress {
        let peers = peers.iter().map(|(n, bytes)| PeerShare {
            peer: peer(*n),
            author: None,
            bytes: *bytes,
            state: PeerProgress::Asked,
        });
        BlobProgress { bytes, size: 1_000, stage: FetchStage::Fetching, peers: peers.collect() }
    }

    #[test]
    fn blobs_count_together_and_givers_are_told_apart() {
        let now = Instant::now();
        let mut meter = Meter::new(FileStage::Fetching, 2_000, 0);
        meter.went_on([1; 32], &progress(600, &[(1, 400), (2, 200)]), now);
        meter.went_on([2; 32], &progress(100, &[(1, 100)]), now);
        assert_eq!(meter.bytes(), 700);
        meter.arrived(&[1; 32], 1_000);
        assert_eq!(meter.bytes(), 1_100);
        let given: Vec<_> = meter.sources().map(Source::bytes).collect();
        assert_eq!(given.iter().sum::<u64>(), 700);
        // A second try counts anew.
        meter.paused(&[2; 32]);
        meter.went_on([2; 32], &progress(300, &[(1, 200)]), now);
        assert_eq!(meter.sources[&peer(1)].bytes(), 700);
    }

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let start = Instant::now();
        let mut meter = Meter::new(FileStage::Fetching, 10_000, 0);
        for second in 0..10 {
            let bytes = if second < 5 { second * 1_000 } else { 4_000 + (second - 4) * 100 };
            meter.went_on([1; 32], &progress(bytes, &[]), start + Duration::from_secs(second));
        }
        let now = start + Duration::from_secs(9);
        assert_eq!(meter.speed(now), 100);
        assert_eq!(meter.left(now), Some((10_000 - 4_500) * 10));
        meter.stage = FileStage::Paused;
        assert_eq!(meter.speed(now), 0);
        assert_eq!(meter.left(now), None);
    }
}
