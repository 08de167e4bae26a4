//! Peers that were met before, kept on disk: after a sleep or a start without internet, they are
//! who to try.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use kith_api::BoxFuture;
use kith_log::SpaceId;
use kith_overlay::transport::{EndpointId, PeerAddr, Way};

use super::{Finder, Found, Source};
use crate::store::{MAX_PEERS, PeerRecord, Store};

/// Peers remembered; of more, those of the most crowded space that were seen the longest ago are
/// forgotten: who comes to one space under many names is not the only one to be met in others. As
/// many as the store keeps.
pub const MAX_REMEMBERED: usize = MAX_PEERS;
/// How long a peer that was not met again is remembered, in milliseconds: 90 days, so that who was
/// away for a summer comes back by themselves.
pub const EXPIRY_MS: u64 = 90 * 24 * 60 * 60 * 1_000;
/// Peers that are remembered however long ago they seem to have been seen: the wall clock may have
/// jumped ahead, and without anybody to try a node is alone for good.
pub const KEPT_ANYWAY: usize = 64;
/// How old the time in a kept record may be while the peer is still here, in milliseconds: 1 h.
/// Bounds writing at one record for each peer and hour.
pub const REFRESH_MS: u64 = 60 * 60 * 1_000;

/// A peer that was met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMemory {
    /// Who, and where it was reached.
    pub peer: PeerAddr,
    /// When it was last seen, in milliseconds since 1970 UTC.
    pub seen: u64,
    /// The spaces that it shares with this node.
    pub spaces: Vec<SpaceId>,
}

/// Where peers are kept.
pub trait PeerCache: Send + Sync {
    /// All that are kept.
    ///
    /// # Errors
    /// The disk's, in words.
    fn load(&self) -> Result<Vec<PeerMemory>, String>;

    /// Keeps one, in the place of what was kept of it. Over [`MAX_REMEMBERED`], the one seen the
    /// longest ago makes room.
    ///
    /// # Errors
    /// The disk's, in words.
    fn keep(&self, memory: PeerMemory) -> BoxFuture<'_, Result<(), String>>;

    /// Forgets one.
    ///
    /// # Errors
    /// The disk's, in words.
    fn forget(&self, id: EndpointId) -> BoxFuture<'_, Result<(), String>>;
}

/// The peers that this node remembers. Clones share it.
#[derive(Clone)]
pub struct Remembered(Arc<Shared>);

struct Shared {
    cache: Box<dyn PeerCache>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    peers: BTreeMap<EndpointId, PeerMemory>,
    problem: Option<String>,
}

impl Remembered {
    /// Reads what is kept; who was not seen for [`EXPIRY_MS`] is forgotten, but for the last
    /// [`KEPT_ANYWAY`]. `now` is in milliseconds since 1970 UTC.
    pub async fn load(cache: impl PeerCache + 'static, now: u64) -> Self {
        let mut known = Known::default();
        match cache.load() {
            Ok(mut all) => {
                all.sort_by_key(|memory| Reverse(memory.seen));
                for (place, memory) in all.into_iter().enumerate() {
                    let is_fresh = now.saturating_sub(memory.seen) <= EXPIRY_MS;
                    if is_fresh || place < KEPT_ANYWAY {
                        known.peers.insert(memory.peer.id, memory);
                    } else if let Err(problem) = cache.forget(memory.peer.id).await {
                        known.problem = Some(problem);
                    }
                }
            }
            Err(problem) => known.problem = Some(problem),
        }
        Self(Arc::new(Shared { cache: Box::new(cache), known: Mutex::new(known) }))
    }

    /// Hands over everyone remembered: of each space the one seen last, then of each the next.
    pub async fn recall(&self, finder: &Finder) {
        for PeerMemory { peer, spaces, .. } in self.known(|known| known.in_turn()) {
            finder.push(Found { peer, way: Way::Cache, spaces }).await;
        }
    }

    /// Takes note of a peer that is connected now, by the addresses that worked. What is known
    /// already is written once in [`REFRESH_MS`].
    pub async fn note(&self, now: u64, peer: PeerAddr, mut spaces: Vec<SpaceId>) {
        if peer.addrs.is_empty() {
            return;
        }
        spaces.sort();
        spaces.dedup();
        let memory = PeerMemory { peer, seen: now, spaces };
        let (is_news, gone) = self.known(|known| known.insert(&memory));
        if is_news {
            if let Some(gone) = gone {
                // Where that fails, the store makes room by itself, as it does for all it keeps.
                let _ = self.0.cache.forget(gone).await;
            }
            let result = self.0.cache.keep(memory).await;
            self.known(|known| known.problem = result.err());
        }
    }

    fn known<T>(&self, with: impl FnOnce(&mut Known) -> T) -> T {
        with(&mut self.0.known.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Known {
    /// Everyone: of each space the one seen last, then of each the next.
    fn in_turn(&self) -> Vec<PeerMemory> {
        let mut all: Vec<_> = self.peers.values().cloned().collect();
        all.sort_by_key(|memory| Reverse(memory.seen));
        // Whoever is in no space is in none with others who are.
        let mut counts: BTreeMap<Option<SpaceId>, usize> = BTreeMap::new();
        let mut turns: Vec<(usize, PeerMemory)> = Vec::with_capacity(all.len());
        for memory in all {
            let mut spaces: Vec<_> = memory.spaces.iter().copied().map(Some).collect();
            if spaces.is_empty() {
                spaces.push(None);
            }
            let mut turn = usize::MAX;
            for space in spaces {
                let count = counts.entry(space).or_default();
                turn = turn.min(*count);
                *count += 1;
            }
            turns.push((turn, memory));
        }
        turns.sort_by_key(|(turn, _)| *turn);
        turns.into_iter().map(|(_, memory)| memory).collect()
    }

    /// Takes a peer in. Returns whether that is worth writing down, and who has to go for it.
    fn insert(&mut self, memory: &PeerMemory) -> (bool, Option<EndpointId>) {
        let id = memory.peer.id;
        let is_news = self.peers.get(&id).is_none_or(|known| {
            known.peer != memory.peer
                || known.spaces != memory.spaces
                // A clock that was set back makes the record look younger than now.
                || memory.seen.abs_diff(known.seen) >= REFRESH_MS
        });
        if is_news {
            self.peers.insert(id, memory.clone());
        }
        let mut gone = None;
        if self.peers.len() > MAX_REMEMBERED {
            let last = self.in_turn().into_iter().rev().map(|known| known.peer.id);
            gone = last.into_iter().find(|other| *other != id);
            gone.and_then(|gone| self.peers.remove(&gone));
        }
        (is_news, gone)
    }
}

impl PeerCache for Store {
    fn load(&self) -> Result<Vec<PeerMemory>, String> {
        let records = self.peers().map_err(|error| error.to_string())?;
        let memory = |record: PeerRecord| {
            let id = EndpointId::from_bytes(&record.id).ok()?;
            let peer = PeerAddr::new(id, record.addresses);
            Some(PeerMemory { peer, seen: record.seen, spaces: record.spaces })
        };
        Ok(records.into_iter().filter_map(memory).collect())
    }

    fn keep(
        &self,
        PeerMemory { peer, seen, spaces }: PeerMemory,
    ) -> BoxFuture<'_, Result<(), String>> {
        let record = PeerRecord { id: *peer.id.as_bytes(), addresses: peer.addrs, seen, spaces };
        Box::pin(async { self.keep_peer(record).await.map_err(|error| error.to_string()) })
    }

    fn forget(&self, id: EndpointId) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.forget_peer(*id.as_bytes()).await.map_err(|error| error.to_string())
        })
    }
}

impl Source for Remembered {
    fn way(&self) -> Way {
        Way::Cache
    }

    fn is_on(&self) -> bool {
        true
    }

    fn state(&self) -> String {
        self.known(|known| match (&known.problem, known.peers.len()) {
            (Some(problem), _) => format!("The peers met before can't be kept: {problem}."),
            (None, 0) => "Nobody was met yet.".into(),
            (None, 1) => "One peer was met before, and is tried at each start.".into(),
            (None, many) => format!("{many} peers were met before, and are tried at each start."),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Discovery;
    use super::*;

    type Table = Arc<Mutex<BTreeMap<EndpointId, PeerMemory>>>;

    struct InMemory {
        table: Table,
        writes: Arc<Mutex<Vec<EndpointId>>>,
        fails: bool,
    }

    impl PeerCache for InMemory {
        fn load(&self) -> Result<Vec<PeerMemory>, String> {
            Ok(self.table.lock().unwrap().values().cloned().collect())
        }

        fn keep(&self, memory: PeerMemory) -> BoxFuture<'_, Result<(), String>> {
            Box::pin(async move {
                if self.fails {
                    return Err("the disk is full".into());
                }
                self.writes.lock().unwrap().push(memory.peer.id);
                self.table.lock().unwrap().insert(memory.peer.id, memory);
                Ok(())
            })
        }

        fn forget(&self, id: EndpointId) -> BoxFuture<'_, Result<(), String>> {
            Box::pin(async move {
                self.table.lock().unwrap().remove(&id);
                Ok(())
            })
        }
    }

    fn id(n: u16) -> EndpointId {
        let mut seed = [0; 32];
        seed[..2].copy_from_slice(&n.to_be_bytes());
        iroh::SecretKey::from_bytes(&seed).public()
    }

    fn peer(n: u16) -> PeerAddr {
        PeerAddr::new(id(n), ["10.0.0.1:1".parse().unwrap()])
    }

    fn cache(table: &Table) -> (InMemory, Arc<Mutex<Vec<EndpointId>>>) {
        let writes = Arc::<Mutex<Vec<_>>>::default();
        (InMemory { table: table.clone(), writes: writes.clone(), fails: false }, writes)
    }

    #[tokio::test]
    async fn the_ones_met_last_are_tried_first_after_a_restart() {
        let table = Table::default();
        let space = SpaceId::from_bytes([7; 32]);
        let remembered = Remembered::load(cache(&table).0, 0).await;
        assert_eq!(remembered.state(), "Nobody was met yet.");
        remembered.note(1_000, peer(1), vec![space, space]).await;
        remembered.note(2_000, peer(2), vec![]).await;
        remembered.note(3_000, PeerAddr::new(id(3), []), vec![]).await;
        let remembered = Remembered::load(cache(&table).0, 5_000).await;
        let (discovery, mut found) = Discovery::new();
        remembered.recall(&discovery.finder()).await;
        let found: Vec<_> = std::iter::from_fn(|| found.try_recv().ok()).collect();
        assert_eq!(
            found,
            [
                Found { peer: peer(2), way: Way::Cache, spaces: vec![] },
                Found { peer: peer(1), way: Way::Cache, spaces: vec![space] },
            ]
        );
    }

    #[tokio::test]
    async fn what_is_known_is_written_once_an_hour() {
        let table = Table::default();
        let (cache, writes) = cache(&table);
        let remembered = Remembered::load(cache, 0).await;
        for now in [0, 1, REFRESH_MS - 1] {
            remembered.note(now, peer(1), vec![]).await;
        }
        assert_eq!(writes.lock().unwrap().len(), 1);
        remembered.note(REFRESH_MS, peer(1), vec![]).await;
        assert_eq!(writes.lock().unwrap().len(), 2);
        remembered.note(REFRESH_MS, peer(1), vec![SpaceId::from_bytes([7; 32])]).await;
        assert_eq!(writes.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn who_was_not_seen_for_long_is_forgotten() {
        let table = Table::default();
        let remembered = Remembered::load(cache(&table).0, 0).await;
        remembered.note(0, peer(0), vec![]).await;
        for n in 1..=KEPT_ANYWAY as u16 {
            remembered.note(1, peer(n), vec![]).await;
        }
        Remembered::load(cache(&table).0, EXPIRY_MS + 1).await;
        assert_eq!(table.lock().unwrap().len(), KEPT_ANYWAY);
        assert!(!table.lock().unwrap().contains_key(&id(0)));
        // A clock that was set back forgets nobody, nor one that jumped ahead the last ones.
        for now in [0, u64::MAX] {
            Remembered::load(cache(&table).0, now).await;
            assert_eq!(table.lock().unwrap().len(), KEPT_ANYWAY, "{now}");
        }
    }

    #[tokio::test]
    async fn the_oldest_makes_room() {
        let table = Table::default();
        let remembered = Remembered::load(cache(&table).0, 0).await;
        for n in 0..=MAX_REMEMBERED as u16 {
            remembered.note(n.into(), peer(n), vec![]).await;
        }
        remembered.known(|known| {
            assert_eq!(known.peers.len(), MAX_REMEMBERED);
            assert!(!known.peers.contains_key(&id(0)));
        });
    }

    #[tokio::test]
    async fn a_crowd_in_one_space_pushes_nobody_out_of_another() {
        let (crowded, quiet) = (SpaceId::from_bytes([1; 32]), SpaceId::from_bytes([2; 32]));
        let table = Table::default();
        let remembered = Remembered::load(cache(&table).0, 0).await;
        let friend = 5_000;
        remembered.note(1, peer(friend), vec![quiet]).await;
        for n in 0..2 * MAX_REMEMBERED as u16 {
            remembered.note(2 + u64::from(n), peer(n), vec![crowded]).await;
        }
        assert_eq!(table.lock().unwrap().len(), MAX_REMEMBERED);
        assert!(table.lock().unwrap().contains_key(&id(friend)));
        // Nor does it stand before them at the next start.
        let remembered = Remembered::load(cache(&table).0, 5_000).await;
        let turns = remembered.known(|known| known.in_turn());
        assert!(turns[..2].iter().any(|memory| memory.peer.id == id(friend)));
        assert_eq!(turns.len(), MAX_REMEMBERED);
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_told() {
        let cache = InMemory { fails: true, ..cache(&Table::default()).0 };
        let remembered = Remembered::load(cache, 0).await;
        remembered.note(0, peer(1), vec![]).await;
        assert_eq!(remembered.state(), "The peers met before can't be kept: the disk is full.");
    }
}
