//! Which messages of an author were seen: the same one may come over two connections.

/// Numbers below the highest one seen that are remembered. A message that is further behind is
/// taken for one that was seen.
const WINDOW: u64 = 64;

/// The messages seen of one author.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    run: [u8; 16],
    /// One more than the highest number seen.
    next: u64,
    /// Bit n: number `next - 1 - n` was seen.
    bits: u64,
}

impl Seen {
    /// Takes note of a message; false where it was seen before. Another run starts anew: only the
    /// author's own node can name one, since messages are signed and not relayed.
    pub(crate) fn is_new(&mut self, run: [u8; 16], seq: u64) -> bool {
        if run != self.run {
            *self = Self { run, next: 0, bits: 0 };
        }
        if seq == u64::MAX {
            return false;
        }
        if seq >= self.next {
            let shift = seq + 1 - self.next;
            self.bits = if shift < WINDOW { self.bits << shift | 1 } else { 1 };
            self.next = seq + 1;
            return true;
        }
        let behind = self.next - 1 - seq;
        if behind >= WINDOW || self.bits >> behind & 1 == 1 {
            return false;
        }
        self.bits |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_number_is_new_once(numbers in proptest::collection::vec(0..200_u64, 0..100)) {
            let mut seen = Seen::default();
            let mut model = BTreeSet::new();
            for seq in numbers {
                let old = model.last().is_some_and(|last| seq + WINDOW <= *last);
                let new = seen.is_new([1; 16], seq);
                prop_assert_eq!(new, !old && !model.contains(&seq), "{}", seq);
                if new {
                    model.insert(seq);
                }
            }
        }
    }

    #[test]
    fn a_new_run_starts_anew() {
        let mut seen = Seen::default();
        assert!(seen.is_new([1; 16], 5));
        assert!(!seen.is_new([1; 16], 5));
        assert!(seen.is_new([2; 16], 5));
        assert!(!seen.is_new([2; 16], u64::MAX));
    }
}
