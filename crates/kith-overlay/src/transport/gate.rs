//! Who may connect: blocked peers, places for connections, handshakes of one address prefix.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::endpoint::{AfterHandshakeOutcome, BeforeConnectOutcome, Connection, EndpointHooks};
use iroh::{EndpointAddr, EndpointId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::addr::site;
use super::limits::{MAX_HANDSHAKES_LOOPBACK, MAX_HANDSHAKES_PER_PREFIX};
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
    handshakes: Mutex<BTreeMap<[u8; 7], usize>>,
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

/// A handshake of one prefix under way. Over when dropped.
#[derive(Debug)]
pub(crate) struct Handshake {
    gate: Gate,
    prefix: [u8; 7],
}

impl Gate {
    pub(crate) fn new(blocked: &[EndpointId], max: usize, refused: Arc<Refused>) -> Self {
        Self(Arc::new(Inner {
            blocked: Mutex::new(blocked.iter().copied().collect()),
            handshakes: Mutex::default(),
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
    pub(crate) fn handshake(&self, addr: &SocketAddr) -> Option<Handshake> {
        let limit = if addr.ip().to_canonical().is_loopback() {
            MAX_HANDSHAKES_LOOPBACK
        } else {
            MAX_HANDSHAKES_PER_PREFIX
        };
        let prefix = site(addr);
        let mut handshakes = self.handshakes();
        let count = handshakes.entry(prefix).or_default();
        if *count >= limit {
            self.0.refused.count("handshakes_per_prefix");
            return None;
        }
        *count += 1;
        Some(Handshake { gate: self.clone(), prefix })
    }

    /// Handshakes under way.
    pub(crate) fn handshakes_under_way(&self) -> usize {
        self.handshakes().values().sum()
    }

    fn blocked(&self) -> MutexGuard<'_, BTreeSet<EndpointId>> {
        self.0.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handshakes(&self) -> MutexGuard<'_, BTreeMap<[u8; 7], usize>> {
        self.0.handshakes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        let mut handshakes = self.gate.handshakes();
        if let Some(count) = handshakes.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                handshakes.remove(&self.prefix);
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
        if self.is_blocked(&remote.id) {
            BeforeConnectOutcome::Reject
        } else {
            BeforeConnectOutcome::Accept
        }
    }

    async fn after_handshake<'a>(&'a self, conn: &'a Connection) -> AfterHandshakeOutcome {
        if !self.is_blocked(&conn.remote_id()) {
            return AfterHandshakeOutcome::Accept;
        }
        self.0.refused.count("blocked_peer");
        AfterHandshakeOutcome::Reject {
            error_code: CloseCode::Blocked.into(),
            reason: b"blocked".to_vec(),
        }
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
