//! Heads: what we tell peers that we hold, and what they tell us.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::message::{At, MAX_HEADS, Message, Part};
use super::peer::{Claim, ClaimState, Peer, Serve};
use super::space::Log;
use super::{Action, ForkProof, PeerId, SpaceSync};
use crate::{AuthorId, Checkpoint, Error, VerifiedRun};

/// How long news are held back after an announcement, so that a burst is announced together.
const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(50);
/// After how much quiet peers compare what they hold. Repairs what a connection lost.
const COMPARE_AFTER: Duration = Duration::from_secs(30);
/// How often peers compare in any case. A few bytes an hour, and wakes no radio often.
const COMPARE_EVERY: Duration = Duration::from_secs(600);
/// How often a peer's digest is answered. Bounds what a small message costs us.
const ANSWER_EVERY: Duration = Duration::from_secs(5);
/// Logs up to which heads are sent to a new peer at once, and not only their digest first.
/// 32 heads take 4 kB.
const LIST_AT_ONCE: usize = 32;
/// Longest run that is pushed unasked, in bytes. Small messages behind it wait no longer than for
/// one of a page's messages.
pub(super) const MAX_PUSH_LEN: usize = 32 * 1024;

impl SpaceSync {
    /// Tells a new peer what we hold.
    pub(super) fn greet(&mut self, now: Duration, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.compared = now;
            peer.compare_at = now + COMPARE_EVERY;
        }
        if self.logs.len() > LIST_AT_ONCE {
            self.compare(peer);
        } else {
            self.send_list(peer);
        }
        self.touch(now, peer);
    }

    /// Notes that something went to a peer that could get lost.
    pub(super) fn touch(&mut self, now: Duration, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.compare_at = (now + COMPARE_AFTER).min(peer.compared + COMPARE_EVERY);
        }
    }

    pub(super) fn compare_due(&mut self, now: Duration) {
        let due: Vec<_> =
            self.peers.iter().filter(|(_, p)| p.compare_at <= now).map(|(id, _)| *id).collect();
        for id in due {
            self.compare(id);
            if let Some(peer) = self.peers.get_mut(&id) {
                peer.compared = now;
                peer.compare_at = now + COMPARE_EVERY;
            }
        }
    }

    fn compare(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.comparing = true;
        }
        let digest = self.digest();
        self.send(peer, false, &Message::Compare { digest });
    }

    /// The heads that others may know of.
    fn heads(&self) -> impl Iterator<Item = Checkpoint> + '_ {
        let shown = self.logs.iter().filter(|(_, log)| log.suspect.is_none());
        shown.filter_map(|(author, log)| Some(log.held.as_ref()?.head.checkpoint(author)))
    }

    /// Whether a peer may not know yet what we hold of this log.
    fn hides(&self, peer: &Peer, author: &AuthorId) -> bool {
        self.is_ours(author) && peer.is_kept_from(author)
    }

    /// The digest of what others may know of. It is kept, since a message of 33 bytes asks for it and
    /// it costs as much as there are logs.
    fn digest(&mut self) -> [u8; 32] {
        let kept = self.digest;
        debug_assert!(kept.is_none_or(|kept| kept == self.new_digest()), "the digest is old");
        let digest = kept.unwrap_or_else(|| self.new_digest());
        self.digest = Some(digest);
        digest
    }

    fn new_digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for head in self.heads() {
            digest.update(head.author.as_bytes());
            digest.update(head.size.to_be_bytes());
            digest.update(head.root);
        }
        digest.finalize().into()
    }

    fn send_list(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let mut heads: Vec<_> =
            self.heads().filter(|head| !self.hides(peer, &head.author)).collect();
        loop {
            let rest = heads.split_off(heads.len().min(MAX_HEADS));
            let part = if rest.is_empty() { Part::ListEnds } else { Part::ListGoesOn };
            self.send(id, false, &Message::Heads { part, heads });
            if part == Part::ListEnds {
                return;
            }
            heads = rest;
        }
    }

    pub(super) fn on_compare(&mut self, now: Duration, id: PeerId, digest: &[u8; 32]) {
        if *digest != self.digest() {
            let Some(peer) = self.peers.get_mut(&id) else { return };
            if peer.answered.is_none_or(|at| now >= at + ANSWER_EVERY) {
                peer.answered = Some(now);
                self.send_list(id);
            }
            return;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if !std::mem::take(&mut peer.comparing) {
            if peer.answered.is_some_and(|at| now < at + ANSWER_EVERY) {
                return;
            }
            peer.answered = Some(now);
            // So that the other side knows it too.
            self.send(id, false, &Message::Compare { digest: *digest });
        }
        let heads: Vec<_> = self.heads().collect();
        let Some(peer) = self.peers.get_mut(&id) else { return };
        heads.into_iter().for_each(|head| peer.sent(head));
        self.heard(now, id);
    }

    pub(super) fn on_heads(
        &mut self,
        now: Duration,
        id: PeerId,
        part: Part,
        heads: &[Checkpoint],
    ) -> Result<(), Error> {
        for head in heads {
            self.claim(id, head)?;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        if part == Part::News {
            return Ok(());
        }
        // Bounded like the claims are: others aren't noted.
        peer.listing.extend(heads.iter().map(|h| h.author).filter(|a| peer.claims.contains_key(a)));
        if part == Part::ListEnds {
            let listed = std::mem::take(&mut peer.listing);
            peer.claims.retain(|author, _| listed.contains(author));
            if std::mem::take(&mut peer.comparing) {
                self.tell_missing(id);
            }
            self.heard(now, id);
        }
        Ok(())
    }

    /// Announces all logs in which a peer is behind, after it has listed what it holds.
    fn tell_missing(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get(&id) else { return };
        let heads = self.heads().filter(|head| {
            !self.hides(peer, &head.author)
                && peer.size(&head.author) < head.size
                && !peer.conflicts(&head.author)
        });
        let heads = heads.collect();
        self.send_heads(id, heads);
    }

    /// A peer's whole list has been heard: now it may get our own logs.
    fn heard(&mut self, now: Duration, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if std::mem::replace(&mut peer.heard, true) {
            return;
        }
        for author in self.config.own.iter().chain(&self.config.past) {
            let Some(log) = self.logs.get(author).filter(|log| log.suspect.is_none()) else {
                continue;
            };
            let index = peer.size(author);
            if index < log.held_size() && !peer.conflicts(author) {
                let claim = peer.claims.get(author).map(|claim| claim.checkpoint);
                let have = claim.map(|head| (head.root, head.signature));
                let (author, at) = (*author, At::From { index, have });
                let (unasked, started, loading) = (true, false, None);
                peer.serves.push_back(Serve { author, at, runs: 1, unasked, started, loading });
            }
        }
        self.touch(now, id);
    }

    /// Notes what a peer says that it holds.
    ///
    /// # Errors
    /// When that shows the peer to lie.
    pub(super) fn claim(&mut self, id: PeerId, head: &Checkpoint) -> Result<(), Error> {
        let author = head.author;
        if self.is_ours(&author) {
            self.check_own(head)?;
        }
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        let room = peer.claims.len() < self.config.quotas.authors;
        let state = match peer.claims.get_mut(&author) {
            Some(claim) if claim.state == ClaimState::Conflict => {
                claim.checkpoint = *head;
                return Ok(());
            }
            Some(claim) => {
                let news = claim.checkpoint.size < head.size;
                claim.checkpoint = *head;
                if news { ClaimState::Open } else { claim.state }
            }
            None if room => {
                peer.claims.insert(author, Claim::new(*head));
                ClaimState::Open
            }
            None => {
                self.report_crowd();
                return Ok(());
            }
        };
        peer.mark(&author, state);
        let log = self.logs.get(&author);
        if log.is_some_and(|log| log.want_older) {
            peer.wanted.insert(author);
        }
        match head.size.cmp(&log.map_or(0, Log::size)) {
            Ordering::Greater => {
                peer.wanted.insert(author);
            }
            Ordering::Equal => self.check_equal(id, head)?,
            Ordering::Less => {}
        }
        Ok(())
    }

    /// Two heads of one size: the same, or a fork.
    fn check_equal(&mut self, id: PeerId, head: &Checkpoint) -> Result<(), Error> {
        let Some(log) = self.logs.get(&head.author) else { return Ok(()) };
        let Some(known) = log.known() else { return Ok(()) };
        let ours = known.head.checkpoint(&head.author);
        if ours.root == head.root || log.suspect.is_some() {
            return Ok(());
        }
        head.verify(&self.config.space)?;
        self.forked(id, head.author, ForkProof { first: ours, second: *head, run: None });
        Ok(())
    }

    /// A peer names a head of a log of ours: one that we don't hold shows that our store is old.
    fn check_own(&mut self, head: &Checkpoint) -> Result<(), Error> {
        let log = self.logs.entry(head.author).or_default();
        if log.suspect.is_some() || head.size < log.size() {
            return Ok(());
        }
        let ours = log.known().map(|known| known.head.range.root());
        if head.size == log.size() && ours == Some(head.root) {
            return Ok(());
        }
        head.verify(&self.config.space)?;
        let diverged = head.size == log.size();
        if diverged || self.config.own == Some(head.author) {
            self.own_ahead(*head, diverged);
        } else {
            // One that we write no more is fetched like any other's, but isn't shown meanwhile.
            log.suspect = Some(*head);
            self.digest = None;
            self.news.remove(&head.author);
        }
        Ok(())
    }

    pub(super) fn own_ahead(&mut self, checkpoint: Checkpoint, diverged: bool) {
        let author = checkpoint.author;
        let log = self.logs.entry(author).or_default();
        log.suspect = Some(checkpoint);
        self.digest = None;
        // Said once that it is ahead, and once that it has diverged.
        if diverged && std::mem::replace(&mut log.forked, true) {
            return;
        }
        self.news.remove(&author);
        self.actions.push_back(Action::OwnLogAhead { author, checkpoint, diverged });
    }

    pub(super) fn report_crowd(&mut self) {
        if !std::mem::replace(&mut self.crowded, true) {
            self.actions.push_back(Action::QuotaReached { author: None });
        }
    }

    /// Sends what we just appended to all who hold everything before it.
    pub(super) fn push(&mut self, now: Duration, run: &VerifiedRun) {
        let author = run.author();
        let before = run.before().map(|head| head.range.root());
        let up_to_date = self.peers.iter().filter(|(_, peer)| {
            let claim = peer.claims.get(author);
            let root = claim.map(|claim| claim.checkpoint.root);
            peer.heard
                && peer.size(author) == run.start()
                && root == before
                && !peer.conflicts(author)
        });
        let up_to_date: Vec<_> = up_to_date.map(|(id, _)| *id).collect();
        let message = Message::Run(run.to_run()).encode();
        if message.len() <= MAX_PUSH_LEN {
            for id in up_to_date {
                let (bulk, message) = (false, message.clone());
                self.actions.push_back(Action::Send { peer: id, bulk, message });
                if let Some(peer) = self.peers.get_mut(&id) {
                    peer.sent(run.head().checkpoint(author));
                }
                self.touch(now, id);
            }
        }
        self.news.insert(*author);
    }

    /// Tells all peers that are behind which logs have grown.
    pub(super) fn announce(&mut self, now: Duration) {
        if self.news.is_empty() || now < self.announce_at {
            return;
        }
        let news = std::mem::take(&mut self.news);
        let heads: BTreeMap<AuthorId, Checkpoint> = news
            .iter()
            .filter_map(|author| {
                let log = self.logs.get(author).filter(|log| log.suspect.is_none())?;
                Some((*author, log.held.as_ref()?.head.checkpoint(author)))
            })
            .collect();
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for id in peers {
            let Some(peer) = self.peers.get(&id) else { continue };
            let behind = heads.values().filter(|head| {
                !self.hides(peer, &head.author)
                    && peer.size(&head.author) < head.size
                    && !peer.conflicts(&head.author)
            });
            let behind: Vec<_> = behind.copied().collect();
            if !behind.is_empty() {
                self.announce_at = now + ANNOUNCE_INTERVAL;
                self.send_heads(id, behind);
                self.touch(now, id);
            }
        }
    }
}
