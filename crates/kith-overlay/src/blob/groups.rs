//! Sets of chunk groups: what of a blob is held, missing, or asked for.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bytes of a chunk group: what one hash of a blob's stored tree covers, and what transfers are
/// made of. 16 KiB keeps the tree at 0.4 % of the blob.
pub const GROUP: u64 = 16 * 1024;

/// Most ranges of a set on the wire. Bounds a request at 64 x 20 B.
pub const MAX_RANGES: usize = 64;

/// The number of chunk groups of a blob of `size` bytes; an empty blob has one.
pub const fn groups_of(size: u64) -> u64 {
    let groups = size.div_ceil(GROUP);
    if groups == 0 { 1 } else { groups }
}

/// A set of chunk groups, by number from 0. The last group of a blob may be short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups(Vec<Range<u64>>);

/// A set as the wire has it: `(gap, length)` for each range, the gap counted from the end of the
/// range before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireGroups(pub Vec<(u64, u64)>);

/// A set on the wire that has empty, touching, overflowing or too many ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the ranges are not in order, or too many")]
pub struct BadRanges;

impl Groups {
    /// The set of no groups.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// All groups of a blob of `size` bytes.
    pub fn all(size: u64) -> Self {
        Self::range(0..groups_of(size))
    }

    /// The groups of a range.
    pub fn range(range: Range<u64>) -> Self {
        if range.is_empty() { Self::none() } else { Self(vec![range]) }
    }

    /// The ranges, rising, with a gap between any two.
    pub fn ranges(&self) -> &[Range<u64>] {
        &self.0
    }

    /// Where the range ends that a group is in; none where it is in none.
    pub fn end_of(&self, group: u64) -> Option<u64> {
        let at = self.0.partition_point(|range| range.end <= group);
        self.0.get(at).filter(|range| range.start <= group).map(|range| range.end)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|range| range.end - range.start).sum()
    }

    /// Adds the groups of a range.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let first = self.0.partition_point(|held| held.end < range.start);
        let end = self.0.partition_point(|held| held.start <= range.end);
        let mut merged = range;
        if let Some(held) = self.0.get(first).filter(|_| first < end) {
            merged.start = merged.start.min(held.start);
            merged.end = merged.end.max(self.0[end - 1].end);
        }
        self.0.splice(first..end, [merged]);
    }

    /// Adds all groups of another set.
    pub fn extend(&mut self, other: &Self) {
        other.0.iter().for_each(|range| self.insert(range.clone()));
    }

    /// The groups of this set that are not in `other`.
    pub fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        let mut cuts = other.0.iter().peekable();
        for range in &self.0 {
            let mut start = range.start;
            while let Some(cut) = cuts.peek() {
                if cut.start >= range.end {
                    break;
                }
                if cut.start > start {
                    left.push(start..cut.start);
                }
                start = start.max(cut.end);
                if cut.end > range.end {
                    break;
                }
                cuts.next();
            }
            if start < range.end {
                left.push(start..range.end);
            }
        }
        Self(left)
    }

    /// The groups that are in both sets.
    pub fn within(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }

    /// Whether every group of `other` is in this set.
    pub fn covers(&self, other: &Self) -> bool {
        other.without(self).is_empty()
    }

    /// The first groups of this set, `most` at most, in [`MAX_RANGES`] ranges at most.
    pub fn first(&self, most: u64) -> Self {
        let mut left = most;
        let mut first = Vec::new();
        for range in self.0.iter().take(MAX_RANGES) {
            let end = range.end.min(range.start.saturating_add(left));
            if end == range.start {
                break;
            }
            left -= end - range.start;
            first.push(range.start..end);
        }
        Self(first)
    }

    /// The bytes that these groups have in a blob of `size` bytes.
    pub fn bytes(&self, size: u64) -> u64 {
        self.byte_ranges(size).iter().map(|range| range.end - range.start).sum()
    }

    /// The ranges of bytes that these groups are in a blob of `size` bytes.
    pub fn byte_ranges(&self, size: u64) -> Vec<Range<u64>> {
        let end = |group: u64| group.saturating_mul(GROUP).min(size);
        self.0.iter().map(|range| end(range.start)..end(range.end)).collect()
    }

    /// The set as the wire has it.
    pub fn to_wire(&self) -> WireGroups {
        let mut at = 0;
        let pairs = self.0.iter().map(|range| {
            let pair = (range.start - at, range.end - range.start);
            at = range.end;
            pair
        });
        WireGroups(pairs.collect())
    }

    /// The set that the wire has.
    ///
    /// # Errors
    /// [`BadRanges`] where it is not what [`Groups::to_wire`] writes; the sender's fault.
    pub fn from_wire(wire: &WireGroups) -> Result<Self, BadRanges> {
        if wire.0.len() > MAX_RANGES {
            return Err(BadRanges);
        }
        let mut ranges = Vec::with_capacity(wire.0.len());
        let mut at = 0_u64;
        for (index, &(gap, length)) in wire.0.iter().enumerate() {
            if length == 0 || (gap == 0 && index > 0) {
                return Err(BadRanges);
            }
            let start = at.checked_add(gap).ok_or(BadRanges)?;
            at = start.checked_add(length).ok_or(BadRanges)?;
            ranges.push(start..at);
        }
        Ok(Self(ranges))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn set(groups: &Groups) -> BTreeSet<u64> {
        groups.0.iter().cloned().flatten().collect()
    }

    fn groups() -> impl Strategy<Value = Groups> {
        proptest::collection::vec((0..60_u64, 0..9_u64), 0..12).prop_map(|ranges| {
            let mut groups = Groups::none();
            ranges.into_iter().for_each(|(start, length)| groups.insert(start..start + length));
            groups
        })
    }

    proptest! {
        #[test]
        fn are_sets(a in groups(), b in groups(), most in 0..40_u64) {
            prop_assert!(a.0.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(set(&a.without(&b)), &set(&a) - &set(&b));
            prop_assert_eq!(set(&a.within(&b)), &set(&a) & &set(&b));
            for group in 0..50 {
                let held = (group..).take_while(|next| set(&a).contains(next)).last();
                prop_assert_eq!(a.end_of(group), held.map(|last| last + 1));
            }
            let mut both = a.clone();
            both.extend(&b);
            prop_assert_eq!(set(&both), &set(&a) | &set(&b));
            prop_assert_eq!(a.covers(&b), set(&a).is_superset(&set(&b)));
            prop_assert_eq!(
                set(&a.first(most)),
                set(&a).into_iter().take(most as usize).collect::<BTreeSet<_>>()
            );
            prop_assert_eq!(a.count(), set(&a).len() as u64);
            prop_assert_eq!(Groups::from_wire(&a.to_wire()), Ok(a));
        }

        #[test]
        fn read_nothing_else_from_the_wire(
            pairs in proptest::collection::vec((any::<u64>(), any::<u64>()), 0..70)
        ) {
            let wire = WireGroups(pairs);
            if let Ok(groups) = Groups::from_wire(&wire) {
                prop_assert_eq!(groups.to_wire(), wire);
            }
        }
    }

    #[test]
    fn the_last_group_is_short() {
        assert_eq!(groups_of(0), 1);
        assert_eq!(groups_of(GROUP), 1);
        assert_eq!(groups_of(GROUP + 1), 2);
        assert_eq!(Groups::all(GROUP + 5).bytes(GROUP + 5), GROUP + 5);
        assert_eq!(Groups::range(1..2).bytes(GROUP + 5), 5);
        assert_eq!(Groups::all(0).bytes(0), 0);
    }
}
