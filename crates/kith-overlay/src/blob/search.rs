//! Finding what of a blob stands in files, where nobody knows what of it does.

use std::ops::Range;

use blake3::Hash;

use super::build::left_of;
use super::groups::{GROUP, Groups, groups_of};
use super::tree::{Item, PAIR, hash_data, hash_pair, split_pair};

/// Goes down a blob's tree, from the root, to each group that is not held, as far as what stands in
/// the files is the blob's.
///
/// While [`Search::upcoming`] names something, its bytes go to [`Search::accept`], or it is left out by
/// [`Search::skip`]. It holds a few hashes for each level of the tree, whatever the blob's size.
#[derive(Debug)]
pub struct Search {
    size: u64,
    held: Groups,
    /// Subtrees that are still to be looked at, the next one last.
    waiting: Vec<Subtree>,
}

#[derive(Clone, Copy, Debug)]
struct Subtree {
    first: u64,
    groups: u64,
    /// The number of its pair in the stored tree; without a meaning where it is one group.
    pair: u64,
    hash: [u8; 32],
}

/// What is looked at next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its bytes.
    pub item: Item,
    /// The groups below it, or the one that it is.
    pub below: Range<u64>,
}

impl Search {
    /// A search of a blob of `size` bytes for all but `held`.
    pub fn new(hash: [u8; 32], size: u64, held: Groups) -> Self {
        let root = Subtree { first: 0, groups: groups_of(size), pair: 0, hash };
        Self { size, held, waiting: vec![root] }
    }

    /// What is looked at next, in the order of the bytes; none at the end.
    pub fn upcoming(&mut self) -> Option<Look> {
        while let Some(next) = self.waiting.last() {
            let below = next.first..next.first + next.groups;
            if self.held.end_of(below.start).is_some_and(|end| below.end <= end) {
                self.waiting.pop();
                continue;
            }
            let item = if next.groups == 1 {
                let start = next.first * GROUP;
                Item::Data(start..self.size.min(start + GROUP))
            } else {
                Item::Pair(next.pair * PAIR as u64)
            };
            return Some(Look { item, below });
        }
        None
    }

    /// Takes what stands where [`Self::upcoming`] said. True where it is the blob's; where it is not,
    /// nothing below it is looked at.
    pub fn accept(&mut self, bytes: &[u8]) -> bool {
        let Some(next) = self.waiting.pop() else { return false };
        let is_root = next.groups == groups_of(self.size);
        if next.groups == 1 {
            let hash = hash_data(next.first * GROUP, bytes, is_root);
            return Hash::from(hash) == Hash::from(next.hash);
        }
        let Some((left, right)) = split_pair(bytes).filter(|_| bytes.len() == PAIR) else {
            return false;
        };
        if Hash::from(hash_pair(&left, &right, is_root)) != Hash::from(next.hash) {
            return false;
        }
        let of_left = left_of(next.groups);
        self.waiting.push(Subtree {
            first: next.first + of_left,
            groups: next.groups - of_left,
            pair: next.pair + of_left,
            hash: right,
        });
        self.waiting.push(Subtree { groups: of_left, pair: next.pair + 1, hash: left, ..next });
        true
    }

    /// Leaves out what [`Self::upcoming`] said, and all below it.
    pub fn skip(&mut self) {
        self.waiting.pop();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::blob::tree_of;

    fn bytes(size: usize) -> Vec<u8> {
        (0..size).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
    }

    /// What is found in some bytes and a tree; and how many items were looked at.
    fn found(hash: Hash, data: &[u8], tree: &[u8], held: &Groups) -> (Groups, usize) {
        let mut search = Search::new(hash.into(), data.len() as u64, held.clone());
        let (mut found, mut looks) = (Groups::none(), 0);
        while let Some(Look { item, below }) = search.upcoming() {
            looks += 1;
            assert!(search.waiting.len() < 64);
            match item {
                Item::Pair(at) => {
                    search.accept(&tree[at as usize..][..PAIR]);
                }
                Item::Data(range) => {
                    if search.accept(&data[range.start as usize..range.end as usize]) {
                        found.insert(below);
                    }
                }
            }
        }
        (found, looks)
    }

    #[test]
    fn all_of_a_whole_blob_is_found_at_every_edge() {
        let group = GROUP as usize;
        for size in [0, 1, 1025, group - 1, group, group + 1, 2 * group, 3 * group, 37 * group + 7]
        {
            let data = bytes(size);
            let (hash, tree) = tree_of(&data);
            let all = Groups::all(size as u64);
            assert_eq!(found(hash, &data, &tree, &Groups::none()).0, all, "{size}");
            assert_eq!(found(hash, &data, &tree, &all), (Groups::none(), 0), "{size}");
        }
    }

    #[test]
    fn below_a_pair_that_is_missing_nothing_is_looked_at() {
        let data = bytes(64 * GROUP as usize);
        let (hash, mut tree) = tree_of(&data);
        // The right half's.
        tree[32 * PAIR..][..PAIR].fill(0);
        let (found, looks) = found(hash, &data, &tree, &Groups::none());
        assert_eq!((found, looks), (Groups::range(0..32), 1 + 31 + 32 + 1));
    }

    #[test]
    fn a_pair_or_a_group_of_another_length_is_not_believed() {
        let data = bytes(2 * GROUP as usize);
        let (hash, tree) = tree_of(&data);
        for wrong in [&tree[..PAIR - 1], &[&tree[..], &[0]].concat()] {
            let mut search = Search::new(hash.into(), data.len() as u64, Groups::none());
            assert!(!search.accept(wrong));
            assert_eq!(search.upcoming(), None);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_found_is_right_and_all_that_is_right_is_found(
            size in 1..600_000_usize,
            wrong in proptest::collection::vec(any::<prop::sample::Index>(), 0..4),
            held in proptest::collection::vec(0..40_u64, 0..6),
        ) {
            let data = bytes(size);
            let (hash, tree) = tree_of(&data);
            let mut torn = data.clone();
            let mut expected = Groups::all(size as u64);
            for wrong in wrong {
                let at = wrong.index(size);
                torn[at] = data[at] ^ 1;
                let group = at as u64 / GROUP;
                expected = expected.without(&Groups::range(group..group + 1));
            }
            let mut held_groups = Groups::none();
            held.iter().for_each(|group| held_groups.insert(*group..group + 1));
            let held = held_groups.within(&Groups::all(size as u64));
            let (found, _) = found(hash, &torn, &tree, &held);
            prop_assert_eq!(found, expected.without(&held));
        }

        #[test]
        fn nothing_is_found_below_a_wrong_pair(
            groups in 2..60_u64,
            at in any::<prop::sample::Index>(),
        ) {
            let data = bytes((groups * GROUP) as usize);
            let (hash, mut tree) = tree_of(&data);
            let at = at.index(tree.len());
            tree[at] ^= 1;
            // What is found does not hang on the wrong pair.
            let wrong = (at / PAIR * PAIR) as u64;
            let mut search = Search::new(hash.into(), data.len() as u64, Groups::none());
            let mut lost = Groups::none();
            let mut found = Groups::none();
            while let Some(Look { item, below }) = search.upcoming() {
                match item {
                    Item::Pair(at) => {
                        let is_right = search.accept(&tree[at as usize..][..PAIR]);
                        prop_assert_eq!(is_right, at != wrong);
                        if !is_right {
                            lost.insert(below);
                        }
                    }
                    Item::Data(range) => {
                        let range = range.start as usize..range.end as usize;
                        prop_assert!(search.accept(&data[range]));
                        found.insert(below);
                    }
                }
            }
            prop_assert_eq!(found, Groups::all(data.len() as u64).without(&lost));
            prop_assert!(!lost.is_empty());
        }
    }
}
