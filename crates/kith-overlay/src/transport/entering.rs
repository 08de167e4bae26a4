//! Entering spaces: which side proved which space on one connection. Pure.

use std::collections::{BTreeMap, BTreeSet};

use iroh::EndpointId;
use kith_log::SpaceId;

use super::control::Tag;
use super::limits::MAX_UNMATCHED_TAGS;
use super::{SpaceKey, SpaceRef};

/// The tag by which `sender` proves a space on a connection with this exporter.
pub fn enter_tag(sync_key: &[u8; 32], exporter: &[u8; 32], sender: &EndpointId) -> Tag {
    let mut hasher = blake3::Hasher::new_keyed(sync_key);
    hasher.update(b"kith/1 enter").update(exporter).update(sender.as_bytes());
    *hasher.finalize().as_bytes()
}

/// What to do after a change.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// Tags to send.
    pub(crate) send: Vec<Tag>,
    /// Spaces that are entered now.
    pub(crate) entered: Vec<SpaceRef>,
}

#[derive(Debug)]
struct Own {
    key: SpaceKey,
    expected: Tag,
    offered: bool,
    proven: bool,
}

/// The spaces of one connection.
#[derive(Debug)]
pub(crate) struct Entering {
    me: EndpointId,
    peer: EndpointId,
    exporter: [u8; 32],
    own: BTreeMap<SpaceId, Own>,
    by_tag: BTreeMap<Tag, SpaceId>,
    unmatched: BTreeSet<Tag>,
}

impl Entering {
    pub(crate) fn new(me: EndpointId, peer: EndpointId, exporter: [u8; 32]) -> Self {
        Self {
            me,
            peer,
            exporter,
            own: BTreeMap::new(),
            by_tag: BTreeMap::new(),
            unmatched: BTreeSet::new(),
        }
    }

    /// Takes note of spaces of this node, without telling; unless the peer proved one already.
    pub(crate) fn know(&mut self, keys: &[SpaceKey]) -> Step {
        let mut step = Step::default();
        for key in keys {
            self.know_one(key, &mut step);
        }
        step
    }

    /// Proves spaces of this node to the peer.
    pub(crate) fn offer(&mut self, keys: &[SpaceKey]) -> Step {
        let mut step = Step::default();
        for key in keys {
            self.know_one(key, &mut step);
            self.offer_one(key.at.space, &mut step);
        }
        step
    }

    /// The peer proves spaces. An unknown tag is kept for a later join; those over the limit are
    /// counted in the result's second half.
    pub(crate) fn received(&mut self, tags: &[Tag]) -> (Step, usize) {
        let mut step = Step::default();
        let mut dropped = 0;
        for tag in tags {
            match self.by_tag.get(tag).copied() {
                Some(space) => self.prove(space, &mut step),
                None if self.unmatched.contains(tag) => {}
                None if self.unmatched.len() < MAX_UNMATCHED_TAGS => {
                    self.unmatched.insert(*tag);
                }
                None => dropped += 1,
            }
        }
        (step, dropped)
    }

    /// This node left a space. Returns whether it was entered here.
    pub(crate) fn leave(&mut self, space: &SpaceId) -> Option<SpaceRef> {
        let own = self.own.remove(space)?;
        self.by_tag.remove(&own.expected);
        if own.proven && self.unmatched.len() < MAX_UNMATCHED_TAGS {
            // The peer won't send it again, should this node join again.
            self.unmatched.insert(own.expected);
        }
        (own.offered && own.proven).then_some(own.key.at)
    }

    /// The peer left a space. Returns it where it was entered.
    pub(crate) fn peer_left(&mut self, space: &SpaceId) -> Option<SpaceRef> {
        let own = self.own.get_mut(space)?;
        let was = own.offered && own.proven;
        own.proven = false;
        was.then_some(own.key.at)
    }

    /// Whether both sides proved it.
    pub(crate) fn is_entered(&self, at: &SpaceRef) -> bool {
        self.own.get(&at.space).is_some_and(|own| own.offered && own.proven && own.key.at == *at)
    }

    /// The app of a space that is entered.
    pub(crate) fn entered(&self, space: &SpaceId) -> Option<SpaceRef> {
        self.own.get(space).filter(|own| own.offered && own.proven).map(|own| own.key.at)
    }

    /// All spaces that are entered.
    pub(crate) fn all(&self) -> Vec<SpaceRef> {
        let entered = |own: &&Own| own.offered && own.proven;
        self.own.values().filter(entered).map(|own| own.key.at).collect()
    }

    fn know_one(&mut self, key: &SpaceKey, step: &mut Step) {
        let space = key.at.space;
        if self.own.contains_key(&space) {
            return;
        }
        let expected = enter_tag(&key.sync_key, &self.exporter, &self.peer);
        self.by_tag.insert(expected, space);
        self.own.insert(space, Own { key: *key, expected, offered: false, proven: false });
        if self.unmatched.remove(&expected) {
            self.prove(space, step);
        }
    }

    fn offer_one(&mut self, space: SpaceId, step: &mut Step) {
        let Some(own) = self.own.get_mut(&space).filter(|own| !own.offered) else { return };
        own.offered = true;
        step.send.push(enter_tag(&own.key.sync_key, &self.exporter, &self.me));
        if own.proven {
            step.entered.push(own.key.at);
        }
    }

    fn prove(&mut self, space: SpaceId, step: &mut Step) {
        let Some(own) = self.own.get_mut(&space).filter(|own| !own.proven) else { return };
        own.proven = true;
        if own.offered {
            step.entered.push(own.key.at);
        } else {
            self.offer_one(space, step);
        }
    }
}

#[cfg(test)]
mod tests {
    use kith_app::AppId;

    use super::*;

    fn id(seed: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[seed; 32]).public()
    }

    fn key(n: u8) -> SpaceKey {
        let at = SpaceRef { app: AppId::from_bytes([9; 32]), space: SpaceId::from_bytes([n; 32]) };
        SpaceKey { at, sync_key: [n ^ 0xff; 32] }
    }

    fn pair() -> (Entering, Entering) {
        (Entering::new(id(1), id(2), [5; 32]), Entering::new(id(2), id(1), [5; 32]))
    }

    #[test]
    fn both_prove_then_both_are_in() {
        let (mut a, mut b) = pair();
        b.know(&[key(1), key(2)]);
        let offered = a.offer(&[key(1), key(3)]);
        assert_eq!((offered.send.len(), offered.entered.len()), (2, 0));
        let (answer, _) = b.received(&offered.send);
        assert_eq!(answer.entered, [key(1).at]);
        assert_eq!(answer.send.len(), 1, "only what matched is answered");
        let (done, _) = a.received(&answer.send);
        assert_eq!(done, Step { send: vec![], entered: vec![key(1).at] });
        assert!(a.is_entered(&key(1).at) && b.is_entered(&key(1).at));
        assert!(!a.is_entered(&key(3).at) && !b.is_entered(&key(2).at));
    }

    #[test]
    fn a_tag_is_worth_nothing_to_others() {
        let (mut a, _) = pair();
        let tags = a.offer(&[key(1)]).send;
        // Sent back, on another connection, or by another peer.
        a.know(&[key(1)]);
        assert!(a.received(&tags).0.entered.is_empty());
        for (me, peer, exporter) in [(2, 1, 6), (2, 3, 5), (3, 2, 5)] {
            let mut other = Entering::new(id(me), id(peer), [exporter; 32]);
            other.offer(&[key(1)]);
            assert!(other.received(&tags).0.entered.is_empty());
        }
    }

    #[test]
    fn a_later_join_finds_the_tag() {
        let (mut a, mut b) = pair();
        let offered = a.offer(&[key(1)]);
        assert_eq!(b.received(&offered.send).0, Step::default());
        let joined = b.offer(&[key(1)]);
        assert_eq!(joined.entered, [key(1).at]);
        assert_eq!(a.received(&joined.send).0.entered, [key(1).at]);
    }

    #[test]
    fn who_leaves_can_come_back() {
        let (mut a, mut b) = pair();
        let tags = a.offer(&[key(1)]).send;
        b.offer(&[key(1)]);
        let back = b.offer(&[key(1)]).send;
        assert!(back.is_empty(), "told once");
        b.received(&tags);
        a.received(&[enter_tag(&key(1).sync_key, &[5; 32], &id(2))]);
        assert!(a.is_entered(&key(1).at) && b.is_entered(&key(1).at));
        assert_eq!(a.leave(&key(1).at.space), Some(key(1).at));
        assert_eq!(b.peer_left(&key(1).at.space), Some(key(1).at));
        assert!(!a.is_entered(&key(1).at) && !b.is_entered(&key(1).at));
        let again = a.offer(&[key(1)]);
        assert_eq!((again.send.len(), again.entered.len()), (1, 1));
        assert_eq!(b.received(&again.send).0.entered, [key(1).at]);
    }

    #[test]
    fn unknown_tags_are_bounded() {
        let (mut a, _) = pair();
        let tags: Vec<Tag> = (0..2_000u32)
            .map(|n| {
                let mut tag = [0; 32];
                tag[..4].copy_from_slice(&n.to_be_bytes());
                tag
            })
            .collect();
        assert_eq!(a.received(&tags).1, 2_000 - MAX_UNMATCHED_TAGS);
        assert_eq!(a.unmatched.len(), MAX_UNMATCHED_TAGS);
    }
}
