//! Fetching: who is asked for what, and what is done with what comes.

use std::ops::Bound;
use std::time::Duration;

use super::message::{At, Message};
use super::peer::ClaimState;
use super::space::{Fetch, FetchKind, Log, Storing};
use super::{Action, Follow, ForkProof, Order, PeerId, SpaceSync, Ticket};
use crate::{AuthorId, Checkpoint, Error, KnownLog, Placement, Run, VerifiedRun, verify_run};

/// Logs that are fetched from one peer at a time.
pub(super) const MAX_FETCHES_PER_PEER: usize = 32;
/// Runs of one peer that are on their way or being stored. With their greatest weight: 8 MiB.
pub(super) const MAX_RUNS_PER_PEER: usize = 32;
/// Runs of one log that are on their way or being stored. Enough to fill 4 MiB of line.
const MAX_RUNS_PER_FETCH: usize = 16;
/// Weight of the runs that one peer sent unasked and that aren't stored yet, in bytes; what is over
/// is dropped, and fetched later.
const MAX_PUSHED_WEIGHT: u64 = 2 * 1024 * 1024;
/// Runs of all peers that aren't stored yet, those who left included. What is over is dropped, and
/// asked for again.
const MAX_STORING: usize = 1024;
/// Weight of these runs, in bytes: bounds the memory that a slow disk costs, whoever sends.
const MAX_STORING_WEIGHT: u64 = 32 * 1024 * 1024;
/// After how long a peer that was asked and sends nothing counts as stalled. The largest run takes
/// as long at 9 kB/s.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How long a log is fetched from one peer that sends less than [`ENOUGH`] while another one has as
/// much, so that nobody who sends a little now and then keeps the others from being asked.
const LONGEST_TURN: Duration = Duration::from_secs(60);
/// Weight that a peer sends in its turn, at least, to go on: 17 kB/s.
const ENOUGH: u64 = 1024 * 1024;
/// How long the store is left alone after it failed.
const STORE_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Logs of one peer that are found to be fetched from others already, before the look for more is
/// put off: bounds the work of a single event.
const MAX_BUSY_LOOKS: usize = 32;

/// How soon a peer is asked again when something came that doesn't join: the rest may have been
/// overtaken, or lost.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// Why a run came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// It was asked for, and nothing else has come since.
    Asked,
    /// It was asked for before another peer sent something.
    AskedBefore,
    /// It wasn't asked for.
    Pushed,
}

/// What came of looking at one log for one peer.
enum Look {
    /// A request went out.
    Asked,
    /// Another peer is answering already.
    Busy,
    /// It is another peer's turn.
    NotYet,
    /// There is nothing to ask this peer for.
    Done,
    /// The author hasn't signed what the peer claims to hold.
    Lied(Error),
}

impl SpaceSync {
    /// Asks peers for what they have and we lack, as far as their limits allow. Returns whether it is
    /// to be called again: it found a liar, and others may be asked instead; or it asked nobody, and
    /// has not come to those whose turn it is.
    pub(super) fn schedule(&mut self, now: Duration) -> bool {
        let (mut liars, mut asked, mut not_yet) = (false, false, false);
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for id in peers {
            let mut busy = 0;
            while let Some(author) = self.next_wanted(id) {
                match self.look(now, id, &author) {
                    Look::Asked => asked = true,
                    Look::Lied(error) => {
                        self.misbehaved(id, error);
                        liars = true;
                    }
                    // The answer of whoever is asked leads to the next look at all of them.
                    Look::Busy => busy += 1,
                    Look::NotYet => {
                        busy += 1;
                        not_yet = true;
                    }
                    Look::Done => {
                        if let Some(peer) = self.peers.get_mut(&id) {
                            peer.wanted.remove(&author);
                        }
                    }
                }
                // No longer than once round.
                let wanted = self.peers.get(&id).map_or(0, |peer| peer.wanted.len());
                if busy >= wanted.min(MAX_BUSY_LOOKS) {
                    break;
                }
            }
        }
        liars || (not_yet && !asked)
    }

    /// The next log to look at for a peer, in turn, if it may be asked for more.
    fn next_wanted(&mut self, id: PeerId) -> Option<AuthorId> {
        let peer = self.peers.get_mut(&id)?;
        if !peer.may_be_asked() {
            return None;
        }
        let after = peer.cursor.map_or(Bound::Unbounded, Bound::Excluded);
        let next = peer.wanted.range((after, Bound::Unbounded)).next();
        let next = next.or_else(|| peer.wanted.first()).copied();
        peer.cursor = next;
        next
    }

    fn look(&mut self, now: Duration, id: PeerId, author: &AuthorId) -> Look {
        let Some(peer) = self.peers.get(&id) else { return Look::Done };
        let Some(claim) = peer.claims.get(author) else { return Look::Done };
        if claim.state != ClaimState::Open || claim.not_before > now || !self.follows(author) {
            return Look::Done;
        }
        let size = claim.checkpoint.size;
        let budget = MAX_RUNS_PER_PEER.saturating_sub(peer.runs).min(MAX_RUNS_PER_FETCH);
        let (kind, at, missing) = match self.logs.get(author) {
            Some(log) if log.fetch.is_some() => return Look::Busy,
            Some(log) if log.not_before > now || log.full => return Look::Done,
            Some(log) => match what_to_fetch(log, size, self.config.order, self.is_ours(author)) {
                Some(what) => what,
                None => return Look::Done,
            },
            None if self.logs.len() >= self.config.quotas.authors => {
                self.report_crowd();
                return Look::Done;
            }
            None => first_fetch(size, self.config.order),
        };
        // In turn: who was asked before and did not bring it lets others try.
        if claim.asked.is_some() && self.another_has_more(now, id, author, claim.asked) {
            return Look::NotYet;
        }
        // So that nobody keeps others from being asked by claiming more than there is.
        if let Err(error) = claim.checkpoint.verify(&self.config.space) {
            return Look::Lied(error);
        }
        let credit = usize::try_from(missing).unwrap_or(usize::MAX).clamp(1, budget);
        self.ask(now, id, *author, kind, at, credit);
        Look::Asked
    }

    fn ask(
        &mut self,
        now: Duration,
        peer: PeerId,
        author: AuthorId,
        kind: FetchKind,
        at: At,
        credit: usize,
    ) {
        let log = self.logs.entry(author).or_default();
        let (expect, gap, deadline) = (log.size(), false, now + STALLED_AFTER);
        let (turn_ends, brought) = (now + LONGEST_TURN, 0);
        self.fetching.insert(author);
        log.fetch = Some(Fetch { peer, kind, credit, expect, gap, deadline, turn_ends, brought });
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.fetches += 1;
            peer.runs += credit;
            if let Some(claim) = peer.claims.get_mut(&author) {
                claim.asked = Some(now);
            }
        }
        let runs = u8::try_from(credit).expect("the limit of runs per fetch fits");
        self.send(peer, false, &Message::Want { author, at, runs });
        self.touch(now, peer);
    }

    pub(super) fn follows(&self, author: &AuthorId) -> bool {
        self.config.own != Some(*author)
            && match &self.config.follow {
                Follow::All => true,
                Follow::These(authors) => authors.contains(author),
            }
    }

    /// Ends a fetch, its peer being free for others.
    pub(super) fn end_fetch(&mut self, author: &AuthorId) {
        let Some(fetch) = self.logs.get_mut(author).and_then(|log| log.fetch.take()) else {
            return;
        };
        self.fetching.remove(author);
        if let Some(peer) = self.peers.get_mut(&fetch.peer) {
            peer.fetches -= 1;
            peer.runs = peer.runs.saturating_sub(fetch.credit);
        }
        // A log of which nothing came may exist in a claim only.
        if self.logs.get(author).is_some_and(|log| log.known().is_none() && log.suspect.is_none()) {
            self.logs.remove(author);
        }
    }

    /// Looks at a log anew with all peers that claim to have it.
    pub(super) fn want_again(&mut self, author: &AuthorId) {
        for peer in self.peers.values_mut() {
            if peer.claims.contains_key(author) {
                peer.wanted.insert(*author);
            }
        }
    }

    pub(super) fn on_nothing(&mut self, id: PeerId, author: &AuthorId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.mark(author, ClaimState::Declined);
        }
        let log = self.logs.get(author);
        if log.and_then(|log| log.fetch.as_ref()).is_some_and(|fetch| fetch.peer == id) {
            self.end_fetch(author);
            self.want_again(author);
        }
    }

    /// Takes a run that came, asked for or pushed.
    ///
    /// # Errors
    /// When the peer broke the protocol.
    pub(super) fn on_run(
        &mut self,
        now: Duration,
        id: PeerId,
        run: Run,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let (author, checkpoint) = (*run.author(), run.checkpoint);
        if !self.follows(&author) || self.has_no_room(id, &author) {
            return self.claim(id, &checkpoint);
        }
        let origin = self.take_credit(now, id, &run);
        let known = self.logs.get(&author).and_then(Log::known);
        // Who fetches from the beginning takes no later part first: nothing would ask for what is
        // before it.
        let verified =
            if known.is_none() && run.start > 0 && self.config.order == Order::OldestFirst {
                Err(Error::Gap { start: run.start, end: run.end(), held: 0 })
            } else {
                verify_run(&self.config.space, known, run)
            };
        match verified {
            Ok(run) => self.accept(now, id, run, origin),
            Err(error) => {
                if origin != Origin::Pushed {
                    self.give_back_run(id);
                }
                self.reject(id, checkpoint, origin, error, bytes)?;
            }
        }
        self.grant(&author);
        Ok(())
    }

    /// Takes the last run of what was asked for. If the peer's log has grown meanwhile, it is asked
    /// anew.
    ///
    /// # Errors
    /// When the peer broke the protocol.
    pub(super) fn on_last(
        &mut self,
        now: Duration,
        id: PeerId,
        run: Run,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let author = *run.author();
        self.on_run(now, id, run, bytes)?;
        let fetch = self.logs.get(&author).and_then(|log| log.fetch.as_ref());
        if fetch.is_some_and(|fetch| fetch.peer == id && fetch.kind == FetchKind::Forward) {
            self.end_fetch(&author);
            self.want_again(&author);
        }
        Ok(())
    }

    /// Whether a run of this author is more than we can take now.
    fn has_no_room(&mut self, id: PeerId, author: &AuthorId) -> bool {
        if !self.logs.contains_key(author) && self.logs.len() >= self.config.quotas.authors {
            self.report_crowd();
            return true;
        }
        self.stores.len() >= MAX_STORING
            || self.storing_weight >= MAX_STORING_WEIGHT
            || self.peers.get(&id).is_none_or(|peer| peer.pushed >= MAX_PUSHED_WEIGHT)
    }

    /// Tells whether a run was asked for, and counts it if so.
    fn take_credit(&mut self, now: Duration, id: PeerId, run: &Run) -> Origin {
        let Some(log) = self.logs.get_mut(run.author()) else { return Origin::Pushed };
        let (start, size) = (log.known().map_or(0, KnownLog::start), log.size());
        let Some(fetch) = log.fetch.as_mut().filter(|f| f.peer == id && f.credit > 0) else {
            return Origin::Pushed;
        };
        let joins = match fetch.kind {
            FetchKind::Forward => run.start <= size,
            FetchKind::Newest => run.start == 0 || run.base.is_some(),
            FetchKind::Older => run.start < start,
        };
        if !joins {
            // A push that has overtaken what was asked for; or something before it was lost, and
            // then nothing that joins will come.
            fetch.gap = true;
            fetch.deadline = fetch.deadline.min(now + LOST_AFTER);
            return Origin::Pushed;
        }
        fetch.credit -= 1;
        fetch.deadline = now + STALLED_AFTER;
        if fetch.expect == size { Origin::Asked } else { Origin::AskedBefore }
    }

    fn give_back_run(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.runs = peer.runs.saturating_sub(1);
        }
    }

    /// Does what is left to do with a run that can't be taken.
    fn reject(
        &mut self,
        id: PeerId,
        checkpoint: Checkpoint,
        origin: Origin,
        error: Error,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let author = checkpoint.author;
        let suspect = self.logs.get(&author).is_some_and(|log| log.suspect.is_some());
        let diverged = match error {
            Error::Fork => suspect || self.is_ours(&author),
            Error::WrongRoot => suspect,
            _ => false,
        };
        match error {
            Error::Gap { .. } => {
                self.claim(id, &checkpoint)?;
                self.brought_nothing(id, &author, origin);
            }
            Error::WrongRoot | Error::Fork if diverged => {
                self.end_fetch(&author);
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.mark(&author, ClaimState::Conflict);
                }
                self.own_ahead(checkpoint, true);
            }
            Error::Fork => {
                self.end_fetch(&author);
                let known = self.logs.get(&author).and_then(Log::known);
                let known = known.expect("a fork of a known log");
                // It passes by the end of what is held, or by its beginning.
                let head = if checkpoint.size > known.size() { None } else { known.base.as_ref() };
                let first = head.unwrap_or(&known.head).checkpoint(&author);
                let run = Run::decode(bytes).ok().filter(|_| checkpoint.size != first.size);
                self.forked(id, author, ForkProof { first, second: checkpoint, run });
                self.want_again(&author);
            }
            // A push that doesn't fit may come from another branch of the log, which the answer to
            // a request will show. So may an answer, when another peer's push came in between.
            Error::WrongRoot if origin != Origin::Asked => {
                self.end_fetch(&author);
                self.claim(id, &checkpoint)?;
                self.want_again(&author);
            }
            error => return Err(error),
        }
        Ok(())
    }

    /// A run that was asked for held nothing new, or nothing that joins.
    fn brought_nothing(&mut self, id: PeerId, author: &AuthorId, origin: Origin) {
        let Some(log) = self.logs.get_mut(author) else { return };
        let size = log.size();
        let Some(fetch) = log.fetch.as_ref().filter(|fetch| fetch.peer == id) else { return };
        if origin == Origin::Pushed {
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if fetch.kind != FetchKind::Forward {
            peer.mark(author, ClaimState::Declined);
        } else if peer.size(author) > size {
            return;
        }
        self.end_fetch(author);
        self.want_again(author);
    }

    fn accept(&mut self, now: Duration, id: PeerId, run: VerifiedRun, origin: Origin) {
        let author = *run.author();
        let quotas = self.config.quotas;
        let ticket = self.ticket();
        let log = self.logs.entry(author).or_default();
        let known = KnownLog::after(log.known(), &run);
        let entries = known.size() - known.start();
        if entries > quotas.entries_per_author || known.weight > quotas.weight_per_author {
            if origin != Origin::Pushed {
                self.give_back_run(id);
            }
            self.reached_quota(&author);
            return;
        }
        let (size, older) = (known.size(), run.place() == Placement::Older);
        log.want_older &= !older;
        log.storing.push_back((ticket, known));
        let (weight, pushed) = (run.weight(), origin == Origin::Pushed);
        self.stores.insert(ticket, Storing { author, peer: id, weight, pushed });
        self.storing_weight += weight;
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.pushed += if pushed { weight } else { 0 };
            if !older {
                peer.sent(run.head().checkpoint(&author));
            }
        }
        let done = self.peers.get(&id).is_none_or(|peer| peer.size(&author) <= size);
        if let Some(fetch) = log.fetch.as_mut() {
            fetch.expect = size;
            fetch.gap = false;
            let ours = fetch.peer == id;
            fetch.brought += if ours { weight } else { 0 };
            if ours && (done || fetch.kind != FetchKind::Forward) {
                self.end_fetch(&author);
                self.want_again(&author);
            }
        }
        self.actions.push_back(Action::Store { ticket, run: Box::new(run), from: id });
        self.touch(now, id);
    }

    fn reached_quota(&mut self, author: &AuthorId) {
        self.end_fetch(author);
        if let Some(log) = self.logs.get_mut(author)
            && !std::mem::replace(&mut log.full, true)
        {
            self.actions.push_back(Action::QuotaReached { author: Some(*author) });
        }
    }

    /// Allows the peer that a log is fetched from more runs, once others have been stored.
    pub(super) fn grant(&mut self, author: &AuthorId) {
        let Some(log) = self.logs.get_mut(author) else { return };
        let under_way = log.storing.len();
        let Some(fetch) = log.fetch.as_mut() else { return };
        let Some(peer) = self.peers.get_mut(&fetch.peer) else { return };
        if fetch.kind != FetchKind::Forward || fetch.credit + under_way > MAX_RUNS_PER_FETCH / 2 {
            return;
        }
        let runs = (MAX_RUNS_PER_FETCH - fetch.credit - under_way)
            .min(MAX_RUNS_PER_PEER.saturating_sub(peer.runs));
        if runs > 0 {
            fetch.credit += runs;
            peer.runs += runs;
            let (id, author) = (fetch.peer, *author);
            let runs = u8::try_from(runs).expect("the limit of runs per fetch fits");
            self.send(id, false, &Message::More { author, runs });
        } else if fetch.credit + under_way == 0 {
            // Other logs have used up what this peer may send: wait for its next turn.
            self.end_fetch(author);
            self.want_again(author);
        }
    }

    /// Turns from peers that were asked and don't deliver to others.
    pub(super) fn expire_fetches(&mut self, now: Duration) {
        let due = self.fetches().filter(|(_, fetch)| fetch.credit > 0 && fetch.due() <= now);
        let due: Vec<_> = due
            .map(|(author, fetch)| {
                let goes_on = fetch.deadline > now && fetch.brought >= ENOUGH;
                (*author, fetch.peer, fetch.gap, fetch.deadline <= now, goes_on)
            })
            .collect();
        for (author, id, gap, stalled, goes_on) in due {
            if goes_on || (!stalled && !self.another_has_more(now, id, &author, Some(now))) {
                let log = self.logs.get_mut(&author);
                if let Some(fetch) = log.and_then(|log| log.fetch.as_mut()) {
                    (fetch.turn_ends, fetch.brought) = (now + LONGEST_TURN, 0);
                }
                continue;
            }
            self.end_fetch(&author);
            // A peer that does send, only not what comes next, is asked again at once.
            let again = if gap { now } else { now + STALLED_AFTER };
            if let Some(claim) = self.peers.get_mut(&id).and_then(|p| p.claims.get_mut(&author)) {
                claim.not_before = again;
            }
            self.retries.insert((again, author, Some(id)));
            self.want_again(&author);
        }
    }

    /// Whether somebody could be asked for what a peer is sending who was not asked since then.
    fn another_has_more(
        &self,
        now: Duration,
        id: PeerId,
        author: &AuthorId,
        since: Option<Duration>,
    ) -> bool {
        let size = self.logs.get(author).map_or(0, Log::size);
        self.peers.iter().filter(|(other, peer)| **other != id && peer.may_be_asked()).any(
            |(_, peer)| {
                let claim = peer.claims.get(author).filter(|_| peer.wanted.contains(author));
                claim.is_some_and(|claim| claim.offers(now, size) && claim.asked < since)
            },
        )
    }

    pub(super) fn retry(&mut self, now: Duration) {
        while let Some(&retry) = self.retries.first().filter(|(at, ..)| *at <= now) {
            self.retries.remove(&retry);
            match retry {
                (_, author, None) => self.want_again(&author),
                (_, author, Some(id)) => {
                    if let Some(peer) = self.peers.get_mut(&id) {
                        peer.wanted.insert(author);
                    }
                }
            }
        }
    }

    /// The store is done with a run: there is room for another.
    pub(super) fn end_storing(&mut self, ticket: Ticket) -> Option<AuthorId> {
        let Storing { author, peer, weight, pushed } = self.stores.remove(&ticket)?;
        self.storing_weight -= weight;
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.pushed = peer.pushed.saturating_sub(if pushed { weight } else { 0 });
            peer.runs = peer.runs.saturating_sub(usize::from(!pushed));
        }
        Some(author)
    }

    pub(super) fn give_up_storing(&mut self, now: Duration, author: &AuthorId) {
        self.end_fetch(author);
        let again = now + STORE_AGAIN_AFTER;
        let Some(log) = self.logs.get_mut(author) else { return };
        log.not_before = again;
        let tickets: Vec<_> = log.storing.drain(..).map(|(ticket, _)| ticket).collect();
        tickets.iter().for_each(|ticket| _ = self.end_storing(*ticket));
        self.retries.insert((again, *author, None));
    }
}

/// What to ask a peer for that claims `size` entries of a log; also how many those may be.
fn what_to_fetch(log: &Log, size: u64, order: Order, ours: bool) -> Option<(FetchKind, At, u64)> {
    let Some(known) = log.known() else { return Some(first_fetch(size, order)) };
    if log.want_older && size >= known.start() {
        return Some((FetchKind::Older, At::Before { index: known.start() }, 1));
    }
    if size <= known.size() {
        return None;
    }
    // What may contradict the log as we wrote it first isn't shown before we know.
    let have =
        (!ours && log.suspect.is_none()).then(|| (known.head.range.root(), known.head.signature));
    let at = At::From { index: known.size(), have };
    Some((FetchKind::Forward, at, size - known.size()))
}

fn first_fetch(size: u64, order: Order) -> (FetchKind, At, u64) {
    match order {
        Order::OldestFirst => (FetchKind::Forward, At::From { index: 0, have: None }, size),
        Order::NewestFirst => (FetchKind::Newest, At::Newest, 1),
    }
}
