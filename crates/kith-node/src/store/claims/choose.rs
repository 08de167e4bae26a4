//! Which of several claims is believed.

use kith_log::file::{Attachment, FileKey};

use super::rows::{ClaimRow, ClaimsRow};
use crate::store::error::StoreError;

/// What entries of a space say of one blob, those first that are most likely to be right.
#[derive(Clone, Debug, Default)]
pub struct Claims {
    /// With whether the key was tried and proved nothing.
    all: Vec<(Attachment, bool)>,
    /// How many of them may be right.
    left: usize,
    is_key_proven: bool,
}

impl Claims {
    /// The claims of a row. `size` is the blob's, where that is known.
    pub(super) fn of(
        hash: [u8; 32],
        row: ClaimsRow,
        size: Option<u64>,
    ) -> Result<Self, StoreError> {
        let size = row.size.or(size);
        let (key, folder) = (row.key, row.folder);
        let is_wrong = |claim: &ClaimRow| {
            size.is_some_and(|size| size != claim.size)
                || key.is_some_and(|key| key != claim.key)
                || folder.is_some_and(|folder| folder != claim.folder)
        };
        let mut claims = row.claims;
        claims.sort_by_key(|claim| (is_wrong(claim), !claim.own, claim.serial));
        let left = claims.iter().filter(|claim| !is_wrong(claim)).count();
        let all = claims.into_iter().map(|claim| {
            let tried = claim.tried;
            Ok((claim.attachment(hash)?, tried))
        });
        let all = all.collect::<Result<_, StoreError>>()?;
        Ok(Self { all, left, is_key_proven: key.is_some() })
    }

    /// The one that is believed.
    pub fn best(&self) -> Option<&Attachment> {
        self.all.first().map(|(claim, _)| claim)
    }

    /// All of them, the one that is believed first.
    pub fn all(&self) -> impl Iterator<Item = &Attachment> {
        self.all.iter().map(|(claim, _)| claim)
    }

    /// Those that may be right.
    pub fn left(&self) -> impl Iterator<Item = &Attachment> {
        self.all().take(self.left)
    }

    /// The sizes of those that may be right.
    pub fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<_> = self.left().map(|claim| claim.size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    /// Keys that are to be tried on the bytes, once they are here; none where all claims have one key.
    pub fn untried(&self) -> Vec<FileKey> {
        let mut left = self.left();
        let Some(first) = left.next().filter(|_| !self.is_key_proven) else { return Vec::new() };
        if left.all(|claim| claim.key == first.key) {
            return Vec::new();
        }
        let mut keys: Vec<FileKey> = Vec::new();
        for (claim, tried) in self.all.iter().take(self.left) {
            if let Some(key) = claim.key.as_ref().filter(|key| !tried && !keys.contains(key)) {
                keys.push(key.clone());
            }
        }
        keys
    }

    /// Whether it is known which key is right.
    pub fn is_key_proven(&self) -> bool {
        self.is_key_proven
    }

    /// Whether some of those that may be right say that it is a folder, and some that it is a file.
    pub fn is_folder_unsure(&self) -> bool {
        let mut left = self.left();
        let first = left.next().map(|claim| claim.folder);
        left.any(|claim| Some(claim.folder) != first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(serial: u64, size: u64, key: u8) -> ClaimRow {
        let key = Some([key; 32]);
        ClaimRow { size, key, serial, ..ClaimRow::default() }.named("film")
    }

    fn best(row: ClaimsRow, size: Option<u64>) -> (u64, [u8; 32]) {
        let claims = Claims::of([1; 32], row, size).unwrap();
        let best = claims.best().unwrap();
        (best.size, *best.key.as_ref().unwrap().as_bytes())
    }

    #[test]
    fn the_first_is_believed_until_something_is_proven() {
        let claims = vec![row(5, 10, 1), row(7, 20, 2), row(9, 20, 3)];
        let plain = ClaimsRow { claims, ..ClaimsRow::default() };
        assert_eq!(best(plain.clone(), None), (10, [1; 32]));
        assert_eq!(best(plain.clone(), Some(20)), (20, [2; 32]));
        let proven = ClaimsRow { key: Some(Some([3; 32])), ..plain.clone() };
        assert_eq!(best(proven, None), (20, [3; 32]));
        let all_wrong = ClaimsRow { size: Some(30), ..plain };
        assert_eq!(best(all_wrong, None), (10, [1; 32]));
    }

    #[test]
    fn ones_own_goes_before_others() {
        let own = ClaimRow { own: true, ..row(9, 20, 2) };
        let claims = ClaimsRow { claims: vec![row(5, 10, 1), own], ..ClaimsRow::default() };
        assert_eq!(best(claims.clone(), None), (20, [2; 32]));
        assert_eq!(best(claims, Some(10)), (10, [1; 32]));
    }

    #[test]
    fn keys_are_tried_where_they_differ_and_only_once() {
        let untried = |claims: Vec<ClaimRow>, key| {
            let row = ClaimsRow { claims, key, ..ClaimsRow::default() };
            let claims = Claims::of([1; 32], row, None).unwrap();
            claims.untried().iter().map(|key| key.as_bytes()[0]).collect::<Vec<_>>()
        };
        assert!(untried(vec![row(1, 10, 1), row(2, 10, 1)], None).is_empty());
        let differ = vec![row(1, 10, 1), row(2, 10, 2), row(3, 10, 1)];
        assert_eq!(untried(differ.clone(), None), [1, 2]);
        assert!(untried(differ.clone(), Some(Some([1; 32]))).is_empty());
        let [first, second, _] = differ.try_into().expect("three");
        assert_eq!(untried(vec![ClaimRow { tried: true, ..first }, second], None), [2]);
    }
}
