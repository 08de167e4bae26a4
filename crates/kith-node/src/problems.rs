//! What needs the person.

use kith_api::{Error, Problem};
use kith_log::SpaceId;

/// Problems shown at once: there is a handful of kinds, and the cap is for their texts.
const MAX_PROBLEMS: usize = 16;

/// The problems, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    last_id: u64,
    all: Vec<Problem>,
}

impl Problems {
    /// Adds one; what is told already is not told twice.
    pub(crate) fn add(&mut self, error: Error, space: Option<SpaceId>) {
        let space = space.map(|space| space.to_string());
        if self.all.iter().any(|told| told.error == error && told.space == space) {
            return;
        }
        self.all.truncate(MAX_PROBLEMS - 1);
        // Ids are never used twice: a click that comes late takes away no other problem.
        self.last_id += 1;
        self.all.push(Problem { id: self.last_id, error, space });
    }

    /// Takes one away. One that is gone already stays so.
    pub(crate) fn dismiss(&mut self, id: u64) {
        self.all.retain(|told| told.id != id);
    }

    /// Takes away what is about a space that was left.
    pub(crate) fn forget(&mut self, space: &SpaceId) {
        let space = Some(space.to_string());
        self.all.retain(|told| told.space != space);
    }

    /// All of them.
    pub(crate) fn told(&self) -> Vec<Problem> {
        self.all.clone()
    }
}

#[cfg(test)]
mod tests {
    use kith_api::ErrorCode;

    use super::*;

    fn error(what: &str) -> Error {
        Error::new(ErrorCode::Storage, what)
    }

    fn told(problems: &Problems) -> Vec<(u64, String)> {
        problems.told().into_iter().map(|one| (one.id, one.error.what)).collect()
    }

    #[test]
    fn a_problem_is_told_once_until_it_is_dismissed_and_comes_back_with_another_id() {
        let mut problems = Problems::default();
        problems.add(error("a"), None);
        problems.add(error("a"), None);
        problems.add(error("b"), Some(SpaceId::from_bytes([1; 32])));
        problems.add(error("b"), Some(SpaceId::from_bytes([2; 32])));
        assert_eq!(told(&problems), [(1, "a".into()), (2, "b".into()), (3, "b".into())]);
        problems.dismiss(1);
        problems.dismiss(1);
        problems.add(error("a"), None);
        problems.forget(&SpaceId::from_bytes([1; 32]));
        assert_eq!(told(&problems), [(3, "b".into()), (4, "a".into())]);
    }

    #[test]
    fn there_are_never_more_than_the_limit() {
        let mut problems = Problems::default();
        for n in 0..100 {
            problems.add(error(&n.to_string()), None);
        }
        assert_eq!(told(&problems).len(), MAX_PROBLEMS);
        assert_eq!(told(&problems).last(), Some(&(100, "99".into())));
    }
}
