//! Known peers: who is wanted, who is connected, whom to dial when. Pure: time and jitter come in.
//!
//! One method changes it at a time; after each change ask [`Table::poll_timeout`] when to call
//! [`Table::poll_dials`] again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use iroh::EndpointId;
use kith_log::SpaceId;
use n0_future::time::Instant;

use super::control::ConnectionName;
use super::known::{Known, Link, Slot};
use super::limits::{
    MAX_DIALS, MAX_KNOWN_PEERS, MAX_WANTED_NEIGHBOURS, MAX_WANTED_PER_SPACE, STABLE,
};
use super::traffic::Counts;
use super::{CloseCode, Ended, PeerAddr, Reason, Scope, Way, scope};

/// What becomes of a new connection, and of the one before it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the connection now.
    First,
    /// It takes the place of this one, which is dead or of an earlier run.
    Replaces(u64),
    /// Both dialled at once, and the new one wins: the old one drains.
    Wins(u64),
    /// Both dialled at once, and the old one wins: the new one drains.
    Loses,
    /// The peer is blocked.
    Blocked,
}

/// A dial to make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Dial {
    pub(crate) id: EndpointId,
    pub(crate) addrs: Vec<SocketAddr>,
    /// Failures so far.
    pub(crate) failures: u32,
}

#[derive(Debug)]
pub(crate) struct Table {
    me: EndpointId,
    /// The farthest scope that may be dialled.
    reach: Scope,
    peers: BTreeMap<EndpointId, Known>,
    dialling: usize,
    found: BTreeMap<Way, u32>,
}

impl Table {
    pub(crate) fn new(me: EndpointId, reach: Scope) -> Self {
        Self { me, reach, peers: BTreeMap::new(), dialling: 0, found: BTreeMap::new() }
    }

    /// Takes note of a peer, and of new addresses, which are tried at once. False where there is no
    /// room for it, or nobody to note: this node itself.
    pub(crate) fn add(
        &mut self,
        now: Instant,
        peer: &PeerAddr,
        way: Way,
        reason: Option<Reason>,
    ) -> bool {
        if peer.id == self.me || !self.make_room(&peer.id) {
            return false;
        }
        let most = match (way, reason) {
            (Way::Exchange | Way::Introduce, Some(Reason::Space(_))) => MAX_WANTED_PER_SPACE,
            (Way::Lan, Some(Reason::Neighbour)) => MAX_WANTED_NEIGHBOURS,
            _ => usize::MAX,
        };
        let crowded = reason.is_some_and(|reason| !self.room_for(reason, most, &peer.id));
        let reach = self.reach;
        let known = self.peers.entry(peer.id).or_insert_with(|| Known::new(now));
        known.heard = now;
        if known.ways.insert(way) {
            *self.found.entry(way).or_default() += 1;
        }
        let mut news = false;
        for addr in peer.addrs.iter().filter(|addr| scope(addr).is_some_and(|s| s <= reach)) {
            news |= known.note(*addr);
        }
        if let Some(reason) = reason {
            if let Reason::Space(space) = reason {
                known.spaces.insert(space);
            }
            if !crowded {
                news |= known.reasons.insert(reason);
            }
        }
        // Somebody who wants to meet dials now: so does this node.
        if (news || way == Way::Introduce) && known.link == Link::Idle && known.wanted() {
            known.next_try = Some(now);
        }
        true
    }

    /// True where that is news.
    pub(crate) fn want(&mut self, now: Instant, id: &EndpointId, reason: Reason) -> bool {
        let Some(known) = self.peers.get_mut(id) else { return false };
        let first = known.reasons.is_empty();
        if first && known.link == Link::Idle {
            known.next_try = Some(now);
        }
        known.reasons.insert(reason)
    }

    pub(crate) fn unwant(&mut self, id: &EndpointId, reason: Reason) {
        if let Some(known) = self.peers.get_mut(id) {
            known.unwant(reason);
        }
    }

    /// Drops a reason from all peers.
    pub(crate) fn unwant_all(&mut self, reason: Reason) {
        for known in self.peers.values_mut() {
            known.unwant(reason);
            if let Reason::Space(space) = reason {
                known.spaces.remove(&space);
            }
        }
    }

    /// Returns the connection to close.
    pub(crate) fn block(&mut self, now: Instant, id: EndpointId, blocked: bool) -> Option<u64> {
        let known = self.peers.entry(id).or_insert_with(|| Known::new(now));
        known.blocked = blocked;
        if blocked {
            known.next_try = None;
            return match &known.link {
                Link::Connected(slot) => Some(slot.number),
                Link::Idle | Link::Dialling => None,
            };
        }
        // The other side waits for long after it was told: this one dials.
        known.failures = 0;
        if known.wanted() && known.link == Link::Idle {
            known.next_try = Some(now);
        }
        None
    }

    /// Both sides shared a space on a connection.
    pub(crate) fn entered(&mut self, id: &EndpointId, space: SpaceId) {
        if let Some(known) = self.peers.get_mut(id) {
            known.spaces.insert(space);
        }
    }

    /// A reason to try all waiting peers now: the network changed.
    pub(crate) fn retry_all(&mut self, now: Instant) {
        for known in self.peers.values_mut().filter(|known| known.next_try.is_some()) {
            known.next_try = Some(now);
        }
    }

    /// When [`Table::poll_dials`] has something to do; none while nothing is to be dialled.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.dialling >= MAX_DIALS {
            return None;
        }
        self.peers
            .values()
            .filter(|known| known.dialable())
            .filter_map(|known| known.next_try)
            .min()
    }

    /// The dials that are due, longest due first.
    pub(crate) fn poll_dials(&mut self, now: Instant) -> Vec<Dial> {
        let mut due: Vec<_> = self
            .peers
            .iter_mut()
            .filter(|(_, known)| known.dialable() && known.next_try.is_some_and(|at| at <= now))
            .collect();
        due.sort_by_key(|(_, known)| known.next_try);
        due.truncate(MAX_DIALS.saturating_sub(self.dialling));
        self.dialling += due.len();
        due.into_iter()
            .map(|(id, known)| {
                known.link = Link::Dialling;
                known.next_try = None;
                Dial { id: *id, addrs: known.to_dial(), failures: known.failures }
            })
            .collect()
    }

    /// A dial is over: with an error, or with a handshake, after which [`Table::connected`] follows.
    /// Jitter is uniform over all `u64`.
    pub(crate) fn dialled(
        &mut self,
        now: Instant,
        id: &EndpointId,
        error: Option<String>,
        jitter: u64,
    ) {
        self.dialling = self.dialling.saturating_sub(1);
        let Some(known) = self.peers.get_mut(id) else { return };
        if let Some(error) = error {
            known.error = Some(error);
            // A connection that the peer dialled meanwhile stays.
            if known.link == Link::Dialling {
                known.link = Link::Idle;
                known.wait(now, jitter);
            }
        }
    }

    /// A connection said Hello, and which one the peer `lost` last.
    pub(crate) fn connected(
        &mut self,
        id: EndpointId,
        slot: Slot,
        lost: ConnectionName,
        address: Option<SocketAddr>,
    ) -> Verdict {
        let now = slot.since;
        let me = self.me;
        // A connected peer is bounded by the connections, and always has room.
        self.make_room(&id);
        let known = self.peers.entry(id).or_insert_with(|| Known::new(now));
        if known.blocked {
            return Verdict::Blocked;
        }
        known.heard = now;
        if !slot.dialled && known.ways.is_empty() {
            known.ways.insert(Way::Incoming);
            *self.found.entry(Way::Incoming).or_default() += 1;
        }
        match address {
            Some(addr) if slot.dialled => known.worked(addr),
            Some(addr) => known.came_from = Some(addr),
            None => {}
        }
        let verdict = match &known.link {
            Link::Idle | Link::Dialling => Verdict::First,
            // The peer was restarted, or the same side dialled again: it knows the old one is dead.
            Link::Connected(old) if old.run_id != slot.run_id || old.dialled == slot.dialled => {
                Verdict::Replaces(old.number)
            }
            // This node dialled the old one, and the peer says that it is over.
            Link::Connected(old) if old.name == lost => Verdict::Replaces(old.number),
            Link::Connected(old) => {
                let winner_dialled = me.as_bytes() < id.as_bytes();
                if slot.dialled == winner_dialled {
                    Verdict::Wins(old.number)
                } else {
                    return Verdict::Loses;
                }
            }
        };
        known.link = Link::Connected(slot);
        known.next_try = None;
        known.error = None;
        verdict
    }

    /// A connection is over. True where it was the peer's connection, and no other took its place.
    /// A peer that is banned is not dialled before the ban's end.
    pub(crate) fn disconnected(
        &mut self,
        now: Instant,
        id: &EndpointId,
        number: u64,
        ended: &Ended,
        banned: Option<Instant>,
        jitter: u64,
    ) -> bool {
        let Some(known) = self.peers.get_mut(id) else { return false };
        let slot = match &known.link {
            Link::Connected(slot) if slot.number == number => slot,
            Link::Idle | Link::Dialling | Link::Connected(_) => return false,
        };
        if now.saturating_duration_since(slot.since) >= STABLE {
            known.failures = 0;
        }
        known.heard = now;
        known.lost = slot.name;
        known.link = Link::Idle;
        known.error = Some(ended.to_string());
        if hopeless(ended) {
            known.failures = known.failures.max(HOPELESS_FAILURES);
        }
        known.wait(now, jitter);
        known.next_try = known.next_try.map(|at| banned.map_or(at, |end| at.max(end)));
        true
    }

    /// The connection with a peer that ended last; zeros where there is none.
    pub(crate) fn lost(&self, id: &EndpointId) -> ConnectionName {
        self.peers.get(id).map(|known| known.lost).unwrap_or_default()
    }

    /// The number of a peer's connection.
    pub(crate) fn connection(&self, id: &EndpointId) -> Option<u64> {
        match &self.peers.get(id)?.link {
            Link::Connected(slot) => Some(slot.number),
            Link::Idle | Link::Dialling => None,
        }
    }

    pub(crate) fn get(&self, id: &EndpointId) -> Option<&Known> {
        self.peers.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&EndpointId, &Known)> {
        self.peers.iter()
    }

    pub(crate) fn found(&self) -> &BTreeMap<Way, u32> {
        &self.found
    }

    /// The counters of a peer: they outlive its connections.
    pub(crate) fn counts(&mut self, now: Instant, id: EndpointId) -> Arc<Counts> {
        self.make_room(&id);
        self.peers.entry(id).or_insert_with(|| Known::new(now)).counts.clone()
    }

    /// Whether one more peer that others named may be wanted for a reason. One of them that was never
    /// reached, though tried often enough, makes room: else names of nobody would keep others out. On
    /// the LAN so does one that is no longer reached: who comes back announces itself.
    fn room_for(&mut self, reason: Reason, most: usize, newcomer: &EndpointId) -> bool {
        // Whom the person named, or this node met before, takes no place of theirs.
        let wanted =
            |(_, known): &(_, &mut Known)| known.reasons.contains(&reason) && known.is_named_only();
        let wanted: Vec<_> = self.peers.iter_mut().filter(wanted).collect();
        if wanted.len() < most || wanted.iter().any(|(id, _)| *id == newcomer) {
            return true;
        }
        let gives_way = |known: &&mut Known| match reason {
            Reason::Neighbour => known.is_given_up(),
            Reason::Person | Reason::Space(_) | Reason::App(_) => known.is_hearsay(),
        };
        let worst = wanted.into_iter().map(|(_, known)| known).filter(gives_way);
        worst.max_by_key(|known| known.failures).is_some_and(|known| {
            known.unwant(reason);
            true
        })
    }

    /// Makes room for one more peer, where the table is full: whom nobody wants and who was heard
    /// of longest ago goes; else one who was only named by others, and never reached.
    fn make_room(&mut self, id: &EndpointId) -> bool {
        if self.peers.contains_key(id) {
            return true;
        }
        // Those that are blocked have a limit of their own, where the person's list is kept.
        let kept = self.peers.values().filter(|known| !known.blocked).count();
        if kept < MAX_KNOWN_PEERS {
            return true;
        }
        let spare =
            |known: &Known| known.reasons.is_empty() && known.link == Link::Idle && !known.blocked;
        let oldest = self
            .peers
            .iter()
            .filter(|(_, known)| spare(known) || known.is_hearsay() && !known.blocked)
            .min_by_key(|(_, known)| (!spare(known), known.heard))
            .map(|(id, _)| *id);
        oldest.is_some_and(|oldest| self.peers.remove(&oldest).is_some())
    }
}

/// Failures after which the wait is the longest one.
const HOPELESS_FAILURES: u32 = 10;

/// Whether trying again soon would change nothing.
fn hopeless(ended: &Ended) -> bool {
    match ended {
        Ended::There(CloseCode::Blocked | CloseCode::Incompatible) | Ended::Unknown(_) => true,
        Ended::Here(close) => {
            matches!(close.code, CloseCode::Violation | CloseCode::Incompatible | CloseCode::Limits)
        }
        Ended::There(_) | Ended::Lost(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use n0_future::time::Duration;

    use super::*;
    use crate::transport::Close;
    use crate::transport::known::backoff;
    use crate::transport::limits::{BACKOFF_FIRST, BACKOFF_LAST, GIVE_WAY_FAILURES, MAX_ADDRESSES};

    fn id(seed: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[seed; 32]).public()
    }

    /// Two ids, the smaller first.
    fn pair() -> (EndpointId, EndpointId) {
        let (a, b) = (id(1), id(2));
        if a.as_bytes() < b.as_bytes() { (a, b) } else { (b, a) }
    }

    fn addr(n: u16) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], n))
    }

    fn slot(number: u64, run: u8, dialled: bool, since: Instant) -> Slot {
        Slot { number, run_id: [run; 16], name: name(number), dialled, since }
    }

    fn name(number: u64) -> ConnectionName {
        u128::from(number).to_be_bytes()
    }

    const NONE: ConnectionName = [0; 16];

    fn lost() -> Ended {
        Ended::Lost("no answer".to_owned())
    }

    /// The largest jitter: waits are (almost) the limit.
    const LATE: u64 = u64::MAX;

    #[test]
    fn of_two_dials_the_smaller_ids_wins_on_both_sides() {
        let (small, large) = pair();
        let now = Instant::now();
        // Each side sees both connections, in either order: 1 is dialled by the smaller one.
        for first in [1, 2] {
            for (me, other) in [(small, large), (large, small)] {
                let mut table = Table::new(me, Scope::Global);
                let of = |number: u64| slot(number, 7, (number == 1) == (me == small), now);
                let second = 3 - first;
                assert_eq!(table.connected(other, of(first), name(9), None), Verdict::First);
                let want = if second == 1 { Verdict::Wins(2) } else { Verdict::Loses };
                assert_eq!(table.connected(other, of(second), name(9), None), want);
                assert_eq!(table.connection(&other), Some(1));
            }
        }
    }

    #[test]
    fn a_dial_after_a_loss_replaces_what_was_lost() {
        let (small, large) = pair();
        let now = Instant::now();
        // The smaller one dialled; then the connection died for the larger one alone.
        let mut tables = [Table::new(small, Scope::Global), Table::new(large, Scope::Global)];
        let [at_small, at_large] = &mut tables;
        assert_eq!(at_small.connected(large, slot(1, 7, true, now), NONE, None), Verdict::First);
        assert_eq!(at_large.connected(small, slot(1, 7, false, now), NONE, None), Verdict::First);
        assert!(at_large.disconnected(now, &small, 1, &lost(), None, 0));
        let told = at_large.lost(&small);
        let verdict = at_small.connected(large, slot(2, 7, false, now), told, None);
        assert_eq!(verdict, Verdict::Replaces(1), "no timeout is waited for");
        let heard = at_small.lost(&large);
        assert_eq!(at_large.connected(small, slot(2, 7, true, now), heard, None), Verdict::First);
        // What is said of an older one does not count.
        let verdict = at_large.connected(small, slot(3, 7, false, now), name(1), None);
        assert_eq!(verdict, Verdict::Wins(2));
    }

    #[test]
    fn another_run_or_another_dial_of_the_same_side_replaces() {
        let (me, other) = pair();
        let now = Instant::now();
        let mut table = Table::new(me, Scope::Global);
        let mut connected = |slot| table.connected(other, slot, NONE, None);
        assert_eq!(connected(slot(1, 7, true, now)), Verdict::First);
        assert_eq!(connected(slot(2, 8, false, now)), Verdict::Replaces(1));
        assert_eq!(connected(slot(3, 8, false, now)), Verdict::Replaces(2));
        // The end of what was replaced changes nothing.
        assert!(!table.disconnected(now, &other, 1, &lost(), None, 0));
        assert_eq!(table.connection(&other), Some(3));
        assert!(table.disconnected(now, &other, 3, &lost(), None, 0));
        assert_eq!(table.connection(&other), None);
    }

    #[test]
    fn waits_grow_and_never_end() {
        let me = id(1);
        let mut now = Instant::now();
        let mut table = Table::new(me, Scope::Global);
        table.add(now, &PeerAddr::new(id(2), [addr(1)]), Way::Manual, Some(Reason::Person));
        let mut waits = Vec::new();
        for _ in 0..40 {
            let due = table.poll_timeout().expect("a wanted peer is always due some time");
            waits.push(due.saturating_duration_since(now));
            now = due;
            assert_eq!(table.poll_dials(now).len(), 1);
            assert_eq!(table.poll_timeout(), None, "one dial at a time");
            table.dialled(now, &id(2), Some("no answer".to_owned()), LATE);
        }
        assert_eq!(waits[0], Duration::ZERO);
        assert!(waits[1] <= BACKOFF_FIRST && waits[1] * 2 > BACKOFF_FIRST);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(*waits.last().unwrap() <= BACKOFF_LAST);
        assert!(*waits.last().unwrap() * 2 > BACKOFF_LAST);
        // No jitter: at once, which is what full jitter means.
        assert_eq!(backoff(40, 0), Duration::ZERO);
    }

    #[test]
    fn a_new_address_and_an_introduction_are_tried_at_once() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Global);
        let peer = |n| PeerAddr::new(id(2), [addr(n)]);
        let space = Reason::Space(SpaceId::from_bytes([1; 32]));
        let fail = |table: &mut Table| {
            assert_eq!(table.poll_dials(now).len(), 1);
            table.dialled(now, &id(2), Some("no answer".to_owned()), LATE);
            assert!(table.poll_timeout().unwrap() > now);
        };
        table.add(now, &peer(1), Way::Cache, Some(space));
        fail(&mut table);
        table.add(now, &peer(1), Way::Exchange, Some(space));
        assert!(table.poll_timeout().unwrap() > now, "nothing new");
        table.add(now, &peer(2), Way::Lan, None);
        fail(&mut table);
        table.add(now, &peer(2), Way::Introduce, Some(space));
        fail(&mut table);
        table.retry_all(now);
        fail(&mut table);
    }

    #[test]
    fn success_resets_the_waits_if_it_lasts() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Global);
        table.add(now, &PeerAddr::new(id(2), [addr(1)]), Way::Manual, Some(Reason::Person));
        for _ in 0..12 {
            let at = table.poll_timeout().unwrap();
            table.poll_dials(at);
            table.dialled(at, &id(2), Some("no answer".to_owned()), LATE);
        }
        table.connected(id(2), slot(1, 7, true, now), NONE, Some(addr(1)));
        assert_eq!(table.poll_timeout(), None);
        assert!(table.disconnected(now, &id(2), 1, &lost(), None, LATE));
        assert!(table.poll_timeout().unwrap() > now + BACKOFF_LAST / 2, "it did not last");
        table.connected(id(2), slot(2, 7, true, now), NONE, Some(addr(1)));
        let later = now + STABLE;
        assert!(table.disconnected(later, &id(2), 2, &lost(), None, LATE));
        assert!(table.poll_timeout().unwrap() <= later + BACKOFF_FIRST);
        // Who does not want this node is not asked again soon.
        table.connected(id(2), slot(3, 7, true, now), NONE, Some(addr(1)));
        let blocked = Ended::There(CloseCode::Blocked);
        assert!(table.disconnected(later, &id(2), 3, &blocked, None, LATE));
        assert!(table.poll_timeout().unwrap() > later + BACKOFF_LAST / 2);
        // Who is banned is not dialled before the ban ends.
        table.connected(id(2), slot(4, 7, true, now), NONE, Some(addr(1)));
        let end = later + Duration::from_secs(3_600);
        let violation = Ended::Here(Close::violation("nonsense"));
        assert!(table.disconnected(later, &id(2), 4, &violation, Some(end), 0));
        assert_eq!(table.poll_timeout(), Some(end));
    }

    #[test]
    fn nobody_unwanted_or_blocked_is_dialled() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Global);
        table.add(now, &PeerAddr::new(id(2), [addr(1)]), Way::Cache, None);
        table.add(now, &PeerAddr::new(id(1), [addr(1)]), Way::Cache, Some(Reason::Person));
        assert_eq!(table.poll_timeout(), None);
        table.want(now, &id(2), Reason::Person);
        assert_eq!(table.poll_timeout(), Some(now));
        table.unwant(&id(2), Reason::Person);
        assert_eq!(table.poll_timeout(), None);
        table.want(now, &id(2), Reason::Person);
        table.connected(id(2), slot(4, 7, false, now), NONE, None);
        assert_eq!(table.block(now, id(2), true), Some(4));
        let here = Ended::Here(Close::new(CloseCode::Blocked, "blocked"));
        assert!(table.disconnected(now, &id(2), 4, &here, None, 0));
        assert_eq!(table.poll_timeout(), None);
        assert_eq!(table.connected(id(2), slot(5, 7, false, now), NONE, None), Verdict::Blocked);
        assert_eq!(table.block(now, id(2), false), None);
        assert_eq!(table.poll_timeout(), Some(now));
    }

    #[test]
    fn who_came_by_itself_is_dialled_once_unblocked() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Global);
        let here = Ended::Here(Close::new(CloseCode::Blocked, "blocked"));
        for ends_first in [true, false] {
            table.connected(id(2), slot(1, 7, false, now), NONE, Some(addr(5)));
            table.want(now, &id(2), Reason::Space(SpaceId::from_bytes([1; 32])));
            assert_eq!(table.block(now, id(2), true), Some(1));
            if ends_first {
                assert!(table.disconnected(now, &id(2), 1, &here, None, LATE));
                table.block(now, id(2), false);
                assert_eq!(table.poll_timeout(), Some(now), "at once");
            } else {
                // A person who changes their mind before the connection has ended.
                table.block(now, id(2), false);
                assert!(table.disconnected(now, &id(2), 1, &here, None, LATE));
                assert!(table.poll_timeout().unwrap() <= now + BACKOFF_FIRST);
            }
            let due = table.poll_timeout().unwrap();
            assert_eq!(table.poll_dials(due)[0].addrs, [addr(5)], "where it came from");
            table.dialled(due, &id(2), Some("no answer".to_owned()), LATE);
        }
    }

    #[test]
    fn where_a_peer_came_from_keeps_no_address_out() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Global);
        table.add(now, &PeerAddr::new(id(2), (1..9).map(addr)), Way::Link, Some(Reason::Person));
        for n in 0..20 {
            table.connected(id(2), slot(n, 7, false, now), NONE, Some(addr(100 + n as u16)));
        }
        let known = table.get(&id(2)).unwrap();
        let want: Vec<_> = (1..8).chain([119]).map(addr).collect();
        assert_eq!(known.to_dial(), want);
        assert_eq!(known.addresses_that_worked(), []);
        assert!(!table.want(now, &id(2), Reason::Person), "no news");
        assert!(table.want(now, &id(2), Reason::Neighbour));
    }

    #[test]
    fn a_lan_full_of_made_up_nodes_keeps_nobody_out() {
        let mut now = Instant::now();
        let mut table = Table::new(id(0), Scope::Global);
        let peer = |n: u16| {
            let mut seed = [1; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            PeerAddr::new(iroh::SecretKey::from_bytes(&seed).public(), [addr(n)])
        };
        let shout = |table: &mut Table, now, n| {
            table.add(now, &peer(n), Way::Lan, Some(Reason::Neighbour));
        };
        (0..3_000).for_each(|n| shout(&mut table, now, n));
        let wanted = |table: &Table| table.peers.values().filter(|known| known.wanted()).count();
        assert_eq!(wanted(&table), MAX_WANTED_NEIGHBOURS);
        assert!(table.add(now, &peer(5_000), Way::Link, Some(Reason::Person)));
        assert!(table.get(&peer(5_000).id).unwrap().wanted());
        // A real neighbour gets its turn when those that are nobody were tried often enough.
        for _ in 0..1_000 {
            now = table.poll_timeout().unwrap();
            for dial in table.poll_dials(now) {
                table.dialled(now, &dial.id, Some("no answer".to_owned()), LATE);
            }
        }
        shout(&mut table, now, 6_000);
        assert!(table.get(&peer(6_000).id).unwrap().wanted());
        // So do those that were there once, in a network that was left.
        let met: Vec<_> = table.peers.iter().filter(|(_, known)| known.wanted()).collect();
        let met: Vec<_> = met.into_iter().map(|(id, _)| *id).collect();
        for (n, id) in (0..).zip(&met) {
            table.connected(*id, slot(n, 7, true, now), NONE, Some(addr(1)));
            table.disconnected(now, id, n, &lost(), None, LATE);
            table.peers.get_mut(id).unwrap().failures = GIVE_WAY_FAILURES;
        }
        shout(&mut table, now, 7_000);
        assert!(table.get(&peer(7_000).id).unwrap().wanted());
    }

    #[test]
    fn dials_and_peers_and_addresses_are_bounded() {
        let now = Instant::now();
        let mut table = Table::new(id(0), Scope::Global);
        let peer = |n: u16| {
            let mut seed = [1; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            let id = iroh::SecretKey::from_bytes(&seed).public();
            PeerAddr::new(id, (0..20).map(addr))
        };
        let space = SpaceId::from_bytes([1; 32]);
        for n in 0..40 {
            assert!(table.add(now, &peer(n), Way::Exchange, Some(Reason::Space(space))));
        }
        let dials = table.poll_dials(now);
        assert_eq!(dials.len(), MAX_DIALS);
        assert!(dials.iter().all(|dial| dial.addrs.len() <= MAX_ADDRESSES));
        assert_eq!(table.poll_timeout(), None);
        for dial in dials {
            table.dialled(now, &dial.id, Some("no answer".to_owned()), LATE);
        }
        let mut tried = MAX_DIALS;
        while let due @ 1.. = table.poll_dials(now).len() {
            tried += due;
            table.dialling = 0;
        }
        assert_eq!(tried, MAX_WANTED_PER_SPACE, "others are known, not dialled");
        let wanted = peer(3);
        for n in 40..3_000 {
            assert!(table.add(now + Duration::from_secs(u64::from(n)), &peer(n), Way::Lan, None));
        }
        assert_eq!(table.peers.len(), MAX_KNOWN_PEERS);
        assert!(table.get(&wanted.id).is_some(), "wanted ones stay");
        assert!(table.get(&peer(2_999).id).is_some());
        assert!(table.get(&peer(41).id).is_none(), "who was heard of longest ago goes");
    }

    #[test]
    fn names_of_nobody_keep_nobody_out() {
        let mut now = Instant::now();
        let mut table = Table::new(id(0), Scope::Global);
        let reason = Reason::Space(SpaceId::from_bytes([1; 32]));
        let add = |table: &mut Table, now, n: u8, way| {
            table.add(now, &PeerAddr::new(id(n), [addr(n.into())]), way, Some(reason));
            table.get(&id(n)).unwrap().reasons.contains(&reason)
        };
        for n in 1..=32 {
            assert!(add(&mut table, now, n, Way::Exchange));
        }
        assert!(!add(&mut table, now, 33, Way::Exchange), "nobody was tried yet");
        assert!(add(&mut table, now, 34, Way::Link), "what the person's own link names, comes in");
        table.connected(id(1), slot(1, 7, true, now), NONE, Some(addr(1)));
        table.connected(id(2), slot(2, 7, false, now), NONE, None);
        for _ in 0..400 {
            now = table.poll_timeout().unwrap();
            for dial in table.poll_dials(now) {
                table.dialled(now, &dial.id, Some("no answer".to_owned()), LATE);
            }
        }
        for n in 40..80 {
            // As many as are too many now, and never those that were reached.
            add(&mut table, now, n, Way::Exchange);
        }
        assert!(add(&mut table, now, 1, Way::Exchange) && add(&mut table, now, 2, Way::Exchange));
        assert!(add(&mut table, now, 34, Way::Link));
        let wanted = table.peers.values().filter(|known| known.wanted()).count();
        assert_eq!(wanted, MAX_WANTED_PER_SPACE + 1);
        let new = (40..80).filter(|n| table.get(&id(*n)).unwrap().wanted()).count();
        assert_eq!(new, 30);
    }

    #[test]
    fn whom_this_node_knows_takes_no_place_of_others() {
        let now = Instant::now();
        let mut table = Table::new(id(0), Scope::Global);
        let reason = Reason::Space(SpaceId::from_bytes([1; 32]));
        // Many that were met long ago, and of whom nobody has heard since.
        for n in 1..=40 {
            table.add(now, &PeerAddr::new(id(n), [addr(n.into())]), Way::Cache, Some(reason));
        }
        let told = |table: &mut Table, n: u8| {
            table.add(now, &PeerAddr::new(id(n), [addr(n.into())]), Way::Exchange, Some(reason));
            table.get(&id(n)).unwrap().wanted()
        };
        assert!((50..82).all(|n| told(&mut table, n)));
        assert!(!told(&mut table, 82));
    }

    #[test]
    fn a_long_list_of_the_blocked_keeps_nobody_out() {
        let now = Instant::now();
        let mut table = Table::new(id(0), Scope::Global);
        for n in 0..3_000u16 {
            let mut seed = [1; 32];
            seed[..2].copy_from_slice(&n.to_be_bytes());
            table.block(now, iroh::SecretKey::from_bytes(&seed).public(), true);
        }
        let friend = PeerAddr::new(id(2), [addr(1)]);
        assert!(table.add(now, &friend, Way::Link, Some(Reason::Person)));
        assert_eq!(table.poll_dials(now).len(), 1);
    }

    #[test]
    fn what_is_too_far_is_not_even_kept() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Local);
        let far = ["8.8.8.8:1", "[2001:db8::1]:1", "10.0.0.1:2", "127.0.0.1:3"];
        let addrs = far.map(|addr| addr.parse().unwrap());
        table.add(now, &PeerAddr::new(id(2), addrs), Way::Link, Some(Reason::Person));
        assert_eq!(table.poll_dials(now)[0].addrs, addrs[2..]);
    }

    #[test]
    fn addresses_that_worked_outlast_the_others() {
        let now = Instant::now();
        let mut table = Table::new(id(1), Scope::Global);
        table.add(now, &PeerAddr::new(id(2), [addr(1)]), Way::Manual, Some(Reason::Person));
        table.connected(id(2), slot(1, 7, true, now), NONE, Some(addr(1)));
        for n in 2..100 {
            table.add(now, &PeerAddr::new(id(2), [addr(n)]), Way::Exchange, None);
        }
        let known = table.get(&id(2)).unwrap();
        assert_eq!(known.to_dial().len(), MAX_ADDRESSES);
        assert_eq!(known.addresses_that_worked(), [addr(1)]);
        assert_eq!(known.to_dial()[0], addr(1));
    }
}
