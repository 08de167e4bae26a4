//! One connected peer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::EndpointId;
use iroh::endpoint::{Connection, VarInt};
use kith_app::AppId;
use kith_log::SpaceId;
use n0_future::time::{Duration, Instant};
use tokio::sync::watch;

use super::control::{Control, RunId};
use super::entering::Entering;
use super::gate::OneOf;
use super::lane::{self, Lane};
use super::limits::{CONNECTION_WINDOW, MAX_FRAME, MAX_LANES, MAX_STRANGE_SPACES, MAX_TOLD};
use super::outbox::Outbox;
use super::refused::Refused;
use super::stream::StreamError;
use super::traffic::{Counts, Meter};
use super::{
    Close, Ended, RecvStream, SendError, SendStream, SpaceKey, SpaceRef, StreamHeader, Traffic,
};

/// How far a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Everything works.
    Open,
    /// Nothing new is sent; what is under way arrives.
    Draining(Ended),
    /// Over.
    Ended(Ended),
}

/// Which spaces the handler gets frames and streams of.
#[derive(Debug, Default)]
struct Admission {
    admitted: BTreeSet<SpaceRef>,
    /// Spaces that nobody need wait for: left, or waited for in vain.
    strange: BTreeSet<SpaceId>,
}

impl Admission {
    fn note_strange(&mut self, space: SpaceId) {
        if self.strange.len() >= MAX_STRANGE_SPACES {
            self.strange.pop_first();
        }
        self.strange.insert(space);
    }
}

/// One connection to one peer, after both said Hello.
///
/// A peer that connects anew is a new `Peer`. Cheap to share; to be dropped once disconnected.
pub struct Peer {
    id: EndpointId,
    run_id: RunId,
    number: u64,
    dialled: bool,
    exporter: [u8; 32],
    conn: Connection,
    phase: watch::Sender<Phase>,
    entering: Mutex<Entering>,
    /// The spaces whose frames and streams the handler gets: it knows that they are entered.
    admission: watch::Sender<Admission>,
    /// Which peers of which space this one was told.
    told: Mutex<BTreeSet<(SpaceId, EndpointId)>>,
    /// Which peers of which space this one told.
    believed: Mutex<BTreeSet<(SpaceId, EndpointId)>>,
    outbox: Outbox,
    lanes: Mutex<BTreeMap<AppId, Arc<Lane>>>,
    lanes_running: watch::Sender<usize>,
    uni_opened: AtomicU32,
    counts: Arc<Counts>,
    node_counts: Arc<Counts>,
    refused: Arc<Refused>,
    stranger: Mutex<Option<OneOf>>,
    since: Instant,
}

/// What a [`Peer`] is made of.
pub(crate) struct NewPeer {
    pub(crate) me: EndpointId,
    pub(crate) run_id: RunId,
    /// Unique in this process.
    pub(crate) number: u64,
    pub(crate) conn: Connection,
    pub(crate) exporter: [u8; 32],
    pub(crate) counts: Arc<Counts>,
    pub(crate) node_counts: Arc<Counts>,
    pub(crate) refused: Arc<Refused>,
    pub(crate) stranger: Option<OneOf>,
}

impl Peer {
    pub(crate) fn new(new: NewPeer) -> Self {
        let id = new.conn.remote_id();
        Self {
            id,
            run_id: new.run_id,
            number: new.number,
            dialled: new.conn.side().is_client(),
            exporter: new.exporter,
            conn: new.conn,
            phase: watch::Sender::new(Phase::Open),
            entering: Mutex::new(Entering::new(new.me, id, new.exporter)),
            admission: watch::Sender::default(),
            told: Mutex::default(),
            believed: Mutex::default(),
            outbox: Outbox::default(),
            lanes: Mutex::default(),
            lanes_running: watch::Sender::new(0),
            uni_opened: AtomicU32::new(0),
            counts: new.counts,
            node_counts: new.node_counts,
            refused: new.refused,
            stranger: Mutex::new(new.stranger),
            since: Instant::now(),
        }
    }

    /// The peer's public key.
    pub fn id(&self) -> EndpointId {
        self.id
    }

    /// The peer's run: another one after each of its starts.
    pub fn run_id(&self) -> &RunId {
        &self.run_id
    }

    /// Whether both are the same connection.
    pub fn same(&self, other: &Peer) -> bool {
        self.number == other.number
    }

    /// A number of this connection, unique in this process.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether this node dialled.
    pub fn dialled(&self) -> bool {
        self.dialled
    }

    /// 32 bytes that only the two ends of this connection know: TLS keying material for the label
    /// `EXPORTER-kith/1`, without a context.
    pub fn exporter(&self) -> [u8; 32] {
        self.exporter
    }

    /// Queues a frame for a space. Never waits.
    ///
    /// # Errors
    /// See [`SendError`]; the frame is not sent then. A frame that was taken arrives, unless the
    /// connection breaks or the peer stops the stream.
    pub fn send_frame(self: &Arc<Self>, at: SpaceRef, payload: &[u8]) -> Result<(), SendError> {
        self.queue_frame(at, payload, 1)
    }

    /// As [`Peer::send_frame`], for what may be lost: half of the queue is kept for the rest.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn send_loose(self: &Arc<Self>, at: SpaceRef, payload: &[u8]) -> Result<(), SendError> {
        self.queue_frame(at, payload, 2)
    }

    fn queue_frame(
        self: &Arc<Self>,
        at: SpaceRef,
        payload: &[u8],
        part: usize,
    ) -> Result<(), SendError> {
        if payload.len() + 32 > MAX_FRAME {
            return Err(SendError::TooLong);
        }
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        if !self.entering().is_entered(&at) {
            return Err(SendError::NotEntered);
        }
        self.lane(at.app)?.push(lane::encode(&at, payload), part)
    }

    /// Opens a stream and writes its header. Waits while the peer grants no stream: set a limit.
    ///
    /// # Errors
    /// When the connection is over, or about to be.
    pub async fn open_bi(
        &self,
        header: StreamHeader,
        priority: i32,
    ) -> Result<(SendStream, RecvStream), StreamError> {
        if !self.is_open() {
            return Err(StreamError::Closed);
        }
        let (send, recv) = self.conn.open_bi().await.map_err(|_| StreamError::Closed)?;
        let meter = self.meter(Some(header.app));
        let mut send = SendStream::new(send, meter.clone(), None);
        send.set_priority(priority);
        send.write_all(&header.encode()).await?;
        Ok((send, RecvStream::new(recv, meter, None)))
    }

    /// Whether both sides proved this space to each other on this connection.
    pub fn is_in(&self, at: &SpaceRef) -> bool {
        self.entering().is_entered(at)
    }

    /// The spaces that are entered on this connection.
    pub fn spaces(&self) -> Vec<SpaceRef> {
        self.entering().all()
    }

    /// Takes note of spaces of this node without telling the peer, unless it proved one before.
    pub fn know(&self, keys: &[SpaceKey]) {
        let step = self.entering().know(keys);
        self.outbox.step(step);
    }

    /// Proves spaces to the peer, each once. When it proves one too, the handler learns of it.
    pub fn offer(&self, keys: &[SpaceKey]) {
        let step = self.entering().offer(keys);
        self.outbox.step(step);
    }

    /// Leaves a space of which this node is no longer a part, and tells the peer where it was in it.
    pub fn leave(&self, space: &SpaceId) {
        let left = self.entering().leave(space);
        if let Some(at) = left {
            self.outbox.left(at);
            self.send_control(Control::Leave { space: *space.as_bytes() });
        }
    }

    /// Ends the connection at once. What is under way may be lost.
    pub fn close(&self, close: Close) {
        // In this order: who sees the connection end finds the reason.
        self.set_ended(Ended::Here(close.clone()));
        self.conn.close(close.code.into(), close.reason.as_bytes());
    }

    /// How the connection ended; none while it lasts.
    pub fn ended(&self) -> Option<Ended> {
        match &*self.phase.borrow() {
            Phase::Ended(ended) => Some(ended.clone()),
            Phase::Open | Phase::Draining(_) => None,
        }
    }

    /// Whether frames and streams can be sent.
    pub fn is_open(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Open)
    }

    /// The address that packets go to now; none while none is known or a relay is used.
    pub fn address(&self) -> Option<SocketAddr> {
        let paths = self.conn.paths();
        let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
        match path.remote_addr() {
            iroh::TransportAddr::Ip(addr) => {
                Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
            }
            _ => None,
        }
    }

    /// The round trip time of the path in use.
    pub fn rtt(&self) -> Option<Duration> {
        let paths = self.conn.paths();
        let path = paths.iter().find(|path| path.is_selected()).or_else(|| paths.iter().next())?;
        Some(path.rtt())
    }

    /// The peer's traffic since this node's start, over all of its connections.
    pub fn traffic(&self) -> Traffic {
        self.counts.snapshot()
    }

    /// Counts something that a limit refused, by the limit's name.
    pub fn refused(&self, limit: &'static str) {
        self.refused.count(limit);
    }

    /// The address prefix of a stranger that has been here for so long; none for others.
    pub(crate) fn stranger_for(&self, least: Duration) -> Option<[u8; 7]> {
        let stranger = self.stranger.lock().unwrap_or_else(PoisonError::into_inner);
        stranger.as_ref().filter(|_| self.since.elapsed() >= least).map(OneOf::prefix)
    }

    /// It is wanted, or shares a space: it takes no stranger's place, and may send more at once.
    pub(crate) fn is_no_stranger(&self) {
        self.leave_strangers();
        self.conn.set_receive_window(VarInt::from_u32(CONNECTION_WINDOW));
    }

    /// It takes no stranger's place.
    pub(crate) fn leave_strangers(&self) {
        let stranger = self.stranger.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(stranger);
    }

    pub(crate) fn conn(&self) -> &Connection {
        &self.conn
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Frames of this space wait: the handler is being told that it was entered.
    pub(crate) fn expect(&self, at: &SpaceRef) {
        self.admission.send_modify(|admission| {
            admission.strange.remove(&at.space);
        });
    }

    /// From now on the handler gets frames and streams of this space.
    pub(crate) fn admit(&self, at: SpaceRef) {
        self.admission.send_modify(|admission| {
            admission.strange.remove(&at.space);
            admission.admitted.insert(at);
        });
    }

    /// No longer.
    pub(crate) fn dismiss(&self, at: &SpaceRef) {
        self.admission.send_modify(|admission| {
            admission.admitted.remove(at);
            admission.note_strange(at.space);
        });
    }

    /// Whether a space is entered, after waiting for it the first time that it is asked for: its
    /// tag may be on the way. Waits as long for spaces that do not exist.
    pub(crate) async fn admits(&self, at: SpaceRef, wait: Duration) -> bool {
        let mut admission = self.admission.subscribe();
        let known = |admission: &Admission| {
            admission.admitted.contains(&at) || admission.strange.contains(&at.space)
        };
        let decided = n0_future::time::timeout(wait, admission.wait_for(known)).await;
        if let Ok(Ok(admission)) = decided {
            return admission.admitted.contains(&at);
        }
        self.admission.send_if_modified(|admission| {
            admission.note_strange(at.space);
            false
        });
        false
    }

    pub(crate) fn is_admitted(&self, at: &SpaceRef) -> bool {
        self.admission.borrow().admitted.contains(at)
    }

    /// Notes what the peer is told of a space's peers; false where it was told before, or too much.
    pub(crate) fn tell_once(&self, space: SpaceId, id: EndpointId) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.len() < MAX_TOLD && told.insert((space, id))
    }

    /// Notes what the peer told of a space's peers; false where it did before, or told too much.
    pub(crate) fn believe_once(&self, space: SpaceId, id: EndpointId) -> bool {
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        if believed.len() >= MAX_TOLD {
            self.refused("peers_told");
            return false;
        }
        believed.insert((space, id))
    }

    pub(crate) fn entering(&self) -> MutexGuard<'_, Entering> {
        self.entering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn meter(&self, app: Option<AppId>) -> Meter {
        Meter::new(&self.counts, &self.node_counts, app)
    }

    /// Queues a control message; one too many is dropped and counted.
    pub(crate) fn send_control(&self, message: Control) {
        if !self.outbox.push(message) {
            self.refused("control_queue_full");
        }
    }

    /// Sends nothing new; the session hands over what is under way, then closes.
    pub(crate) fn drain(&self, ended: Ended) {
        self.phase.send_if_modified(|phase| {
            let open = *phase == Phase::Open;
            if open {
                *phase = Phase::Draining(ended);
            }
            open
        });
        for lane in self.lanes().values() {
            lane.close();
        }
    }

    /// The first reason stays.
    pub(crate) fn set_ended(&self, ended: Ended) {
        self.phase.send_if_modified(|phase| {
            let lasts = !matches!(phase, Phase::Ended(_));
            if lasts {
                *phase = Phase::Ended(ended);
            }
            lasts
        });
        for lane in self.lanes().values() {
            lane.close();
        }
    }

    /// How many lanes still write.
    pub(crate) fn lanes_running(&self) -> watch::Receiver<usize> {
        self.lanes_running.subscribe()
    }

    /// One-way streams that this side opened.
    pub(crate) fn uni_opened(&self) -> u32 {
        self.uni_opened.load(Ordering::Acquire)
    }

    pub(crate) async fn open_uni(&self) -> Result<iroh::endpoint::SendStream, StreamError> {
        let stream = self.conn.open_uni().await.map_err(|_| StreamError::Closed)?;
        self.uni_opened.fetch_add(1, Ordering::AcqRel);
        Ok(stream)
    }

    pub(crate) fn lane_ended(&self, app: AppId, ended: &Arc<Lane>) {
        let mut lanes = self.lanes();
        if lanes.get(&app).is_some_and(|lane| Arc::ptr_eq(lane, ended)) {
            lanes.remove(&app);
        }
        drop(lanes);
        self.lanes_running.send_modify(|n| *n -= 1);
    }

    fn lane(self: &Arc<Self>, app: AppId) -> Result<Arc<Lane>, SendError> {
        let mut lanes = self.lanes();
        if let Some(lane) = lanes.get(&app) {
            return Ok(lane.clone());
        }
        // Looked at under the lock, so that no lane starts behind the drain.
        if !self.is_open() {
            return Err(SendError::Closed);
        }
        if lanes.len() >= MAX_LANES {
            return Err(SendError::Full);
        }
        let lane = Arc::<Lane>::default();
        lanes.insert(app, lane.clone());
        self.lanes_running.send_modify(|n| *n += 1);
        let meter = self.meter(Some(app));
        n0_future::task::spawn(lane::run(self.clone(), app, lane.clone(), meter));
        Ok(lane)
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<AppId, Arc<Lane>>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("id", &self.id.fmt_short().to_string())
            .field("number", &self.number)
            .field("dialled", &self.dialled)
            .field("phase", &*self.phase.borrow())
            .finish_non_exhaustive()
    }
}
