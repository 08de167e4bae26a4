//! What peers tell each other about peers and addresses: the peers of a space, introductions,
//! sightings.
//!
//! Addresses are told only as far as they reach: what is told to, or believed from, a peer on the
//! internet is global; on the same machine, everything goes.

use std::net::SocketAddr;
use std::sync::Arc;

use iroh::EndpointId;
use kith_log::SpaceId;
use tracing::{debug, trace};

use super::control::{Control, PeerEntry};
use super::limits::{MAX_ADDRESSES, MAX_INTRODUCERS, MAX_PEERS_PER_MESSAGE};
use super::node::Node;
use super::{Peer, PeerAddr, PeerState, Reason, Scope, SpaceRef, Way, scope};

/// A peer is in a space now: it and the others of the space learn of each other.
pub(crate) fn entered(node: &Arc<Node>, peer: &Arc<Peer>, at: SpaceRef) {
    let others = others(node, peer, &at);
    let reach = node.scope_of(peer);
    let mut entries: Vec<PeerEntry> = Vec::new();
    for (id, addrs) in known_in(node, &at.space, &peer.id()) {
        let addrs = reaching(&addrs, reach);
        if id != peer.id() && !addrs.is_empty() && peer.tell_once(at.space, id) {
            entries.push(PeerEntry { id: *id.as_bytes(), addrs });
        }
        if entries.len() == MAX_PEERS_PER_MESSAGE {
            break;
        }
    }
    if !entries.is_empty() {
        peer.send_control(Control::Peers { space: *at.space.as_bytes(), peers: entries });
    }
    let addrs = addresses(node, peer);
    for other in others {
        let addrs = reaching(&addrs, node.scope_of(&other));
        if !addrs.is_empty() && other.tell_once(at.space, peer.id()) {
            let entry = PeerEntry { id: *peer.id().as_bytes(), addrs };
            other.send_control(Control::Peers { space: *at.space.as_bytes(), peers: vec![entry] });
        }
    }
}

/// A peer tells the peers of a space.
pub(crate) fn told(node: &Arc<Node>, peer: &Peer, space: [u8; 32], entries: &[PeerEntry]) {
    let space = SpaceId::from_bytes(space);
    if peer.entering().entered(&space).is_none() {
        peer.refused("peers_of_other_spaces");
        return;
    }
    let reach = node.scope_of(peer);
    for entry in entries {
        let Ok(id) = EndpointId::from_bytes(&entry.id) else {
            peer.refused("peers_without_a_key");
            continue;
        };
        let addr = PeerAddr::new(id, reaching(&entry.addrs, reach));
        if addr.addrs.is_empty() || !peer.believe_once(space, id) {
            continue;
        }
        trace!(by = %peer.id().fmt_short(), peer = %id.fmt_short(), "told of a peer");
        node.note_way(&addr, Way::Exchange, Some(Reason::Space(space)));
    }
}

/// A peer left a space.
pub(crate) fn peer_left(peer: &Peer, space: [u8; 32]) {
    let left = peer.entering().peer_left(&SpaceId::from_bytes(space));
    if let Some(at) = left {
        peer.outbox().left(at);
    }
}

/// A peer asks to be introduced to another one: passed on where all three share the space.
pub(crate) fn introduce(
    node: &Arc<Node>,
    peer: &Peer,
    space: [u8; 32],
    whom: [u8; 32],
    mut addrs: Vec<SocketAddr>,
) {
    let at = peer.entering().entered(&SpaceId::from_bytes(space));
    let whom = EndpointId::from_bytes(&whom).ok().and_then(|id| node.connected(&id));
    let (Some(at), Some(whom)) = (at, whom) else {
        peer.refused("introductions_to_nobody");
        return;
    };
    if !whom.is_in(&at) || whom.id() == peer.id() {
        peer.refused("introductions_to_nobody");
        return;
    }
    // Where this node sees it counts for more than what it says itself.
    if let Some(seen) = peer.address() {
        addrs.retain(|addr| *addr != seen);
        addrs.insert(0, seen);
        addrs.truncate(MAX_ADDRESSES);
    }
    let addrs = reaching(&reaching(&addrs, node.scope_of(peer)), node.scope_of(&whom));
    if !addrs.is_empty() {
        let who = *peer.id().as_bytes();
        whom.send_control(Control::Introduced { space, peer: who, addrs });
    }
}

/// A peer says who wants to meet this node.
pub(crate) fn introduced(
    node: &Arc<Node>,
    peer: &Peer,
    space: [u8; 32],
    who: [u8; 32],
    addrs: Vec<SocketAddr>,
) {
    let space = SpaceId::from_bytes(space);
    let Ok(id) = EndpointId::from_bytes(&who) else {
        peer.refused("peers_without_a_key");
        return;
    };
    if peer.entering().entered(&space).is_none() || node.gate.is_blocked(&id) {
        peer.refused("peers_of_other_spaces");
        return;
    }
    if node.table().connection(&id).is_some() {
        return;
    }
    let addr = PeerAddr::new(id, reaching(&addrs, node.scope_of(peer)));
    debug!(by = %peer.id().fmt_short(), peer = %id.fmt_short(), "introduced");
    node.note_way(&addr, Way::Introduce, Some(Reason::Space(space)));
}

/// Asks common peers to introduce this node to one that can't be reached so far; others after each
/// failure, since one may not pass it on.
pub(crate) fn ask_for(node: &Arc<Node>, whom: EndpointId, failures: u32) {
    let spaces = node.table().get(&whom).map(|known| known.spaces().clone()).unwrap_or_default();
    let mut common: Vec<(Arc<Peer>, SpaceRef)> = Vec::new();
    for peer in node.all_live().into_iter().filter(|peer| peer.is_open() && peer.id() != whom) {
        let at = peer.spaces().into_iter().find(|at| spaces.contains(&at.space));
        common.extend(at.map(|at| (peer, at)));
    }
    let skip = failures as usize * MAX_INTRODUCERS % common.len().max(1);
    common.rotate_left(skip);
    for (peer, at) in common.into_iter().take(MAX_INTRODUCERS) {
        let addrs = reaching(&node.own_addresses(), node.scope_of(&peer));
        let (space, whom) = (*at.space.as_bytes(), *whom.as_bytes());
        peer.send_control(Control::Introduce { space, peer: whom, addrs });
    }
}

/// A peer says where it sees this node.
pub(crate) fn observed(node: &Arc<Node>, peer: &Peer, addr: SocketAddr) {
    let Some(witness) = peer.address().filter(|_| !node.config.offline) else { return };
    let (believed, outdated) = {
        let mut quorum = node.observed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let believed = quorum.observe(addr, &witness);
        (believed, believed.map(|addr| quorum.outdated(&addr)).unwrap_or_default())
    };
    let Some(believed) = believed else { return };
    debug!(addr = %believed, "this node is seen at an address");
    let endpoint = node.endpoint();
    n0_future::task::spawn(async move {
        for addr in outdated {
            endpoint.remove_external_addr(&addr).await;
        }
        endpoint.add_external_addr(believed).await;
    });
}

/// The connected peers of a space, but for one.
fn others(node: &Node, but: &Peer, at: &SpaceRef) -> Vec<Arc<Peer>> {
    let in_space = |peer: &Arc<Peer>| peer.is_admitted(at) && peer.is_open();
    node.all_live().into_iter().filter(|peer| peer.id() != but.id() && in_space(peer)).collect()
}

/// Peers of a space with the addresses at which they were reached: connected ones first, in an order
/// that is another one for each who is told. Not all may be told, and nobody's id makes it the first.
fn known_in(node: &Node, space: &SpaceId, to: &EndpointId) -> Vec<(EndpointId, Vec<SocketAddr>)> {
    let live = node.all_live();
    let table = node.table();
    let mut known: Vec<_> = table
        .iter()
        .filter(|(_, known)| known.spaces().contains(space) && known.state() != PeerState::Blocked)
        .map(|(id, known)| {
            let mut addrs = known.addresses_that_worked();
            let number = known.slot().map(|slot| slot.number);
            let peer = live.iter().find(|peer| Some(peer.number()) == number);
            if let Some(addr) = peer.and_then(|peer| peer.address()) {
                add(&mut addrs, addr);
            }
            (number.is_none(), *id, addrs)
        })
        .collect();
    known.sort_by_cached_key(|(away, id, _)| (*away, place(to, id)));
    known.into_iter().map(|(_, id, addrs)| (id, addrs)).collect()
}

fn place(to: &EndpointId, of: &EndpointId) -> [u8; 32] {
    *blake3::hash(&[to.as_bytes().as_slice(), of.as_bytes()].concat()).as_bytes()
}

fn addresses(node: &Node, peer: &Peer) -> Vec<SocketAddr> {
    let worked = node.table().get(&peer.id()).map(|known| known.addresses_that_worked());
    let mut addrs = worked.unwrap_or_default();
    if let Some(addr) = peer.address() {
        add(&mut addrs, addr);
    }
    addrs
}

fn add(addrs: &mut Vec<SocketAddr>, addr: SocketAddr) {
    if !addrs.contains(&addr) {
        addrs.insert(0, addr);
    }
}

/// The addresses that reach at least as far as the path over which they are told.
fn reaching(addrs: &[SocketAddr], path: Scope) -> Vec<SocketAddr> {
    let reaches = |addr: &&SocketAddr| scope(addr).is_some_and(|scope| scope >= path);
    addrs.iter().filter(reaches).copied().take(MAX_ADDRESSES).collect()
}
