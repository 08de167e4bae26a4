//! What all tasks of one node's connections share.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::{Endpoint, EndpointId};
use n0_future::time::Instant;
use tokio::sync::{Notify, watch};

use super::control::{Hello, RunId, connection_name};
use super::endpoint::Bound;
use super::gate::{Gate, OneOf};
use super::known::Slot;
use super::limits::MAX_ENDPOINTS;
use super::peer::{NewPeer, Peer};
use super::quorum::Quorum;
use super::table::{Table, Verdict};
use super::traffic::Counts;
use super::{Close, CloseCode, Config, Ended, Handler, Refused, Scope, Way, scope};

/// The state. Its locks are held for no await, and one at a time.
pub(crate) struct Node {
    pub(crate) config: Config,
    me: EndpointId,
    /// The first one is there from the start; others were added for more sockets.
    endpoints: watch::Sender<Vec<Bound>>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) run_id: RunId,
    pub(crate) gate: Gate,
    pub(crate) counts: Arc<Counts>,
    pub(crate) refused: Arc<Refused>,
    pub(crate) observed: Mutex<Quorum>,
    table: Mutex<Table>,
    /// All connections after Hello, draining ones included.
    live: Mutex<BTreeMap<u64, Arc<Peer>>>,
    numbers: AtomicU64,
    changed: watch::Sender<u64>,
    live_count: watch::Sender<usize>,
    /// Wakes the dialler.
    pub(crate) kick: Notify,
    pub(crate) closing: watch::Sender<bool>,
}

/// A new connection's part, after [`Node::install`].
pub(crate) struct Installed {
    pub(crate) peer: Arc<Peer>,
    /// False where the connection lost to another one, and only drains.
    pub(crate) serves: bool,
}

impl Node {
    pub(crate) fn new(
        config: Config,
        first: Bound,
        handler: Arc<dyn Handler>,
        run_id: RunId,
        gate: Gate,
        refused: Arc<Refused>,
    ) -> Self {
        let reach = if config.offline { Scope::Local } else { Scope::Global };
        let me = first.endpoint.id();
        let table = Table::new(me, reach);
        Self {
            config,
            me,
            endpoints: watch::Sender::new(vec![first]),
            handler,
            run_id,
            gate,
            counts: Arc::default(),
            refused,
            observed: Mutex::default(),
            table: Mutex::new(table),
            live: Mutex::default(),
            numbers: AtomicU64::new(0),
            changed: watch::Sender::new(0),
            live_count: watch::Sender::new(0),
            kick: Notify::new(),
            closing: watch::Sender::new(false),
        }
    }

    /// This node's public key.
    pub(crate) fn id(&self) -> EndpointId {
        self.me
    }

    /// The endpoint that is there from the start.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoints.borrow()[0].endpoint.clone()
    }

    /// All endpoints, each with its sockets.
    pub(crate) fn endpoints(&self) -> Vec<Bound> {
        self.endpoints.borrow().clone()
    }

    /// Adds an endpoint of the same key with other sockets; returns the one that has to make room.
    pub(crate) fn add_endpoint(&self, bound: Bound) -> Option<Endpoint> {
        let mut spare = None;
        self.endpoints.send_modify(|endpoints| {
            endpoints.push(bound);
            if endpoints.len() > MAX_ENDPOINTS {
                spare = Some(endpoints.remove(1).endpoint);
            }
        });
        self.change(|table| table.retry_all(Instant::now()));
        spare
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the table, then wakes the dialler and those who watch.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let result = change(&mut self.table());
        self.kick.notify_one();
        self.tell_change();
        result
    }

    pub(crate) fn tell_change(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    pub(crate) fn live_count(&self) -> watch::Receiver<usize> {
        self.live_count.subscribe()
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// All connections after Hello, draining ones included.
    pub(crate) fn all_live(&self) -> Vec<Arc<Peer>> {
        self.live().values().cloned().collect()
    }

    pub(crate) fn live_by_number(&self, number: u64) -> Option<Arc<Peer>> {
        self.live().get(&number).cloned()
    }

    /// The connection of a peer.
    pub(crate) fn connected(&self, id: &EndpointId) -> Option<Arc<Peer>> {
        let number = self.table().connection(id)?;
        self.live_by_number(number)
    }

    /// Gives a connection its place after Hello; what it replaces is closed or drains.
    ///
    /// # Errors
    /// With what to close it.
    pub(crate) fn install(&self, new: NewConnection) -> Result<Installed, Close> {
        let conn = new.conn;
        let peer = Arc::new(Peer::new(NewPeer {
            me: self.me,
            run_id: new.hello.run_id,
            number: self.numbers.fetch_add(1, Ordering::Relaxed),
            conn,
            exporter: new.exporter,
            counts: new.counts,
            node_counts: self.counts.clone(),
            refused: self.refused.clone(),
            stranger: new.stranger,
        }));
        let slot = Slot {
            number: peer.number(),
            run_id: new.hello.run_id,
            name: connection_name(&new.exporter),
            dialled: peer.dialled(),
            since: Instant::now(),
        };
        if self.is_closing() {
            return Err(Close::new(CloseCode::Shutdown, "the node stops"));
        }
        self.live().insert(peer.number(), peer.clone());
        self.live_count.send_modify(|n| *n += 1);
        let address = peer.address();
        let (verdict, wanted) = self.change(|table| {
            let verdict = table.connected(peer.id(), slot, new.hello.lost, address);
            (verdict, table.get(&peer.id()).is_some_and(|known| !known.reasons().is_empty()))
        });
        if wanted || peer.dialled() {
            peer.is_no_stranger();
        }
        let serves = match verdict {
            Verdict::First => true,
            Verdict::Replaces(old) => {
                if let Some(old) = self.live_by_number(old) {
                    old.close(Close::new(CloseCode::Replaced, "the peer connected anew"));
                }
                true
            }
            Verdict::Wins(old) => {
                if let Some(old) = self.live_by_number(old) {
                    old.drain(Ended::Here(duplicate()));
                }
                true
            }
            Verdict::Loses => {
                peer.drain(Ended::Here(duplicate()));
                false
            }
            Verdict::Blocked => {
                self.remove(&peer);
                return Err(Close::new(CloseCode::Blocked, "blocked"));
            }
        };
        Ok(Installed { peer, serves })
    }

    /// The connection is over; the peer is banned until then.
    pub(crate) fn uninstall(&self, peer: &Peer, ended: &Ended, banned: Option<Instant>) {
        self.remove(peer);
        let (now, jitter) = (Instant::now(), jitter());
        self.change(|table| {
            table.disconnected(now, &peer.id(), peer.number(), ended, banned, jitter)
        });
    }

    /// The scope of the path to a peer: what is told to it must reach as far.
    pub(crate) fn scope_of(&self, peer: &Peer) -> Scope {
        peer.address().as_ref().and_then(scope).unwrap_or(Scope::Global)
    }

    /// Where this node can be reached, as far as it knows.
    pub(crate) fn own_addresses(&self) -> Vec<SocketAddr> {
        let mut addrs = Vec::new();
        for Bound { endpoint, .. } in self.endpoints() {
            addrs.extend(endpoint.addr().ip_addrs().filter(|addr| scope(addr).is_some()));
        }
        addrs
    }

    /// Ends the connection of the stranger that has been here the longest, of those whose address
    /// prefix is meant.
    pub(crate) fn dismiss_stranger(&self, meant: impl Fn(&[u8; 7]) -> bool) {
        let grace = self.config.timings.stranger;
        let mut live = self.all_live().into_iter();
        // The oldest connection comes first.
        let oldest = live.find(|peer| peer.stranger_for(grace).as_ref().is_some_and(&meant));
        if let Some(peer) = oldest {
            peer.leave_strangers();
            peer.close(Close::limits("made room for another"));
        }
    }

    /// Blocks a peer, or takes it back.
    pub(crate) fn block(&self, id: EndpointId, blocked: bool) {
        self.gate.block(id, blocked);
        if !blocked {
            self.gate.forgive(&id);
        }
        let number = self.change(|table| table.block(Instant::now(), id, blocked));
        if let Some(peer) = number.and_then(|number| self.live_by_number(number)) {
            peer.close(Close::new(CloseCode::Blocked, "blocked"));
        }
    }

    pub(crate) fn note_way(&self, peer: &super::PeerAddr, way: Way, reason: Option<super::Reason>) {
        let noted = self.change(|table| table.add(Instant::now(), peer, way, reason));
        if !noted && peer.id != self.me {
            self.refused.count("known_peers");
        }
    }

    fn remove(&self, peer: &Peer) {
        if self.live().remove(&peer.number()).is_some() {
            self.live_count.send_modify(|n| *n -= 1);
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Peer>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What [`Node::install`] needs to know.
pub(crate) struct NewConnection {
    pub(crate) conn: iroh::endpoint::Connection,
    /// The peer's.
    pub(crate) hello: Hello,
    pub(crate) exporter: [u8; 32],
    pub(crate) counts: Arc<Counts>,
    /// Held while the peer shares nothing with this node.
    pub(crate) stranger: Option<OneOf>,
}

fn duplicate() -> Close {
    Close::new(CloseCode::Duplicate, "both dialled at once")
}

/// Uniform over all `u64`. Without randomness from the system: the longest wait, which is safe.
pub(crate) fn jitter() -> u64 {
    getrandom::u64().unwrap_or(u64::MAX)
}
