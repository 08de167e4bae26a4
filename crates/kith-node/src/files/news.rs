//! Files that changed and are not under way: what who is told of changes must look at again.

use std::collections::VecDeque;

use kith_log::SpaceId;

use super::transfers::Key;

/// Changes remembered, over all spaces. Who is further behind looks at all files of its space.
/// Bounds memory at 256 KB.
const MAX_TOUCHED: usize = 4_096;

/// The last of them.
#[derive(Debug, Default)]
pub(super) struct Touched {
    /// How many were forgotten.
    forgotten: u64,
    keys: VecDeque<Key>,
}

impl Touched {
    pub(super) fn add(&mut self, key: Key) {
        if self.keys.len() == MAX_TOUCHED {
            self.keys.pop_front();
            self.forgotten += 1;
        }
        self.keys.push_back(key);
    }

    /// How many there were so far.
    pub(super) fn count(&self) -> u64 {
        self.forgotten + self.keys.len() as u64
    }

    /// The files of a space that changed since there were so many; `None` where some are forgotten.
    pub(super) fn since(&self, count: u64, space: &SpaceId) -> Option<Vec<[u8; 32]>> {
        let skip = usize::try_from(count.checked_sub(self.forgotten)?).ok()?;
        let since = self.keys.iter().skip(skip).filter(|(of, _)| of == space);
        Some(since.map(|(_, hash)| *hash).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_too_far_behind_is_told_so() {
        let (one, two) = (SpaceId::from_bytes([1; 32]), SpaceId::from_bytes([2; 32]));
        let mut touched = Touched::default();
        touched.add((one, [1; 32]));
        let seen = touched.count();
        touched.add((two, [2; 32]));
        touched.add((one, [3; 32]));
        assert_eq!(touched.since(seen, &one), Some(vec![[3; 32]]));
        assert_eq!(touched.since(touched.count(), &one), Some(Vec::new()));
        for _ in 0..MAX_TOUCHED - 2 {
            touched.add((two, [4; 32]));
        }
        assert_eq!(touched.since(seen, &one), Some(vec![[3; 32]]), "just in time");
        touched.add((two, [4; 32]));
        assert_eq!(touched.since(seen, &one), None);
    }
}
