//! The encoding of a blob's groups, made from a store and taken apart into parts for one.

use std::ops::Range;
use std::sync::Arc;

use blake3::Hash;
use bytes::Bytes;

use super::buffer::Buffer;
use super::groups::{GROUP, Groups};
use super::tree::{Item, NotTheBlob, PAIR, Walk, tree_size};
use crate::storage::{BlobPart, BlobStorage, StorageError, StorageResult};

/// Bytes of a blob that are read from a store at once. A multiple of a group.
const READ_AHEAD: u64 = 256 * 1024;

/// Bytes of a stored tree that are read from a store at once, where reading goes on: enough for 16 MiB
/// of blob.
const TREE_READ_AHEAD: u64 = 64 * 1024;

/// Bytes of a stored tree that are read after a jump; twice as many each time reading goes on. Who asks
/// for single groups all over a large blob makes the store read some times what is sent, not a hundred
/// times.
const TREE_READ_FIRST: u64 = 4 * 1024;

/// Bytes of an encoding that are handed to the transport at once. In few pieces: it goes through all
/// that wait for an acknowledgement with each packet.
const BATCH: usize = 256 * 1024;

/// Bytes after which a received part goes to the store. A multiple of a group.
const PART: usize = 256 * 1024;

/// Makes the encoding of groups of a blob that a store holds, verifying what the store reads.
#[derive(Debug)]
pub struct Encoder<S: ?Sized> {
    storage: Arc<S>,
    hash: [u8; 32],
    walk: Walk,
    data: Window,
    tree: Window,
    /// Bytes of groups that are still to come.
    left: u64,
}

impl<S: BlobStorage + ?Sized> Encoder<S> {
    /// The encoding of `groups`, which the store holds; there is one at least.
    pub fn new(storage: Arc<S>, hash: [u8; 32], size: u64, groups: &Groups) -> Self {
        Self {
            storage,
            hash,
            walk: Walk::new(Hash::from(hash), size, groups),
            data: Window::new(groups.byte_ranges(size), READ_AHEAD..READ_AHEAD),
            tree: Window::new(
                std::iter::once(0..tree_size(size)).collect(),
                TREE_READ_FIRST..TREE_READ_AHEAD,
            ),
            left: groups.bytes(size),
        }
    }

    /// The next bytes, 256 KiB and a group at most; none at the end.
    ///
    /// # Errors
    /// As [`Self::next`]'s.
    pub async fn batch(&mut self) -> StorageResult<Option<Bytes>> {
        let Some(first) = self.next().await? else { return Ok(None) };
        let left = usize::try_from(self.left).unwrap_or(BATCH).min(BATCH) + GROUP as usize;
        let mut batch = Buffer::with_capacity(left + left / GROUP as usize * 2 * PAIR);
        batch.extend_from_slice(&first);
        while batch.len() < BATCH {
            let Some(bytes) = self.next().await? else { break };
            batch.extend_from_slice(&bytes);
        }
        Ok(Some(batch.freeze()))
    }

    /// The next bytes, a group at most; none at the end.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] where the store's bytes are not the blob's; the store was told.
    pub async fn next(&mut self) -> StorageResult<Option<Bytes>> {
        let Some(item) = self.walk.next() else { return Ok(None) };
        let bytes = match item {
            Item::Pair(at) => self.tree.get(&*self.storage, &self.hash, true, at, PAIR).await?,
            Item::Data(range) => {
                let length = (range.end - range.start) as usize;
                self.left -= length as u64;
                self.data.get(&*self.storage, &self.hash, false, range.start, length).await?
            }
        };
        if self.walk.accept(&bytes).is_err() {
            self.storage.blob_damaged(&self.hash).await;
            return Err(StorageError::Damaged);
        }
        Ok(Some(bytes))
    }
}

/// Bytes read ahead of a store.
#[derive(Debug)]
struct Window {
    /// Where there is something to read.
    bounds: Vec<Range<u64>>,
    /// Bytes that are read after a jump, and at most.
    reads: Range<u64>,
    ahead: u64,
    start: u64,
    bytes: Bytes,
}

impl Window {
    fn new(bounds: Vec<Range<u64>>, reads: Range<u64>) -> Self {
        Self { bounds, ahead: reads.start, reads, start: 0, bytes: Bytes::new() }
    }

    async fn get<S: BlobStorage + ?Sized>(
        &mut self,
        storage: &S,
        hash: &[u8; 32],
        tree: bool,
        at: u64,
        length: usize,
    ) -> StorageResult<Bytes> {
        let held = at >= self.start && at + length as u64 <= self.start + self.bytes.len() as u64;
        if !held && length > 0 {
            let goes_on = at == self.start + self.bytes.len() as u64;
            self.ahead =
                if goes_on { (2 * self.ahead).min(self.reads.end) } else { self.reads.start };
            let bound = self.bounds.iter().find(|bound| bound.contains(&at));
            let end = bound.map_or(at, |bound| bound.end).min(at + self.ahead);
            let wanted = ((end - at) as usize).max(length);
            self.bytes = if tree {
                storage.read_blob_tree(hash, at, wanted).await?
            } else {
                storage.read_blob(hash, at, wanted).await?
            };
            self.start = at;
        }
        let from = (at - self.start.min(at)) as usize;
        let Some(end) = from.checked_add(length).filter(|end| *end <= self.bytes.len()) else {
            return Err(StorageError::Damaged);
        };
        Ok(self.bytes.slice(from..end))
    }
}

/// Takes an encoding apart, verifying it.
///
/// Bytes go in by [`Decoder::feed`], verified parts come out.
#[derive(Debug)]
pub struct Decoder {
    walk: Walk,
    part: BlobPart,
    data: Buffer,
    /// Bytes of groups that are still to come, or in `data`.
    left: u64,
    /// Bytes of the item that is under way: at the end of `data`, or in `pair`.
    pending: usize,
    pair: [u8; PAIR],
    failed: bool,
}

impl Decoder {
    /// Expects the encoding of `groups` of a blob; there is one at least.
    pub fn new(hash: [u8; 32], size: u64, groups: &Groups) -> Self {
        Self {
            walk: Walk::new(Hash::from(hash), size, groups),
            part: BlobPart::default(),
            data: Buffer::default(),
            left: groups.bytes(size),
            pending: 0,
            pair: [0; PAIR],
            failed: false,
        }
    }

    /// Takes bytes off `bytes` until a part is full, all are taken, or the encoding is complete.
    ///
    /// # Errors
    /// [`NotTheBlob`] for wrong bytes and for bytes after the end: the sender's fault.
    pub fn feed(&mut self, bytes: &mut &[u8]) -> Result<Option<BlobPart>, NotTheBlob> {
        while let Some(item) = self.walk.next() {
            if let Item::Data(range) = &item
                && self.pending == 0
                && self.part.offset + self.data.len() as u64 != range.start
            {
                let full = (!self.data.is_empty()).then(|| self.take());
                self.part.offset = range.start;
                if full.is_some() {
                    return Ok(full);
                }
            }
            let missing = item.length() - self.pending;
            let (now, rest) = bytes.split_at(missing.min(bytes.len()));
            *bytes = rest;
            match &item {
                Item::Pair(_) => self.pair[self.pending..][..now.len()].copy_from_slice(now),
                Item::Data(_) => {
                    // All of a part at once, and no more than is to come.
                    if self.data.capacity() == 0 {
                        let left = usize::try_from(self.left).unwrap_or(PART);
                        self.data = Buffer::with_capacity(left.min(PART));
                    }
                    self.data.extend_from_slice(now);
                }
            }
            self.pending += now.len();
            if self.pending < item.length() {
                return Ok(None);
            }
            self.pending = 0;
            match item {
                Item::Pair(at) => {
                    self.walk.accept(&self.pair).inspect_err(|_| self.failed = true)?;
                    self.part.pairs.push((at, self.pair));
                }
                Item::Data(range) => {
                    let start = (range.start - self.part.offset) as usize;
                    if let Err(wrong) = self.walk.accept(&self.data[start..]) {
                        self.data.truncate(start);
                        self.failed = true;
                        return Err(wrong);
                    }
                    if self.data.len() >= PART {
                        return Ok(Some(self.take()));
                    }
                }
            }
        }
        if bytes.is_empty() { Ok(None) } else { Err(NotTheBlob) }
    }

    /// Whether everything has come.
    pub fn is_complete(&self) -> bool {
        !self.failed && self.walk.next().is_none()
    }

    /// What was verified and not yet returned; for the end, and for a cut.
    pub fn rest(mut self) -> Option<BlobPart> {
        if matches!(self.walk.next(), Some(Item::Data(_))) {
            let whole = self.data.len() - self.pending;
            self.data.truncate(whole);
        }
        let part = self.take();
        (!part.data.is_empty() || !part.pairs.is_empty() || self.is_complete()).then_some(part)
    }

    fn take(&mut self) -> BlobPart {
        let data = std::mem::take(&mut self.data).freeze();
        self.left -= data.len() as u64;
        let next = self.part.offset + data.len() as u64;
        let offset = std::mem::replace(&mut self.part.offset, next);
        BlobPart { offset, data, pairs: std::mem::take(&mut self.part.pairs) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use n0_future::future::now_or_never;
    use proptest::prelude::*;

    use super::*;
    use crate::blob::groups_of;
    use crate::boxed::BoxFuture;
    use crate::storage::memory::MemoryStorage;
    use crate::storage::{BlobScope, BlobState};

    const SCOPE: BlobScope = BlobScope::Public;

    fn content(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
    }

    /// Memory never makes one wait.
    fn now<T>(future: impl Future<Output = T>) -> T {
        now_or_never(future).expect("memory answers at once")
    }

    fn encoded(
        storage: &Arc<MemoryStorage>,
        hash: [u8; 32],
        size: u64,
        groups: &Groups,
    ) -> Vec<u8> {
        let mut encoder = Encoder::new(storage.clone(), hash, size, groups);
        let mut out = Vec::new();
        while let Some(bytes) = now(encoder.next()).unwrap() {
            out.extend_from_slice(&bytes);
        }
        out
    }

    fn write(storage: &MemoryStorage, hash: &[u8; 32], size: u64, part: BlobPart) {
        now(storage.write_blob(SCOPE, hash, size, part)).unwrap();
    }

    /// Feeds an encoding in pieces; stores what comes out, also after an error.
    fn receive(
        storage: &MemoryStorage,
        (hash, size): (&[u8; 32], u64),
        groups: &Groups,
        encoding: &[u8],
        piece: usize,
    ) -> Result<bool, NotTheBlob> {
        let mut decoder = Decoder::new(*hash, size, groups);
        let mut outcome = Ok(());
        'feeding: for piece in encoding.chunks(piece) {
            let mut bytes = piece;
            loop {
                match decoder.feed(&mut bytes) {
                    Ok(Some(part)) => write(storage, hash, size, part),
                    Ok(None) => break,
                    Err(wrong) => {
                        outcome = Err(wrong);
                        break 'feeding;
                    }
                }
            }
        }
        let complete = decoder.is_complete();
        if let Some(part) = decoder.rest() {
            write(storage, hash, size, part);
        }
        outcome.map(|()| complete)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn a_cut_transfer_goes_on_where_it_stopped(
            size in 0..700_000_usize,
            piece in 1..70_000_usize,
            cut in 0.0..1.0_f64,
        ) {
            let data = content(size);
            let from = Arc::new(MemoryStorage::new());
            let hash = from.add_blob(SCOPE, &data);
            let (to, size) = (MemoryStorage::new(), size as u64);
            let all = Groups::all(size);
            let whole = encoded(&from, hash, size, &all);
            let cut = (whole.len() as f64 * cut) as usize;
            receive(&to, (&hash, size), &all, &whole[..cut], piece).unwrap();
            let held = match now(to.blob_state(SCOPE, &hash)).unwrap() {
                BlobState::Partial { held, .. } => held,
                BlobState::Absent => Groups::none(),
                BlobState::Complete { .. } => panic!("not finished"),
            };
            // Nothing is thrown away but the group that the cut went through.
            prop_assert!(held.bytes(size) + 20_000 + tree_size(size) >= cut as u64);
            let missing = all.without(&held);
            if !missing.is_empty() {
                let rest = encoded(&from, hash, size, &missing);
                prop_assert_eq!(receive(&to, (&hash, size), &missing, &rest, piece), Ok(true));
            }
            now(to.finish_blob(SCOPE, &hash)).unwrap();
            prop_assert_eq!(to.blob(&hash), Some(data));
        }

        #[test]
        fn a_wrong_byte_is_never_stored(
            size in 1..400_000_usize,
            at in any::<prop::sample::Index>(),
            piece in 1..70_000_usize,
        ) {
            let data = content(size);
            let from = Arc::new(MemoryStorage::new());
            let hash = from.add_blob(SCOPE, &data);
            let (to, size) = (MemoryStorage::new(), size as u64);
            let all = Groups::all(size);
            let mut whole = encoded(&from, hash, size, &all);
            let at = at.index(whole.len());
            whole[at] ^= 0x10;
            prop_assert_eq!(receive(&to, (&hash, size), &all, &whole, piece), Err(NotTheBlob));
            if let BlobState::Partial { held, .. } = now(to.blob_state(SCOPE, &hash)).unwrap() {
                for range in held.byte_ranges(size) {
                    let length = (range.end - range.start) as usize;
                    let bytes = now(to.read_blob(&hash, range.start, length)).unwrap();
                    prop_assert_eq!(&bytes[..], &data[range.start as usize..range.end as usize]);
                }
            }
        }
    }

    /// Counts what is read.
    #[derive(Debug)]
    struct Counting {
        store: MemoryStorage,
        read: std::sync::atomic::AtomicUsize,
    }

    impl BlobStorage for Counting {
        fn blob_state<'a>(
            &'a self,
            scope: BlobScope,
            hash: &'a [u8; 32],
        ) -> BoxFuture<'a, StorageResult<BlobState>> {
            self.store.blob_state(scope, hash)
        }

        fn read_blob<'a>(
            &'a self,
            hash: &'a [u8; 32],
            offset: u64,
            length: usize,
        ) -> BoxFuture<'a, StorageResult<Bytes>> {
            self.read.fetch_add(length, Ordering::Relaxed);
            self.store.read_blob(hash, offset, length)
        }

        fn read_blob_tree<'a>(
            &'a self,
            hash: &'a [u8; 32],
            offset: u64,
            length: usize,
        ) -> BoxFuture<'a, StorageResult<Bytes>> {
            self.read.fetch_add(length, Ordering::Relaxed);
            self.store.read_blob_tree(hash, offset, length)
        }

        fn write_blob<'a>(
            &'a self,
            scope: BlobScope,
            hash: &'a [u8; 32],
            size: u64,
            part: BlobPart,
        ) -> BoxFuture<'a, StorageResult<()>> {
            self.store.write_blob(scope, hash, size, part)
        }

        fn finish_blob<'a>(
            &'a self,
            scope: BlobScope,
            hash: &'a [u8; 32],
        ) -> BoxFuture<'a, StorageResult<()>> {
            self.store.finish_blob(scope, hash)
        }

        fn blob_damaged<'a>(&'a self, hash: &'a [u8; 32]) -> BoxFuture<'a, ()> {
            self.store.blob_damaged(hash)
        }
    }

    #[test]
    fn single_groups_all_over_a_blob_cost_little_more_than_they_are() {
        let store = MemoryStorage::new();
        let size = 64 * 1024 * 1024;
        let hash = store.add_blob(SCOPE, &vec![7; size]);
        let store = Arc::new(Counting { store, read: Default::default() });
        let all = groups_of(size as u64);
        let most = crate::blob::MAX_RANGES as u64;
        for (groups, factor) in [
            (Groups::all(size as u64), 1.01),
            (
                {
                    let mut some = Groups::none();
                    (0..most).for_each(|n| some.insert(n * all / most + 7..n * all / most + 8));
                    some
                },
                4.0,
            ),
        ] {
            store.read.store(0, Ordering::Relaxed);
            let mut encoder = Encoder::new(store.clone(), hash, size as u64, &groups);
            let mut sent = 0;
            while let Some(batch) = now(encoder.batch()).unwrap() {
                assert!(batch.len() <= BATCH + GROUP as usize + 64 * PAIR);
                sent += batch.len();
            }
            assert!(sent as u64 > groups.bytes(size as u64));
            let read = store.read.load(Ordering::Relaxed);
            assert!((read as f64) < sent as f64 * factor, "{read} read, {sent} sent");
        }
    }

    #[test]
    fn bytes_after_the_end_are_refused() {
        let from = Arc::new(MemoryStorage::new());
        let hash = from.add_blob(SCOPE, &content(50_000));
        let all = Groups::all(50_000);
        let mut whole = encoded(&from, hash, 50_000, &all);
        whole.push(0);
        let to = MemoryStorage::new();
        assert_eq!(receive(&to, (&hash, 50_000), &all, &whole, 1 << 20), Err(NotTheBlob));
    }

    #[test]
    fn a_changed_file_is_reported_and_not_sent() {
        let storage = Arc::new(MemoryStorage::new());
        let hash = storage.add_blob(SCOPE, &content(50_000));
        storage.corrupt_blob(&hash, 20_000);
        let mut encoder = Encoder::new(storage.clone(), hash, 50_000, &Groups::all(50_000));
        let mut sent = 0;
        let error = loop {
            match now(encoder.next()) {
                Ok(Some(bytes)) => sent += bytes.len(),
                Ok(None) => panic!("wrong bytes were sent"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, StorageError::Damaged));
        assert!(sent < 20_000);
        let state = now(storage.blob_state(SCOPE, &hash)).unwrap();
        assert_eq!(state, BlobState::Absent);
    }
}
