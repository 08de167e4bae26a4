//! The handle of a node's connections.

use std::fmt;
use std::sync::Arc;

use futures_util::future::join_all;
use iroh::EndpointId;
use n0_future::task::JoinHandle;
use n0_future::time::{Duration, Instant, timeout};
use tokio::sync::{Mutex, watch};

use super::gate::Gate;
use super::known::Known;
use super::limits::{CLOSE_DRAIN, CLOSE_LINGER};
use super::node::Node;
use super::{
    Bind, BindError, Close, CloseCode, Config, Ended, Handler, Path, Peer, PeerAddr, PeerState,
    PeerStatus, Reason, Refused, RunId, Scope, Snapshot, Traffic, Way, dial, endpoint, scope,
};

/// All connections of a node. Cheap to clone; ends with [`Overlay::close`], not by being dropped.
#[derive(Clone)]
pub struct Overlay {
    node: Arc<Node>,
    /// Empty once it is closed. Held while an endpoint is closed or added.
    tasks: Arc<Mutex<Vec<JoinHandle<()>>>>,
}

impl Overlay {
    /// Binds the sockets and starts. Nothing is sent before a peer is wanted.
    ///
    /// # Errors
    /// When there is no socket to be had, or no randomness.
    pub async fn bind(config: Config, handler: Arc<dyn Handler>) -> Result<Self, BindError> {
        let mut run_id = RunId::default();
        getrandom::fill(&mut run_id).map_err(|_| BindError::NoRandomness)?;
        let refused = Arc::<Refused>::default();
        let gate = Gate::new(&config.blocked, config.max_connections, refused.clone());
        let endpoint = endpoint::bind(&config, &gate).await?;
        let blocked = config.blocked.clone();
        let first = endpoint.endpoint.clone();
        let node = Arc::new(Node::new(config, endpoint, handler, run_id, gate, refused));
        for id in blocked {
            node.table().block(Instant::now(), id, true);
        }
        let tasks = vec![
            n0_future::task::spawn(dial::accept(node.clone(), first)),
            n0_future::task::spawn(dial::dial(node.clone())),
        ];
        Ok(Self { node, tasks: Arc::new(Mutex::new(tasks)) })
    }

    /// This node's public key.
    pub fn id(&self) -> EndpointId {
        self.node.id()
    }

    /// This run of the node.
    pub fn run_id(&self) -> &RunId {
        &self.node.run_id
    }

    /// Where this node can be reached, as far as it knows: what `--peer` of another one takes.
    /// Global addresses first.
    pub fn addr(&self) -> PeerAddr {
        let mut addrs = self.node.own_addresses();
        addrs.sort_by_key(|addr| std::cmp::Reverse(scope(addr)));
        PeerAddr::new(self.id(), addrs)
    }

    /// The sockets: what was bound, with the ports that were chosen.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn bound(&self) -> Vec<std::net::SocketAddr> {
        let endpoints = self.node.endpoints().into_iter();
        endpoints.flat_map(|bound| bound.endpoint.bound_sockets()).collect()
    }

    /// Takes note of a peer. With a reason it is wanted: dialled at once, and again until it is
    /// reached or no longer wanted. New addresses of a peer that waits are tried at once.
    pub fn add_peer(&self, peer: &PeerAddr, way: Way, reason: Option<Reason>) {
        self.node.note_way(peer, way, reason);
    }

    /// Wants a known peer, for one more reason.
    pub fn want(&self, id: &EndpointId, reason: Reason) {
        let news = self.node.table().want(Instant::now(), id, reason);
        // Else whoever wants on each change would wake itself.
        if news {
            self.node.change(|_| ());
        }
    }

    /// Takes a reason back. A peer without one is not dialled again; its connection stays as long
    /// as it lasts.
    pub fn unwant(&self, id: &EndpointId, reason: Reason) {
        self.node.change(|table| table.unwant(id, reason));
    }

    /// Takes a reason back from all peers: a space was left, an app removed.
    pub fn unwant_all(&self, reason: Reason) {
        self.node.change(|table| table.unwant_all(reason));
    }

    /// Tries all peers that wait now: the machine woke up, or a person asks for it. A changed
    /// network is noticed without.
    pub fn retry_now(&self) {
        self.node.change(|table| table.retry_all(Instant::now()));
    }

    /// Blocks a peer, which ends its connection, or takes it back.
    pub fn block(&self, id: EndpointId, blocked: bool) {
        self.node.block(id, blocked);
    }

    /// The connection of a peer.
    pub fn peer(&self, id: &EndpointId) -> Option<Arc<Peer>> {
        self.node.connected(id).filter(|peer| peer.is_open())
    }

    /// All connected peers.
    pub fn peers(&self) -> Vec<Arc<Peer>> {
        let mut peers = self.node.all_live();
        peers.retain(|peer| peer.is_open());
        peers
    }

    /// Everything that can be seen, at this moment.
    pub fn snapshot(&self) -> Snapshot {
        let live = self.node.all_live();
        let table = self.node.table();
        let mut peers: Vec<_> = table
            .iter()
            .map(|(id, known)| {
                let number = known.slot().map(|slot| slot.number);
                let peer = live.iter().find(|peer| Some(peer.number()) == number);
                status(*id, known, peer, self.node.gate.banned(id))
            })
            .collect();
        let found = table.found().clone();
        drop(table);
        peers.sort_by_key(|peer| (peer.since.is_none(), peer.id));
        Snapshot { peers, traffic: self.traffic(), refused: self.node.refused.snapshot(), found }
    }

    /// All bytes since the start.
    pub fn traffic(&self) -> Traffic {
        self.node.counts.snapshot()
    }

    /// Counters of what limits refused; others may count theirs here too.
    pub fn refused(&self) -> Arc<Refused> {
        self.node.refused.clone()
    }

    /// Changes whenever [`Overlay::snapshot`] does, but for traffic and round trips.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.node.changes()
    }

    /// Binds more sockets: the machine got an address, and those there are do not serve it. The
    /// sockets added longest ago are closed where there are too many of these.
    ///
    /// # Errors
    /// When they can't be had, or the overlay is closed.
    pub async fn add_sockets(&self, bind: Vec<Bind>) -> Result<(), BindError> {
        let mut tasks = self.tasks.lock().await;
        if tasks.is_empty() || self.node.is_closing() {
            return Err(BindError::Failed("the overlay is closed".to_owned()));
        }
        let config = Config { bind, ..self.node.config.clone() };
        let bound = endpoint::bind(&config, &self.node.gate).await?;
        tasks.retain(|task| !task.is_finished());
        tasks.push(n0_future::task::spawn(dial::accept(self.node.clone(), bound.endpoint.clone())));
        if let Some(spare) = self.node.add_endpoint(bound) {
            spare.close().await;
        }
        Ok(())
    }

    /// Says goodbye to all peers, hands over what is under way for a moment, and closes. Returns
    /// when the peers know, or can't be told.
    pub async fn close(&self) {
        self.node.closing.send_replace(true);
        let mut tasks = self.tasks.lock().await;
        let shutdown = || Close::new(CloseCode::Shutdown, "the node stops");
        for peer in self.node.all_live() {
            peer.drain(Ended::Here(shutdown()));
        }
        let mut live = self.node.live_count();
        let _ = timeout(CLOSE_DRAIN, live.wait_for(|live| *live == 0)).await;
        for peer in self.node.all_live() {
            peer.close(shutdown());
        }
        let endpoints = self.node.endpoints();
        let closing = endpoints.iter().map(|bound| bound.endpoint.close());
        let _ = timeout(CLOSE_LINGER, join_all(closing)).await;
        for task in tasks.drain(..) {
            // A task that panicked has told so by itself.
            let _ = timeout(Duration::from_secs(1), task).await;
        }
    }
}

fn status(
    id: EndpointId,
    known: &Known,
    peer: Option<&Arc<Peer>>,
    banned: Option<Instant>,
) -> PeerStatus {
    let address = peer.and_then(|peer| peer.address());
    let path = peer.map(|_| match address.as_ref().and_then(scope) {
        Some(Scope::Loopback | Scope::Local) => Path::Lan,
        Some(Scope::Global) => Path::Direct,
        None => Path::Relay,
    });
    let addresses = known.to_dial();
    PeerStatus {
        id,
        state: match known.state() {
            PeerState::Waiting | PeerState::Dialling | PeerState::Idle if banned.is_some() => {
                PeerState::Banned
            }
            state => state,
        },
        path,
        address: address.or_else(|| addresses.first().copied()),
        addresses,
        worked: known.addresses_that_worked(),
        rtt: peer.and_then(|peer| peer.rtt()),
        since: known.slot().map(|slot| slot.since),
        found: known.ways().clone(),
        reasons: known.reasons().clone(),
        spaces: known.spaces().clone(),
        traffic: known.counts.snapshot(),
        failures: if peer.is_some() { 0 } else { known.failures() },
        next_try: banned.or(known.next_try()),
        error: known.error().map(str::to_owned),
    }
}

impl fmt::Debug for Overlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Overlay").field("id", &self.id().fmt_short().to_string()).finish()
    }
}
