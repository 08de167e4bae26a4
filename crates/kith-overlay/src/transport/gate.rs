//! Who may connect: blocked peers and banned ones, places for connections, and how many of them one
//! address prefix may take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::endpoint::{AfterHandshakeOutcome, BeforeConnectOutcome, Connection, EndpointHooks};
use iroh::{EndpointAddr, EndpointId};
use n0_future::time::Instant;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::addr::site;
use super::bans::Bans;
use super::limits::{
    MAX_HANDSHAKES_LOOPBACK, MAX_HANDSHAKES_PER_PREFIX, MAX_STRANGERS_LOOPBACK,
    MAX_STRANGERS_PER_PREFIX,
};
use super::{CloseCode, Refused};

/// Places kept free of incoming connections, as a share of all: one in four. So strangers can't
/// take the places that this node needs to dial whom it wants.
const OUTGOING_SHARE: usize = 4;

/// Shared by the endpoint's hooks and the accepting task. Holds no endpoint, which would keep
/// itself alive.
#[derive(Clone, Debug)]
pub(crate) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    blocked: Mutex<BTreeSet<EndpointId>>,
    bans: Mutex<Bans>,
    handshakes: Mutex<Crowd>,
    strangers: Mutex<Crowd>,
    places: Arc<Semaphore>,
    incoming: Arc<Semaphore>,
    refused: Arc<Refused>,
}

/// A place for one connection. Free again when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _place: OwnedSemaphorePermit,
    _incoming: Option<OwnedSemaphorePermit>,
}

/// How many there are of each address prefix.
type Crowd = BTreeMap<[u8; 7], usize>;

/// What is counted for each address prefix.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Handshakes,
    Strangers,
}

impl Counted {
    /// The limit for an address, and the name of its counter.
    fn limit(self, addr: &SocketAddr) -> (usize, &'static str) {
        let local = addr.ip().to_canonical().is_loopback();
        match self {
            Self::Handshakes if local => (MAX_HANDSHAKES_LOOPBACK, "handshakes_per_prefix"),
            Self::Handshakes => (MAX_HANDSHAKES_PER_PREFIX, "handshakes_per_prefix"),
            Self::Strangers if local => (MAX_STRANGERS_LOOPBACK, "strangers_per_prefix"),
            Self::Strangers => (MAX_STRANGERS_PER_PREFIX, "strangers_per_prefix"),
        }
    }
}

/// One of a prefix: a handshake under way, or a connection that shares nothing with this node. No
/// longer counted when dropped.
#[derive(Debug)]
pub(crate) struct OneOf {
    gate: Gate,
    counted: Counted,
    prefix: [u8; 7],
}

impl Gate {
    pub(crate) fn new(blocked: &[EndpointId], max: usize, refused: Arc<Refused>) -> Self {
        Self(Arc::new(Inner {
            blocked: Mutex::new(blocked.iter().copied().collect()),
            bans: Mutex::default(),
            handshakes: Mutex::default(),
            strangers: Mutex::default(),
            places: Arc::new(Semaphore::new(max)),
            incoming: Arc::new(Semaphore::new(max - max / OUTGOING_SHARE)),
            refused,
        }))
    }

    pub(crate) fn block(&self, id: EndpointId, blocked: bool) {
        let mut list = self.blocked();
        if blocked {
            list.insert(id);
        } else {
            list.remove(&id);
        }
    }

    pub(crate) fn is_blocked(&self, id: &EndpointId) -> bool {
        self.blocked().contains(id)
    }

    /// A peer broke the protocol. Returns until when it is kept out.
    pub(crate) fn strike(&self, id: EndpointId) -> Instant {
        self.bans().strike(Instant::now(), id)
    }

    /// Until when a peer is kept out for what it did; none where it is not.
    pub(crate) fn banned(&self, id: &EndpointId) -> Option<Instant> {
        self.bans().until(Instant::now(), id)
    }

    /// A person lets a peer in again.
    pub(crate) fn forgive(&self, id: &EndpointId) {
        self.bans().lift(id);
    }

    /// A place for a connection that this node dials.
    pub(crate) fn outgoing(&self) -> Option<Place> {
        let place = self.0.places.clone().try_acquire_owned().ok()?;
        Some(Place { _place: place, _incoming: None })
    }

    /// A place for an incoming connection; none counts.
    pub(crate) fn incoming(&self) -> Option<Place> {
        let place = || {
            let incoming = self.0.incoming.clone().try_acquire_owned().ok()?;
            let place = self.0.places.clone().try_acquire_owned().ok()?;
            Some(Place { _place: place, _incoming: Some(incoming) })
        };
        let place = place();
        if place.is_none() {
            self.0.refused.count("connections");
        }
        place
    }

    /// A handshake with an address; none counts.
    pub(crate) fn handshake(&self, addr: &SocketAddr) -> Option<OneOf> {
        self.one_of(Counted::Handshakes, addr)
    }

    /// A connection from an address that shares nothing with this node so far; none counts.
    pub(crate) fn stranger(&self, addr: &SocketAddr) -> Option<OneOf> {
        self.one_of(Counted::Strangers, addr)
    }

    fn one_of(&self, counted: Counted, addr: &SocketAddr) -> Option<OneOf> {
        let (limit, name) = counted.limit(addr);
        let prefix = site(addr);
        let mut crowd = self.crowd(counted);
        let count = crowd.entry(prefix).or_default();
        if *count >= limit {
            self.0.refused.count(name);
            return None;
        }
        *count += 1;
        Some(OneOf { gate: self.clone(), counted, prefix })
    }

    /// Handshakes under way.
    pub(crate) fn handshakes_under_way(&self) -> usize {
        self.crowd(Counted::Handshakes).values().sum()
    }

    fn blocked(&self) -> MutexGuard<'_, BTreeSet<EndpointId>> {
        self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bans(&self) -> MutexGuard<'_, Bans> {
        self.0.bans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn crowd(&self, counted: Counted) -> MutexGuard<'_, Crowd> {
        let crowd = match counted {
            Counted::Handshakes => &self.0.handshakes,
            Counted::Strangers => &self.0.strangers,
        };
        crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OneOf {
    /// The prefix that an address is counted under.
    pub(crate) fn prefix_of(addr: &SocketAddr) -> [u8; 7] {
        site(addr)
    }

    /// The prefix that it is counted under.
    pub(crate) fn prefix(&self) -> [u8; 7] {
        self.prefix
    }
}

impl Drop for OneOf {
    fn drop(&mut self) {
        let mut crowd = self.gate.crowd(self.counted);
        if let Some(count) = crowd.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                crowd.remove(&self.prefix);
            }
        }
    }
}

impl EndpointHooks for Gate {
    async fn before_connect<'a>(
        &'a self,
        remote: &'a EndpointAddr,
        _alpn: &'a [u8],
    ) -> BeforeConnectOutcome {
        if self.is_blocked(&remote.id) || self.banned(&remote.id).is_some() {
            BeforeConnectOutcome::Reject
        } else {
            BeforeConnectOutcome::Accept
        }
    }

    async fn after_handshake<'a>(&'a self, conn: &'a Connection) -> AfterHandshakeOutcome {
        let id = conn.remote_id();
        let (limit, code, reason) = if self.is_blocked(&id) {
            ("blocked_peer", CloseCode::Blocked, "blocked")
        } else if self.banned(&id).is_some() {
            ("banned_peer", CloseCode::Limits, "broke the protocol before")
        } else {
            return AfterHandshakeOutcome::Accept;
        };
        self.0.refused.count(limit);
        AfterHandshakeOutcome::Reject { error_code: code.into(), reason: reason.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_for_dialling_are_kept() {
        let gate = Gate::new(&[], 8, Arc::default());
        let incoming: Vec<_> = std::iter::from_fn(|| gate.incoming()).collect();
        assert_eq!(incoming.len(), 6);
        let outgoing: Vec<_> = std::iter::from_fn(|| gate.outgoing()).collect();
        assert_eq!(outgoing.len(), 2);
        drop(incoming);
        assert!(gate.incoming().is_some() && gate.outgoing().is_some());
    }

    #[test]
    fn strangers_of_one_prefix_do_not_take_all_places() {
        let gate = Gate::new(&[], 256, Arc::default());
        let at = |host: u8| SocketAddr::from(([192, 0, 2, host], 1));
        let held: Vec<_> = (0..=255).map_while(|host| gate.stranger(&at(host))).collect();
        assert_eq!(held.len(), MAX_STRANGERS_PER_PREFIX);
        assert_eq!(gate.0.refused.snapshot()["strangers_per_prefix"], 1);
        assert!(gate.handshake(&at(1)).is_some(), "handshakes are counted apart");
        drop(held);
        assert!(gate.stranger(&at(1)).is_some());
    }

    #[test]
    fn one_prefix_does_not_take_all_handshakes() {
        let refused = Arc::<Refused>::default();
        let gate = Gate::new(&[], 8, refused.clone());
        let at = |host: u8| SocketAddr::from(([192, 0, 2, host], 1));
        let held: Vec<_> = (0..=255).map_while(|host| gate.handshake(&at(host))).collect();
        assert_eq!(held.len(), MAX_HANDSHAKES_PER_PREFIX);
        assert!(gate.handshake(&SocketAddr::from(([198, 51, 100, 1], 1))).is_some());
        assert_eq!(refused.snapshot()["handshakes_per_prefix"], 1);
        drop(held);
        assert_eq!(gate.handshakes_under_way(), 0);
    }
}
