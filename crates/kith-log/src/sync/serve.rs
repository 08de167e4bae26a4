//! Serving: what peers ask for is loaded and sent, as fast as the transport takes it.

use super::claims::MAX_PUSH_LEN;
use super::message::{At, Message};
use super::peer::Serve;
use super::space::Log;
use super::{Action, ForkProof, PeerId, SpaceSync, Ticket};
use crate::{AuthorId, Checkpoint, Error, KnownLog, Run, Segment, tree::CompactRange};

/// Logs that are sent to one peer at a time; a want of more is answered with nothing.
const MAX_SERVES_PER_PEER: usize = 64;
/// Bulk messages that the transport hasn't taken yet, per peer. Bounds memory at 1 MiB each.
const MAX_BULK_UNSENT: usize = 4;
/// Runs that may be allowed ahead for one log. More than any requester of ours asks for.
const MAX_CREDIT: u32 = 255;
/// Longest run that isn't sent as bulk when it is all that was asked for, in bytes.
const MAX_DIRECT_LEN: usize = 16 * 1024;

impl SpaceSync {
    pub(super) fn on_want(&mut self, id: PeerId, author: AuthorId, at: At, runs: u8) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let runs = u32::from(runs);
        let (unasked, started, loading) = (false, false, None);
        let serve = Serve { author, at, runs, unasked, started, loading };
        if let Some(before) = peer.serves.iter_mut().find(|serve| serve.author == author) {
            // A peer that asks anew has given up what it asked before. What goes out now stays
            // behind what went out then.
            *before = Serve { started: before.started, ..serve };
        } else if peer.serves.len() < MAX_SERVES_PER_PEER {
            peer.serves.push_back(serve);
        } else {
            self.send(id, false, &Message::Nothing { author });
        }
    }

    pub(super) fn on_more(&mut self, id: PeerId, author: &AuthorId, runs: u8) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if let Some(serve) = peer.serves.iter_mut().find(|serve| serve.author == *author) {
            serve.runs = (serve.runs + u32::from(runs)).min(MAX_CREDIT);
        }
    }

    /// Loads what is to be sent next, one thing per peer at a time.
    pub(super) fn serve(&mut self) {
        let peers: Vec<_> = self.peers.keys().copied().collect();
        for id in peers {
            while let Some((author, index)) = self.next_serve(id) {
                let Some(index) = index else {
                    self.send(id, false, &Message::Nothing { author });
                    continue;
                };
                let ticket = self.ticket();
                let Some(peer) = self.peers.get_mut(&id) else { break };
                if let Some(serve) = peer.serves.front_mut() {
                    serve.loading = Some(ticket);
                }
                peer.loading = true;
                self.loads.insert(ticket, (id, author));
                self.actions.push_back(Action::Load { ticket, author, index });
            }
        }
    }

    /// The next log to load from, moved to the front, with the index of an entry; without one when
    /// it can't be served. Drops those that have come to their end.
    fn next_serve(&mut self, id: PeerId) -> Option<(AuthorId, Option<u64>)> {
        let peer = self.peers.get_mut(&id)?;
        if peer.loading || peer.bulk_unsent >= MAX_BULK_UNSENT {
            return None;
        }
        for _ in 0..peer.serves.len() {
            let serve = peer.serves.front()?;
            let (author, started, unasked) = (serve.author, serve.started, serve.unasked);
            if serve.runs == 0 {
                peer.serves.rotate_left(1);
                continue;
            }
            let log = self.logs.get(&author).filter(|log| log.suspect.is_none());
            match log.and_then(|log| log.held.as_ref()).and_then(|held| place(held, &serve.at)) {
                Some(index) => return Some((author, Some(index))),
                None => {
                    peer.serves.pop_front();
                    let ended = started && log.is_some();
                    if !ended && !unasked {
                        return Some((author, None));
                    }
                }
            }
        }
        None
    }

    /// Sends what was loaded.
    ///
    /// # Errors
    /// When the peer's request shows it to lie.
    pub(super) fn serve_loaded(
        &mut self,
        id: PeerId,
        author: &AuthorId,
        ticket: Ticket,
        segment: Option<Segment>,
    ) -> Result<(), Error> {
        let Some(peer) = self.peers.get_mut(&id) else { return Ok(()) };
        peer.loading = false;
        let Some(at) = peer.serves.iter().position(|serve| serve.loading == Some(ticket)) else {
            return Ok(());
        };
        let mut serve = peer.serves.remove(at).expect("the position was just found");
        serve.loading = None;
        let log = self.logs.get(author).filter(|log| log.suspect.is_none());
        let (Some(held), Some(segment)) = (log.and_then(|log| log.held.as_ref()), segment) else {
            self.send(id, false, &Message::Nothing { author: *author });
            return Ok(());
        };
        let (end, size) = (segment.after.size(), held.size());
        let after = segment.after.checkpoint(author);
        let run = match serve.at {
            At::From { index, have } => {
                if !contains(&segment, index) {
                    self.send(id, false, &Message::Nothing { author: *author });
                    return Ok(());
                }
                if let Some(theirs) = other_branch(author, &segment, index, have) {
                    return self.show_fork(id, theirs, segment);
                }
                cut(segment, index, author)
            }
            At::Newest | At::Before { .. } => segment.into_run(author, Some(&held.opening)),
        };
        let last = matches!(serve.at, At::From { .. }) && !serve.unasked && end >= size;
        let message = if last { Message::Last(run) } else { Message::Run(run) }.encode();
        let peer = self.peers.get_mut(&id).expect("the peer was just found");
        if serve.unasked && message.len() > MAX_PUSH_LEN {
            self.tell_own(id, author);
            return Ok(());
        }
        let forward = !matches!(serve.at, At::Before { .. });
        if forward {
            peer.sent(after);
        }
        let direct = !serve.started && message.len() <= MAX_DIRECT_LEN && (end >= size || !forward);
        peer.bulk_unsent += usize::from(!direct);
        self.actions.push_back(Action::Send { peer: id, bulk: !direct, message });
        if serve.unasked {
            if end < size {
                self.tell_own(id, author);
            }
        } else if matches!(serve.at, At::From { .. }) {
            serve.at = At::From { index: end, have: None };
            (serve.runs, serve.started) = (serve.runs - 1, true);
            let peer = self.peers.get_mut(&id).expect("the peer was just found");
            if end < size {
                peer.serves.push_back(serve);
            }
        }
        Ok(())
    }

    fn tell_own(&mut self, id: PeerId, author: &AuthorId) {
        let held = self.logs.get(author).and_then(|log: &Log| log.held.as_ref());
        if let Some(held) = held {
            let head = held.head.checkpoint(author);
            self.send_heads(id, vec![head]);
        }
    }

    /// What a peer holds isn't the beginning of what we hold: if the author signed it, this is a
    /// fork, and the peer gets what proves it.
    fn show_fork(&mut self, id: PeerId, theirs: Checkpoint, segment: Segment) -> Result<(), Error> {
        let author = theirs.author;
        theirs.verify(&self.config.space)?;
        if self.is_ours(&author) {
            self.own_ahead(theirs, true);
            return Ok(());
        }
        let Some(opening) = self.logs.get(&author).and_then(|log| log.held.as_ref()) else {
            return Ok(());
        };
        let run = segment.into_run(&author, Some(&opening.opening));
        self.send(id, true, &Message::Run(run.clone()));
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.bulk_unsent += 1;
        }
        let proof = ForkProof { first: run.checkpoint, second: theirs, run: Some(run) };
        self.forked(id, author, proof);
        Ok(())
    }
}

/// The index of an entry in the segment to load, if it is held.
fn place(held: &KnownLog, at: &At) -> Option<u64> {
    let index = match at {
        At::From { index, .. } => *index,
        At::Newest => held.size() - 1,
        At::Before { index } => index.checked_sub(1)?,
    };
    (held.start() <= index && index < held.size()).then_some(index)
}

fn contains(segment: &Segment, index: u64) -> bool {
    segment.start() <= index && index < segment.after.size()
}

/// The peer's checkpoint at `index`, when its root isn't ours.
fn other_branch(
    author: &AuthorId,
    segment: &Segment,
    index: u64,
    have: Option<(crate::Hash, crate::SignatureBytes)>,
) -> Option<Checkpoint> {
    let (root, signature) = have?;
    let mut range = segment.before.as_ref().map_or_else(CompactRange::new, |h| h.range.clone());
    let held = usize::try_from(index - segment.start()).expect("a segment's length fits");
    for entry in segment.entries.iter().take(held) {
        range.push(entry.header.leaf_hash());
    }
    let theirs = Checkpoint { author: *author, size: index, root, signature };
    (range.root() != root).then_some(theirs)
}

/// The run of a segment's entries from `index` on.
fn cut(mut segment: Segment, index: u64, author: &AuthorId) -> Run {
    let skip = usize::try_from(index - segment.start()).expect("a segment's length fits");
    let entries = segment.entries.split_off(skip.min(segment.entries.len()));
    Run { start: index, base: None, entries, checkpoint: segment.after.checkpoint(author) }
}
