//! Verifying the bytes of a blob while they pass, on the way out as on the way in.

use std::ops::Range;

use bao_tree::iter::{BaoChunk, ResponseIter};
use bao_tree::{BaoTree, BlockSize, ChunkNum, ChunkRanges};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use blake3::{Hash, Hasher};

use super::groups::{GROUP, Groups};

/// Bytes of a hash pair: what the stored tree has for each node above the groups.
pub const PAIR: usize = 64;

/// Chunks of 1 KiB in a group, as a power of two.
const GROUP_LOG: u8 = 4;
const CHUNKS: u64 = 1 << GROUP_LOG;

/// Bytes of the stored tree of a blob of `size` bytes: its hash pairs in pre-order.
pub fn tree_size(size: u64) -> u64 {
    geometry(size).outboard_size()
}

/// The root hash and the stored tree of a blob that is in memory.
pub fn tree_of(data: &[u8]) -> (Hash, Vec<u8>) {
    let tree = bao_tree::io::outboard::PreOrderMemOutboard::create(
        data,
        BlockSize::from_chunk_log(GROUP_LOG),
    );
    (tree.root, tree.data)
}

fn geometry(size: u64) -> BaoTree {
    BaoTree::new(size, BlockSize::from_chunk_log(GROUP_LOG))
}

/// What comes next in the encoding of some groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A hash pair, at this offset of the stored tree.
    Pair(u64),
    /// Bytes of the blob: a group, short at the blob's end.
    Data(Range<u64>),
}

impl Item {
    /// How many bytes it has.
    pub fn length(&self) -> usize {
        match self {
            Self::Pair(_) => PAIR,
            Self::Data(range) => (range.end - range.start) as usize,
        }
    }
}

/// Bytes that are not those of the blob that was asked for. Of a sender's it is the sender's fault;
/// of the store's, the file under it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes do not belong to the blob")]
pub struct NotTheBlob;

/// Walks through the encoding of some groups of a blob, and verifies each item against the root.
///
/// While [`Walk::next`] names an item, its bytes go to [`Walk::accept`]; what was accepted is the
/// blob's.
#[derive(Debug)]
pub struct Walk {
    tree: BaoTree,
    chunks: ResponseIter,
    upcoming: Option<BaoChunk>,
    /// Hashes of the subtrees that are still to come, the next one last.
    expected: Vec<Hash>,
}

impl Walk {
    /// A walk through `groups`, of which there is one at least, all inside of the blob.
    pub fn new(root: Hash, size: u64, groups: &Groups) -> Self {
        let tree = geometry(size);
        let mut ranges = ChunkRanges::empty();
        let total = tree.chunks().0;
        for range in groups.ranges() {
            let (start, end) = (range.start * CHUNKS, range.end.saturating_mul(CHUNKS));
            ranges |= if end >= total {
                ChunkRanges::from(ChunkNum(start)..)
            } else {
                ChunkRanges::from(ChunkNum(start)..ChunkNum(end))
            };
        }
        let mut chunks = ResponseIter::new(tree, ranges);
        let upcoming = chunks.next();
        Self { tree, chunks, upcoming, expected: vec![root] }
    }

    /// What comes next; none after the last.
    pub fn next(&self) -> Option<Item> {
        Some(match self.upcoming.as_ref()? {
            BaoChunk::Parent { node, .. } => {
                let index = self.tree.pre_order_offset(*node);
                Item::Pair(index.expect("groups are asked for whole") * PAIR as u64)
            }
            BaoChunk::Leaf { start_chunk, size, .. } => {
                let start = start_chunk.to_bytes();
                Item::Data(start..start + *size as u64)
            }
        })
    }

    /// Verifies the bytes of the next item and goes on to the one after it.
    ///
    /// # Errors
    /// [`NotTheBlob`], after which nothing is accepted any more.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<(), NotTheBlob> {
        let (Some(chunk), Some(expected)) = (self.upcoming.take(), self.expected.pop()) else {
            return Err(NotTheBlob);
        };
        let actual = match chunk {
            BaoChunk::Parent { is_root, left, right, .. } => {
                let (l, r) = split_pair(bytes).ok_or(NotTheBlob)?;
                if right {
                    self.expected.push(Hash::from(r));
                }
                if left {
                    self.expected.push(Hash::from(l));
                }
                hash_pair(&l, &r, is_root)
            }
            BaoChunk::Leaf { start_chunk, size, is_root, .. } => {
                if bytes.len() != size {
                    return Err(NotTheBlob);
                }
                hash_data(start_chunk.to_bytes(), bytes, is_root)
            }
        };
        if Hash::from(actual) != expected {
            self.expected.clear();
            return Err(NotTheBlob);
        }
        self.upcoming = self.chunks.next();
        Ok(())
    }

    /// The groups that bytes of the blob touch.
    pub fn groups(range: &Range<u64>) -> Range<u64> {
        range.start / GROUP..range.end.div_ceil(GROUP).max(range.start / GROUP + 1)
    }
}

/// The hash of a group's bytes, which stand at `start` in the blob.
pub(super) fn hash_data(start: u64, bytes: &[u8], is_root: bool) -> [u8; 32] {
    if is_root {
        return blake3::hash(bytes).into();
    }
    let mut hasher = Hasher::new();
    hasher.set_input_offset(start).update(bytes).finalize_non_root()
}

/// The hash of two subtrees.
pub(super) fn hash_pair(left: &[u8; 32], right: &[u8; 32], is_root: bool) -> [u8; 32] {
    if is_root {
        merge_subtrees_root(left, right, Mode::Hash).into()
    } else {
        merge_subtrees_non_root(left, right, Mode::Hash)
    }
}

pub(super) fn split_pair(bytes: &[u8]) -> Option<([u8; 32], [u8; 32])> {
    let (l, r) = bytes.split_at_checked(32)?;
    Some((l.try_into().ok()?, r.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use bao_tree::io::outboard::PreOrderMemOutboard;
    use bao_tree::io::sync::encode_ranges_validated;
    use proptest::prelude::*;

    use super::*;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
    }

    /// What bao-tree's own encoder writes.
    fn encoded(data: &[u8], groups: &Groups) -> Vec<u8> {
        let tree = PreOrderMemOutboard::create(data, BlockSize::from_chunk_log(GROUP_LOG));
        let mut ranges = ChunkRanges::empty();
        for range in groups.ranges() {
            ranges |=
                ChunkRanges::from(ChunkNum(range.start * CHUNKS)..ChunkNum(range.end * CHUNKS));
        }
        let mut out = Vec::new();
        encode_ranges_validated(data, &tree, &ranges, &mut out).unwrap();
        out
    }

    /// Decodes an encoding into a blob and its stored tree.
    fn decode(
        root: Hash,
        size: usize,
        groups: &Groups,
        mut encoded: &[u8],
        data: &mut [u8],
        tree: &mut [u8],
    ) -> Result<(), NotTheBlob> {
        let mut walk = Walk::new(root, size as u64, groups);
        while let Some(item) = walk.next() {
            let (bytes, rest) = encoded.split_at_checked(item.length()).ok_or(NotTheBlob)?;
            encoded = rest;
            walk.accept(bytes)?;
            match item {
                Item::Pair(at) => tree[at as usize..][..PAIR].copy_from_slice(bytes),
                Item::Data(range) => {
                    data[range.start as usize..range.end as usize].copy_from_slice(bytes)
                }
            }
        }
        if encoded.is_empty() { Ok(()) } else { Err(NotTheBlob) }
    }

    #[test]
    fn every_size_around_the_edges_comes_through() {
        let group = GROUP as usize;
        for size in [0, 1, 1023, 1024, 1025, group - 1, group, group + 1, 2 * group, 5 * group + 7]
        {
            let data = bytes(size);
            let (root, tree) = tree_of(&data);
            assert_eq!(root, blake3::hash(&data));
            assert_eq!(tree.len() as u64, tree_size(size as u64));
            let all = Groups::all(size as u64);
            let (mut copy, mut copied_tree) = (vec![0; size], vec![0; tree.len()]);
            decode(root, size, &all, &encoded(&data, &all), &mut copy, &mut copied_tree).unwrap();
            assert_eq!((copy, copied_tree), (data, tree), "{size}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn parts_in_any_order_make_the_whole(
            size in 1..300_000_usize,
            cuts in proptest::collection::vec(0..20_u64, 0..6),
        ) {
            let data = bytes(size);
            let (root, tree) = tree_of(&data);
            let (mut copy, mut copied_tree) = (vec![0; size], vec![0; tree.len()]);
            let all = Groups::all(size as u64);
            let mut some = Groups::none();
            cuts.iter().for_each(|cut| some.insert(*cut..cut + 1));
            for part in [all.within(&some), all.without(&some)] {
                if !part.is_empty() {
                    let sent = encoded(&data, &part);
                    decode(root, size, &part, &sent, &mut copy, &mut copied_tree).unwrap();
                }
            }
            prop_assert_eq!((copy, copied_tree), (data, tree));
        }

        #[test]
        fn any_changed_byte_is_refused(size in 1..120_000_usize, at in any::<prop::sample::Index>()) {
            let data = bytes(size);
            let (root, tree) = tree_of(&data);
            let all = Groups::all(size as u64);
            let mut sent = encoded(&data, &all);
            let at = at.index(sent.len());
            sent[at] ^= 1;
            let (mut copy, mut copied_tree) = (vec![0; size], vec![0; tree.len()]);
            prop_assert_eq!(
                decode(root, size, &all, &sent, &mut copy, &mut copied_tree),
                Err(NotTheBlob)
            );
        }
    }

    #[test]
    fn another_size_is_refused() {
        let data = bytes(100_000);
        let (root, _) = tree_of(&data);
        for size in [99_999, 100_001, 16 * 1024, 200_000] {
            let all = Groups::all(size as u64);
            let sent = encoded(&data, &Groups::all(100_000));
            let mut copy = vec![0; size];
            let mut tree = vec![0; tree_size(size as u64) as usize];
            assert!(decode(root, size, &all, &sent, &mut copy, &mut tree).is_err(), "{size}");
        }
    }
}
