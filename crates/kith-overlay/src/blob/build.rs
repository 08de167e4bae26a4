//! Making a blob's hash and tree block by block, so that several cores can work on one blob and none
//! of it must be in memory.
//!
//! [`hash_block`] does the work, on any thread and in any order; [`TreeBuilder`] takes what comes of
//! it in the blob's order, and holds a hash for each level of the tree. Both say where in the stored
//! tree a hash pair goes, and write nothing themselves.

use blake3::Hash;

use super::groups::{GROUP, groups_of};
use super::tree::{PAIR, hash_data, hash_pair};

/// Bytes of a block: 1 MiB, what is read at once, and what of the next cache fits beside it. A power
/// of two, and of groups.
pub const BLOCK: u64 = 1024 * 1024;

/// Groups of a block.
const BLOCK_GROUPS: u64 = BLOCK / GROUP;

/// The number of blocks of a blob of `size` bytes; an empty blob has one.
pub const fn blocks_of(size: u64) -> u64 {
    let blocks = size.div_ceil(BLOCK);
    if blocks == 0 { 1 } else { blocks }
}

/// What comes of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashedBlock {
    /// The hash of its subtree: of the whole tree, where the blob has no other block.
    pub hash: [u8; 32],
    /// Where its hash pairs stand in the stored tree, all of them in a row.
    pub at: u64,
    /// Its hash pairs.
    pub pairs: Vec<u8>,
}

/// Hashes the block of that number, from 0, of a blob of `size` bytes.
///
/// # Panics
/// Where `data` has not the length that this block has.
pub fn hash_block(size: u64, block: u64, data: &[u8]) -> HashedBlock {
    let start = block * BLOCK;
    assert_eq!(data.len() as u64, BLOCK.min(size - start), "a block of the blob");
    let at = place(groups_of(size), block * BLOCK_GROUPS, groups_of(data.len() as u64));
    let mut pairs = Vec::with_capacity((groups_of(data.len() as u64) as usize - 1) * PAIR);
    let hash = subtree(start, data, size <= BLOCK, &mut pairs);
    HashedBlock { hash, at, pairs }
}

/// Hashes a subtree, and appends its pairs in pre-order.
fn subtree(start: u64, data: &[u8], is_root: bool, pairs: &mut Vec<u8>) -> [u8; 32] {
    let groups = groups_of(data.len() as u64);
    if groups == 1 {
        return hash_data(start, data, is_root);
    }
    let own = pairs.len();
    pairs.resize(own + PAIR, 0);
    let left = (left_of(groups) * GROUP) as usize;
    let (left_data, right_data) = data.split_at(left);
    let left = subtree(start, left_data, false, pairs);
    let right = subtree(start + left_data.len() as u64, right_data, false, pairs);
    pairs[own..own + 32].copy_from_slice(&left);
    pairs[own + 32..own + PAIR].copy_from_slice(&right);
    hash_pair(&left, &right, is_root)
}

/// Groups of the left subtree of one of so many groups, two at least.
pub(super) fn left_of(groups: u64) -> u64 {
    1 << (groups - 1).ilog2()
}

/// Where the pairs of the subtree of `groups` groups from `first` on begin, in the stored tree of a
/// blob that has `total`: after those of its ancestors, and of all that stands left of it.
fn place(total: u64, first: u64, groups: u64) -> u64 {
    let (mut start, mut length, mut before) = (0, total, 0);
    while length > groups {
        before += 1;
        let left = left_of(length);
        if first < start + left {
            length = left;
        } else {
            before += left - 1;
            start += left;
            length -= left;
        }
    }
    before * PAIR as u64
}

/// Makes the upper part of a tree from the hashes of the blocks.
#[derive(Clone, Debug)]
pub struct TreeBuilder {
    groups: u64,
    blocks: u64,
    taken: u64,
    /// Subtrees that are not joined yet, from left to right: first group, groups, hash. One for each
    /// level of the tree at most.
    waiting: Vec<(u64, u64, [u8; 32])>,
}

impl TreeBuilder {
    /// Begins the tree of a blob of `size` bytes.
    pub fn new(size: u64) -> Self {
        let (groups, blocks) = (groups_of(size), blocks_of(size));
        Self { groups, blocks, taken: 0, waiting: Vec::new() }
    }

    /// Takes the next block's hash. `pair` is told the pairs that are known by it, and where they go.
    ///
    /// # Panics
    /// After the last block.
    pub fn push(&mut self, hash: [u8; 32], mut pair: impl FnMut(u64, [u8; PAIR])) {
        assert!(self.taken < self.blocks, "no more blocks than the blob has");
        let first = self.taken * BLOCK_GROUPS;
        self.waiting.push((first, BLOCK_GROUPS.min(self.groups - first), hash));
        self.taken += 1;
        if self.taken == self.blocks {
            // What is left joins from the right, whatever its size.
            while self.waiting.len() > 1 {
                self.join(self.waiting.len() == 2, &mut pair);
            }
        } else {
            // Two of a size join. The root is never among them: something comes after it.
            while let [.., (_, left, _), (_, right, _)] = self.waiting[..]
                && left == right
            {
                self.join(false, &mut pair);
            }
        }
    }

    fn join(&mut self, is_root: bool, pair: &mut impl FnMut(u64, [u8; PAIR])) {
        let (Some(right), Some(left)) = (self.waiting.pop(), self.waiting.pop()) else { return };
        let (first, groups) = (left.0, left.1 + right.1);
        let mut bytes = [0; PAIR];
        bytes[..32].copy_from_slice(&left.2);
        bytes[32..].copy_from_slice(&right.2);
        pair(place(self.groups, first, groups), bytes);
        self.waiting.push((first, groups, hash_pair(&left.2, &right.2, is_root)));
    }

    /// The blob's hash, once all blocks were taken.
    pub fn root(&self) -> Option<Hash> {
        match self.waiting[..] {
            [(_, _, hash)] if self.taken == self.blocks => Some(Hash::from(hash)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blob::{tree_of, tree_size};

    fn built(data: &[u8]) -> (Hash, Vec<u8>) {
        let size = data.len() as u64;
        let mut tree = vec![0xee; tree_size(size) as usize];
        let mut builder = TreeBuilder::new(size);
        for block in 0..blocks_of(size) {
            assert_eq!(builder.root(), None);
            let start = (block * BLOCK) as usize;
            let end = data.len().min(start + BLOCK as usize);
            let hashed = hash_block(size, block, &data[start..end]);
            tree[hashed.at as usize..][..hashed.pairs.len()].copy_from_slice(&hashed.pairs);
            builder.push(hashed.hash, |at, pair| {
                tree[at as usize..][..PAIR].copy_from_slice(&pair);
            });
            assert!(builder.waiting.len() < 64);
        }
        (builder.root().expect("all blocks were taken"), tree)
    }

    fn same(size: usize) {
        let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect();
        assert_eq!(built(&data), tree_of(&data), "{size}");
    }

    #[test]
    fn it_is_the_tree_of_the_whole_at_every_edge() {
        let (group, block) = (GROUP as usize, BLOCK as usize);
        for size in [0, 1, 1024, 1025, group, group + 1, 2 * group, 5 * group + 7] {
            same(size);
        }
        for blocks in 1..=9 {
            for more in [-1, 0, 1, group as isize, group as isize + 1] {
                same((blocks * block).saturating_add_signed(more));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn it_is_the_tree_of_the_whole(size in 0..12_000_000_usize) {
            same(size);
        }
    }
}
