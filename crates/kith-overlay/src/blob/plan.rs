//! Whom a fetch asks for what, and when. Pure: the time comes in.
//!
//! After each change ask [`Plan::next`] for orders until there is none, then wait until
//! [`Plan::wake`] at most.

use std::collections::VecDeque;
use std::ops::Range;

use iroh::EndpointId;
use n0_future::time::{Duration, Instant};

use super::groups::{GROUP, Groups, groups_of};
use super::receive::PeerFailure;
use super::tree::Walk;

/// Peers that one fetch takes from at once. More do not fill a line any better.
pub const MAX_FETCH_PEERS: usize = 4;

/// Groups that one peer is asked for at once: 16 MiB.
pub const MAX_ASKED: u64 = 1024;

/// Groups that a peer is asked for the first time: 4 MiB. So that the requests to it don't all end at
/// the same time, and it is known early how fast it is.
pub const FIRST_ASKED: u64 = 256;

/// Groups that are asked for at once where a reader waits for them: 1 MiB.
pub const URGENT_ASKED: u64 = 64;

/// What a request may take at the rate that is known of a peer. One that is slow holds up less.
const ASK_TIME: Duration = Duration::from_secs(10);
/// Groups that even the slowest peer is asked for at once: 64 KiB.
const LEAST_ASKED: u64 = 4;

/// What a peer that was not tried is believed to send, in bytes a second.
const GUESSED_RATE: u64 = 1024 * 1024;

/// Requests to one peer at once: while one ends, the next one is under way already.
pub const MAX_ASKS: usize = 2;

/// Places that readers wait for at once. The place asked for longest ago gives way.
pub const MAX_URGENT: usize = 8;

/// Peers that are tried for one blob. Bounds what a progress report holds.
pub const MAX_CANDIDATES: usize = 64;

/// How often the same peer is asked again after it was cut off, busy, or had a part only. In a fetch
/// that waits for peers, it is asked for ever, less and less often.
pub const MAX_TRIES: u32 = 3;

/// How long a peer that was busy is left alone, times the number of tries.
pub const BUSY_WAIT: Duration = Duration::from_millis(500);

/// How long a peer that doesn't have what is missing is left alone, in a fetch that waits: it may be
/// fetching it too. Doubles up to [`RETRY_LAST`].
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// See [`RETRY_FIRST`].
pub const RETRY_LAST: Duration = Duration::from_secs(30);

/// Between two looks at how fast peers send, while others have nothing to do.
pub(super) const PACE_LOOK: Duration = Duration::from_secs(2);

/// A peer that would need more than so many further looks for what it was asked gives way to one
/// that has nothing to do: 20 s. What came from it is kept.
const PACE_LOOKS: u64 = 10;

/// How long a reader waits for what one peer was asked for before another one is asked too.
const URGENT_PATIENCE: Duration = Duration::from_secs(1);

/// Ranges of held groups from which on only the first gaps are filled: a peer that gives every other
/// group can't make the sets long. Bounds them at 64 KiB beside what readers asked for.
const MAX_FRAGMENTS: usize = 4096;

/// Something to ask a peer for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// The number of the request, in this fetch.
    pub(super) id: u64,
    /// The candidate, by its place.
    pub(super) index: usize,
    pub(super) peer: EndpointId,
    pub(super) groups: Groups,
    /// Whether a reader waits for it.
    pub(super) urgent: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Ready,
    /// Asked again then.
    Until(Instant),
    /// Not in the space at the moment.
    Away,
    /// Not asked any more.
    Out,
}

#[derive(Debug)]
struct Candidate {
    peer: EndpointId,
    standing: Standing,
    tries: u32,
    /// How often it gave way to others.
    slow: u32,
    /// The groups it has, where it said so.
    has: Option<Groups>,
    /// Bytes a second at the last look.
    rate: Option<u64>,
    asked_before: bool,
}

/// A request under way.
#[derive(Debug)]
struct Ask {
    id: u64,
    index: usize,
    groups: Groups,
    urgent: bool,
    bytes: u64,
    since: Instant,
    /// Bytes that had come at the last look; none before the first.
    seen: Option<u64>,
}

/// Where a reader waits.
#[derive(Debug)]
struct Urgent {
    groups: Range<u64>,
    since: Instant,
}

#[derive(Debug)]
pub(super) struct Plan {
    size: u64,
    /// Whether candidates are waited for.
    waits: bool,
    candidates: Vec<Candidate>,
    asks: Vec<Ask>,
    /// Newest first.
    urgent: VecDeque<Urgent>,
    /// Where what comes in order goes on: behind the last reader.
    cursor: u64,
    next_id: u64,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Ask(Order),
    /// Nothing now; at this time at the latest, where there is one, something may be.
    Wait(Option<Instant>),
    /// Nobody is left to ask.
    GiveUp,
}

impl Plan {
    pub(super) fn new(size: u64, waits: bool) -> Self {
        Self {
            size,
            waits,
            candidates: Vec::new(),
            asks: Vec::new(),
            urgent: VecDeque::new(),
            cursor: 0,
            next_id: 0,
        }
    }

    /// How many candidates there were.
    pub(super) fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// The place of a candidate.
    pub(super) fn find(&self, peer: &EndpointId) -> Option<usize> {
        self.candidates.iter().position(|known| known.peer == *peer)
    }

    /// Whether a candidate is not there at the moment.
    pub(super) fn is_away(&self, index: usize) -> bool {
        self.candidates[index].standing == Standing::Away
    }

    /// Whether somebody is being asked.
    pub(super) fn is_asking(&self) -> bool {
        !self.asks.is_empty()
    }

    /// Adds a candidate, or has one asked anew that failed by no fault of its own; its place. None
    /// where there is no room. A new one takes the place of one that is not asked any more.
    pub(super) fn add(&mut self, peer: EndpointId) -> Option<usize> {
        if let Some(index) = self.find(&peer) {
            let known = &mut self.candidates[index];
            if known.standing != Standing::Out || known.tries > 0 {
                (known.standing, known.tries) = (Standing::Ready, 0);
            }
            return Some(index);
        }
        let new = Candidate {
            peer,
            standing: Standing::Ready,
            tries: 0,
            slow: 0,
            has: None,
            rate: None,
            asked_before: false,
        };
        if self.candidates.len() < MAX_CANDIDATES {
            self.candidates.push(new);
            return Some(self.candidates.len() - 1);
        }
        let spare = (0..self.candidates.len()).find(|index| {
            matches!(self.candidates[*index].standing, Standing::Away | Standing::Out)
                && self.asks.iter().all(|ask| ask.index != *index)
        })?;
        self.candidates[spare] = new;
        Some(spare)
    }

    /// The peer is not there any more; its place, where it was a candidate.
    pub(super) fn away(&mut self, peer: &EndpointId) -> Option<usize> {
        let index = self.find(peer)?;
        let known = &mut self.candidates[index];
        if known.standing != Standing::Out {
            known.standing = Standing::Away;
            known.has = None;
        }
        Some(index)
    }

    /// A reader waits for these bytes.
    pub(super) fn urgent(&mut self, now: Instant, bytes: &Range<u64>) {
        let all = groups_of(self.size);
        let groups = Walk::groups(bytes);
        let groups = groups.start.min(all)..groups.end.min(all);
        if groups.is_empty() {
            return;
        }
        self.cursor = groups.end;
        if let Some(same) = self.urgent.iter().position(|urgent| urgent.groups == groups) {
            let same = self.urgent.remove(same).expect("it was found");
            self.urgent.push_front(same);
            return;
        }
        self.urgent.truncate(MAX_URGENT - 1);
        self.urgent.push_front(Urgent { groups, since: now });
    }

    /// What to do next, with these groups held.
    pub(super) fn next(&mut self, now: Instant, held: &Groups) -> Step {
        for candidate in &mut self.candidates {
            if matches!(candidate.standing, Standing::Until(time) if time <= now) {
                candidate.standing = Standing::Ready;
            }
        }
        self.urgent.retain(|urgent| !held.covers(&Groups::range(urgent.groups.clone())));
        if let Some(order) = self.next_urgent(now, held).or_else(|| self.next_in_order(now, held)) {
            return Step::Ask(order);
        }
        if self.asks.is_empty() && !self.waits && !self.may_come() {
            return Step::GiveUp;
        }
        Step::Wait(self.wake())
    }

    /// Whether a candidate will be asked later.
    fn may_come(&self) -> bool {
        self.candidates.iter().any(|known| matches!(known.standing, Standing::Until(_)))
    }

    fn wake(&self) -> Option<Instant> {
        let again = self.candidates.iter().filter_map(|known| match known.standing {
            Standing::Until(time) => Some(time),
            Standing::Ready | Standing::Away | Standing::Out => None,
        });
        let patience = self.urgent.iter().map(|urgent| urgent.since + URGENT_PATIENCE);
        again.chain(patience).min()
    }

    /// What a reader waits for, and nobody is about to send.
    fn next_urgent(&mut self, now: Instant, held: &Groups) -> Option<Order> {
        let Self { candidates, asks, urgent, .. } = self;
        let mut found = None;
        for urgent in urgent {
            let patient = now < urgent.since + URGENT_PATIENCE;
            if !patient {
                urgent.since = now;
            }
            let mut needed = Groups::range(urgent.groups.clone()).without(held);
            for ask in asks.iter().filter(|_| patient) {
                needed = needed.without(&ask.groups.without(held).first(URGENT_ASKED));
            }
            let needed = needed.first(URGENT_ASKED);
            let Some(first) = needed.ranges().first().map(|range| range.start) else { continue };
            let first = Groups::range(first..first + 1);
            // Who is asked for it already may still be the only one who has it.
            let is_asked = |index: usize, urgent: bool| {
                let mut of_it = asks.iter().filter(|ask| ask.index == index);
                of_it.any(|ask| ask.urgent || !urgent && ask.groups.covers(&first))
            };
            let fits = |(index, known): &(usize, &Candidate)| {
                known.standing == Standing::Ready
                    && known.may_have(&first)
                    && !is_asked(*index, true)
            };
            let fastest =
                candidates.iter().enumerate().filter(fits).max_by_key(|(index, known)| {
                    let rate = known.rate.unwrap_or(GUESSED_RATE);
                    (!is_asked(*index, false), rate, std::cmp::Reverse((known.tries, *index)))
                });
            if let Some((index, known)) = fastest {
                found = Some((index, known.of(&needed)));
                break;
            }
        }
        found.map(|(index, groups)| self.order(now, index, groups, true))
    }

    fn next_in_order(&mut self, now: Instant, held: &Groups) -> Option<Order> {
        let missing = self.unasked(held);
        if missing.is_empty() {
            return None;
        }
        let busy =
            |index: usize| self.asks.iter().filter(|a| a.index == index && !a.urgent).count();
        let mut places: Vec<_> = (0..self.candidates.len())
            .filter(|index| self.candidates[*index].standing == Standing::Ready)
            .map(|index| (busy(index), index))
            .filter(|(asks, _)| *asks < MAX_ASKS)
            .collect();
        places.sort_by_key(|(asks, index)| {
            let known = &self.candidates[*index];
            let slow = known.tries + known.slow;
            (*asks, slow, std::cmp::Reverse(known.rate.unwrap_or(u64::MAX)), *index)
        });
        let used: usize = (0..self.candidates.len()).filter(|index| busy(*index) > 0).count();
        for (asks, index) in places {
            if asks == 0 && used >= MAX_FETCH_PEERS {
                continue;
            }
            let known = &self.candidates[index];
            let there = known.of(&missing);
            if there.is_empty() {
                if asks == 0 {
                    self.nothing_there(now, index);
                }
                continue;
            }
            let groups = self.behind_readers(&there).first(known.most());
            return Some(self.order(now, index, groups, false));
        }
        None
    }

    /// What is missing, and was not asked for.
    fn unasked(&self, held: &Groups) -> Groups {
        let mut missing = Groups::all(self.size).without(held);
        for ask in &self.asks {
            missing = missing.without(&ask.groups);
        }
        if missing.ranges().len() > MAX_FRAGMENTS { missing.first(u64::MAX) } else { missing }
    }

    /// Those behind the last reader; all where there are none.
    fn behind_readers(&self, groups: &Groups) -> Groups {
        let behind = groups.within(&Groups::range(self.cursor..groups_of(self.size)));
        if behind.is_empty() { groups.clone() } else { behind }
    }

    /// A candidate has nothing of what is missing, as far as it said.
    fn nothing_there(&mut self, now: Instant, index: usize) {
        let waits = self.waits;
        let known = &mut self.candidates[index];
        known.has = None;
        known.tries += 1;
        known.standing =
            if waits { Standing::Until(now + backoff(known.tries)) } else { Standing::Out };
    }

    fn order(&mut self, now: Instant, index: usize, groups: Groups, urgent: bool) -> Order {
        self.next_id += 1;
        let known = &mut self.candidates[index];
        known.asked_before |= !urgent;
        let peer = known.peer;
        let (id, bytes) = (self.next_id, groups.bytes(self.size));
        self.asks.push(Ask {
            id,
            index,
            groups: groups.clone(),
            urgent,
            bytes,
            since: now,
            seen: None,
        });
        Order { id, index, peer, groups, urgent }
    }

    /// A request is over, for which so many bytes came.
    pub(super) fn done(
        &mut self,
        now: Instant,
        id: u64,
        came: u64,
        outcome: &Result<(), PeerFailure>,
    ) {
        let Some(at) = self.asks.iter().position(|ask| ask.id == id) else { return };
        let of_peer = self.asks.iter().filter(|ask| ask.index == self.asks[at].index).count();
        let ask = self.asks.swap_remove(at);
        let waits = self.waits;
        let known = &mut self.candidates[ask.index];
        if came >= GROUP {
            // Several requests share its line.
            let took = now.saturating_duration_since(ask.since).as_micros().max(1);
            let rate = u128::from(came) * of_peer as u128 * 1_000_000 / took;
            let rate = u64::try_from(rate).unwrap_or(u64::MAX);
            // The way there and back is most of what a small one takes.
            let least = known.rate.filter(|_| ask.urgent).unwrap_or(0);
            known.rate = Some(rate.max(least));
        }
        let failure = match outcome {
            Ok(()) => {
                known.tries = 0;
                return;
            }
            Err(failure) => failure,
        };
        if failure.is_fault() {
            // For good: see `add`.
            (known.standing, known.tries) = (Standing::Out, 0);
            return;
        }
        match failure {
            // Who is only slow may be the best there is.
            PeerFailure::Slow => known.slow += 1,
            PeerFailure::Partly(has) => {
                known.has = Some(has.clone());
                known.tries += 1;
            }
            _ => known.tries += 1,
        }
        if !matches!(known.standing, Standing::Ready | Standing::Until(_)) {
            return;
        }
        let asked_again = failure.may_pass() && known.tries < MAX_TRIES;
        known.standing = match failure {
            PeerFailure::Slow => Standing::Ready,
            _ if !asked_again && !waits => Standing::Out,
            PeerFailure::Busy => Standing::Until(now + BUSY_WAIT * known.tries.min(60)),
            _ if asked_again => Standing::Ready,
            _ => Standing::Until(now + backoff(known.tries)),
        };
    }

    /// A look at how fast they send, every [`PACE_LOOK`]: with the bytes that came for a request so
    /// far, none while it has not begun. Returns the request to end, where its peer is far too slow
    /// and another one has nothing to do: else who has a blob, and hardly sends it, would keep it from
    /// coming.
    pub(super) fn look(
        &mut self,
        held: &Groups,
        received: impl Fn(u64) -> Option<u64>,
    ) -> Option<u64> {
        let mut rates = vec![None; self.candidates.len()];
        let mut slowest: Option<(u64, u64)> = None;
        let none_left = self.unasked(held).is_empty();
        let idle = self.idle();
        for ask in &mut self.asks {
            let Some(now) = received(ask.id) else { continue };
            let Some(seen) = ask.seen.replace(now) else { continue };
            let (came, left) = (now.saturating_sub(seen), ask.bytes.saturating_sub(now));
            *rates[ask.index].get_or_insert(0) += came / PACE_LOOK.as_secs();
            let far_too_slow = left > came.saturating_mul(PACE_LOOKS);
            let better = match idle {
                None => false,
                // Nothing is left to be asked of it but what others were asked for.
                Some(_) if none_left => true,
                Some(best) => best.is_none_or(|best| best > 2 * came / PACE_LOOK.as_secs()),
            };
            if far_too_slow && better && slowest.is_none_or(|(least, _)| came < least) {
                slowest = Some((came, ask.id));
            }
        }
        for (known, rate) in self.candidates.iter_mut().zip(rates) {
            known.rate = rate.or(known.rate);
        }
        slowest.map(|(_, id)| id)
    }

    /// How fast the fastest candidate was that has nothing to do, where it is known; none where all
    /// have.
    fn idle(&self) -> Option<Option<u64>> {
        let idle = self.candidates.iter().enumerate().filter(|(index, known)| {
            known.standing == Standing::Ready && self.asks.iter().all(|ask| ask.index != *index)
        });
        idle.map(|(_, known)| known.rate).min_by_key(|rate| rate.map(std::cmp::Reverse))
    }
}

impl Candidate {
    fn may_have(&self, groups: &Groups) -> bool {
        self.has.as_ref().is_none_or(|has| has.covers(groups))
    }

    /// What it has of these, as far as it said.
    fn of(&self, groups: &Groups) -> Groups {
        self.has.as_ref().map_or_else(|| groups.clone(), |has| groups.within(has))
    }

    /// How many groups it is asked for: what takes it [`ASK_TIME`].
    fn most(&self) -> u64 {
        if !self.asked_before {
            return FIRST_ASKED;
        }
        let rate = self.rate.unwrap_or(u64::MAX);
        (rate.saturating_mul(ASK_TIME.as_secs()) / GROUP).clamp(LEAST_ASKED, MAX_ASKED)
    }
}

fn backoff(tries: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << tries.saturating_sub(1).min(10)).min(RETRY_LAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 1 << 30;

    fn id(seed: u8) -> EndpointId {
        iroh::SecretKey::from_bytes(&[seed; 32]).public()
    }

    fn plan(waits: bool, candidates: u8) -> Plan {
        let mut plan = Plan::new(SIZE, waits);
        for n in 0..candidates {
            assert_eq!(plan.add(id(n)), Some(usize::from(n)));
        }
        plan
    }

    /// All that is asked for now.
    fn orders(plan: &mut Plan, now: Instant, held: &Groups) -> Vec<Order> {
        let mut orders = Vec::new();
        while let Step::Ask(order) = plan.next(now, held) {
            orders.push(order);
        }
        orders
    }

    fn bytes(groups: u64) -> u64 {
        groups * GROUP
    }

    #[test]
    fn nothing_is_asked_for_twice_and_all_of_it_once() {
        let mut plan = plan(false, 6);
        let (now, mut held) = (Instant::now(), Groups::none());
        let mut asked = Groups::none();
        let mut under_way: VecDeque<Order> = VecDeque::new();
        loop {
            for order in orders(&mut plan, now, &held) {
                assert!(order.groups.without(&asked) == order.groups && !order.urgent);
                assert!(order.groups.count() <= MAX_ASKED);
                asked.extend(&order.groups);
                under_way.push_back(order);
            }
            let peers: std::collections::BTreeSet<_> = under_way.iter().map(|o| o.index).collect();
            assert!(
                peers.len() <= MAX_FETCH_PEERS && under_way.len() <= MAX_FETCH_PEERS * MAX_ASKS
            );
            let Some(order) = under_way.pop_front() else { break };
            held.extend(&order.groups);
            plan.done(now, order.id, order.groups.bytes(SIZE), &Ok(()));
        }
        assert_eq!(held, Groups::all(SIZE));
    }

    #[test]
    fn readers_come_first_and_once() {
        let mut plan = plan(false, 2);
        let (now, mut held) = (Instant::now(), Groups::none());
        let first = orders(&mut plan, now, &held);
        assert_eq!(first.len(), 2 * MAX_ASKS);
        // The second one is faster.
        plan.look(&held, |_| Some(0));
        plan.look(&held, |ask| {
            Some(bytes(first.iter().find(|o| o.id == ask).unwrap().index as u64))
        });
        let end = SIZE - 10;
        plan.urgent(now, &(end..SIZE));
        let urgent = orders(&mut plan, now, &held);
        assert_eq!(urgent.len(), 1);
        assert!(urgent[0].urgent && urgent[0].index == 1);
        assert_eq!(urgent[0].groups, Groups::range(groups_of(SIZE) - 1..groups_of(SIZE)));
        // Nor is what is about to come anyway asked for twice.
        plan.urgent(now, &(0..100_000));
        assert_eq!(orders(&mut plan, now, &held), []);
        // Unless it takes too long; and then of somebody else.
        held.extend(&urgent[0].groups);
        plan.done(now, urgent[0].id, 0, &Ok(()));
        let later = now + URGENT_PATIENCE;
        let again = orders(&mut plan, later, &held);
        let of_first =
            first.iter().find(|order| order.groups.ranges()[0].start == 0).unwrap().index;
        assert!(again.iter().any(|o| o.index != of_first && o.groups == Groups::range(0..7)));
        assert_eq!(orders(&mut plan, later, &held), [], "no storm");
        // What comes in order goes on behind the reader.
        plan.urgent(later, &(SIZE / 2..SIZE / 2 + 1));
        for order in first.into_iter().chain(again) {
            held.extend(&order.groups);
            plan.done(later, order.id, order.groups.bytes(SIZE), &Ok(()));
        }
        let behind = groups_of(SIZE) / 2;
        let next = orders(&mut plan, later, &held);
        assert!(next.iter().all(|order| order.groups.ranges()[0].start >= behind));
    }

    #[test]
    fn who_lied_is_never_asked_again() {
        let mut plan = plan(true, 1);
        let (now, held) = (Instant::now(), Groups::none());
        for order in orders(&mut plan, now, &held) {
            plan.done(now, order.id, 0, &Err(PeerFailure::Wrong));
        }
        plan.away(&id(0));
        plan.add(id(0));
        let later = now + Duration::from_secs(1_000_000);
        assert_eq!(plan.next(later, &held), Step::Wait(None));
    }

    #[test]
    fn who_says_something_else_each_time_is_asked_less_and_less() {
        let mut plan = plan(true, 1);
        let (mut now, held) = (Instant::now(), Groups::none());
        let start = now;
        let mut asked = 0_u64;
        while now < start + Duration::from_secs(600) {
            match plan.next(now, &held) {
                Step::Ask(order) => {
                    asked += 1;
                    let has = Groups::range(asked..asked + 1);
                    plan.done(now, order.id, 0, &Err(PeerFailure::Partly(has)));
                }
                Step::Wait(wake) => now = wake.unwrap(),
                Step::GiveUp => panic!("it waits"),
            }
        }
        assert!(asked < 100, "{asked}");
    }

    #[test]
    fn drips_on_all_places_give_way_to_one_more() {
        let mut plan = plan(false, 5);
        let (now, held) = (Instant::now(), Groups::none());
        let first = orders(&mut plan, now, &held);
        assert!(first.iter().all(|order| order.index < 4));
        let mut drips = 0;
        let mut look = |plan: &mut Plan| {
            drips += 1;
            plan.look(&held, |_| Some(drips))
        };
        assert_eq!(look(&mut plan), None);
        let cut = look(&mut plan).expect("far too slow");
        let slow = first.iter().find(|order| order.id == cut).unwrap().index;
        plan.done(now, cut, drips, &Err(PeerFailure::Slow));
        let other = first.iter().find(|order| order.index == slow && order.id != cut).unwrap();
        plan.done(now, other.id, drips, &Err(PeerFailure::Slow));
        let next = orders(&mut plan, now, &held);
        assert_eq!(next[0].index, 4);
    }

    #[test]
    fn one_that_has_every_other_group_does_not_make_the_sets_long() {
        let mut plan = plan(false, 1);
        let now = Instant::now();
        let mut held = Groups::none();
        (0..30_000).for_each(|n| held.insert(2 * n..2 * n + 1));
        for order in orders(&mut plan, now, &held) {
            assert!(order.groups.ranges().len() <= super::super::groups::MAX_RANGES);
            assert!(order.groups.ranges().last().unwrap().end < 1_000);
        }
    }

    #[test]
    fn a_small_request_does_not_make_a_peer_slow() {
        let mut plan = plan(false, 1);
        let (start, held) = (Instant::now(), Groups::none());
        let first = orders(&mut plan, start, &held).remove(0);
        let now = start + Duration::from_secs(1);
        plan.done(now, first.id, first.groups.bytes(SIZE), &Ok(()));
        let rate = plan.candidates[0].rate;
        assert!(rate.is_some_and(|rate| rate >= bytes(FIRST_ASKED)));
        plan.urgent(now, &(SIZE / 2..SIZE / 2 + 10));
        let urgent = orders(&mut plan, now, &held).into_iter().find(|order| order.urgent).unwrap();
        plan.done(now + Duration::from_secs(1), urgent.id, bytes(1), &Ok(()));
        assert_eq!(plan.candidates[0].rate, rate);
    }

    #[test]
    fn many_candidates_make_room_for_new_ones() {
        let mut plan = plan(true, MAX_CANDIDATES as u8);
        assert_eq!(plan.add(id(200)), None);
        plan.away(&id(7));
        assert_eq!(plan.add(id(200)), Some(7));
        assert_eq!(plan.candidates(), MAX_CANDIDATES);
    }
}
