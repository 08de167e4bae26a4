//! Nodes for tests: real endpoints on 127.0.0.1, and a handler that writes down what happens.
#![allow(dead_code, unreachable_pub)] // Each test uses its own part.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use iroh::Endpoint;
use iroh::endpoint::{Connection, QuicTransportConfig, presets};
use kith_app::AppId;
use kith_log::SpaceId;
use kith_overlay::boxed::BoxFuture;
use kith_overlay::transport::{
    Bind, Close, CloseCode, Config, Control, EndpointId, Handler, Hello, Overlay, Peer, PeerAddr,
    Reason, RecvStream, SendStream, SpaceKey, SpaceRef, StreamHeader, StreamKind, Way,
};
use n0_future::time::{Duration, timeout};
use tokio::sync::watch;

/// After so long a test has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub enum Event {
    Connected(Arc<Peer>),
    Entered(Arc<Peer>, SpaceRef),
    Left(Arc<Peer>, SpaceRef),
    Frame(Arc<Peer>, SpaceRef, Bytes),
    Stream(Arc<Peer>, StreamHeader),
    Disconnected(Arc<Peer>),
}

#[derive(Debug)]
pub struct Recorder {
    pub spaces: Mutex<Vec<SpaceKey>>,
    /// Spaces whose frames are never taken.
    pub held: Mutex<BTreeSet<SpaceRef>>,
    events: watch::Sender<Vec<Event>>,
}

impl Recorder {
    pub fn new(spaces: &[SpaceKey]) -> Arc<Self> {
        Arc::new(Self {
            spaces: Mutex::new(spaces.to_vec()),
            held: Mutex::default(),
            events: watch::Sender::default(),
        })
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.borrow().clone()
    }

    /// Waits until the events satisfy it; which may not ask the recorder, but only look at them.
    pub async fn until(&self, what: &str, done: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let mut events = self.events.subscribe();
        let waited = timeout(DEADLINE, events.wait_for(|events| done(events))).await;
        match waited {
            Ok(events) => events.expect("the recorder lives").clone(),
            Err(_) => panic!("waited in vain: {what}; so far: {:?}", self.events.borrow()),
        }
    }

    pub fn payloads(&self) -> Vec<Bytes> {
        payloads(&self.events())
    }

    fn note(&self, event: Event) {
        self.events.send_modify(|events| events.push(event));
    }
}

/// What the frames among them carry.
pub fn payloads(events: &[Event]) -> Vec<Bytes> {
    let frame = |event: &Event| match event {
        Event::Frame(_, _, payload) => Some(payload.clone()),
        _ => None,
    };
    events.iter().filter_map(frame).collect()
}

impl Handler for Recorder {
    fn connected(&self, peer: &Arc<Peer>) {
        self.note(Event::Connected(peer.clone()));
    }

    fn spaces(&self) -> Vec<SpaceKey> {
        self.spaces.lock().expect("no test panicked here").clone()
    }

    fn entered(&self, peer: &Arc<Peer>, space: SpaceRef) {
        self.note(Event::Entered(peer.clone(), space));
    }

    fn left(&self, peer: &Arc<Peer>, space: SpaceRef) {
        self.note(Event::Left(peer.clone(), space));
    }

    fn frame<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        space: SpaceRef,
        frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            let held = self.held.lock().expect("no test panicked here").contains(&space);
            if held {
                std::future::pending::<()>().await;
            }
            if frame.as_ref() == b"nonsense" {
                return Err(Close::violation("nonsense"));
            }
            self.note(Event::Frame(peer.clone(), space, frame));
            Ok(())
        })
    }

    /// Answers with what it gets; a blob stream without a space stays open until the end.
    fn stream<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        header: StreamHeader,
        mut send: SendStream,
        mut recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            self.note(Event::Stream(peer.clone(), header));
            if header.kind == StreamKind::Blob && header.space.is_none() {
                std::future::pending::<()>().await;
            }
            if let Ok(all) = recv.read_to_end(1 << 20).await {
                let _ = send.write_all(&all).await;
                send.finish();
                let _ = send.acknowledged().await;
            }
            Ok(())
        })
    }

    fn disconnected(&self, peer: &Arc<Peer>) {
        self.note(Event::Disconnected(peer.clone()));
    }
}

pub struct Node {
    pub overlay: Overlay,
    pub seen: Arc<Recorder>,
}

pub fn space(n: u8) -> SpaceKey {
    SpaceKey {
        at: SpaceRef { app: AppId::from_bytes([n; 32]), space: SpaceId::from_bytes([n; 32]) },
        sync_key: [n ^ 0x5a; 32],
    }
}

/// A key, by number: larger numbers have larger ids.
pub fn key(n: usize) -> [u8; 32] {
    let mut keys: Vec<_> =
        (0..16u8).map(|n| [n + 1; 32]).map(|key| (*kith_overlay_id(key).as_bytes(), key)).collect();
    keys.sort();
    keys[n].1
}

fn kith_overlay_id(key: [u8; 32]) -> EndpointId {
    iroh::SecretKey::from_bytes(&key).public()
}

pub fn id(n: usize) -> EndpointId {
    kith_overlay_id(key(n))
}

pub fn config(n: usize) -> Config {
    let mut config = Config::new(key(n));
    config.offline = true;
    config.bind =
        vec![Bind { addr: SocketAddr::from(([127, 0, 0, 1], 0)), prefix: Some(8), required: true }];
    config
}

pub async fn node(n: usize, spaces: &[SpaceKey]) -> Node {
    node_with(config(n), spaces).await
}

pub async fn node_with(config: Config, spaces: &[SpaceKey]) -> Node {
    let seen = Recorder::new(spaces);
    let overlay = Overlay::bind(config, seen.clone()).await.expect("a free port of 127.0.0.1");
    Node { overlay, seen }
}

impl Node {
    pub fn addr(&self) -> PeerAddr {
        PeerAddr::new(self.overlay.id(), self.overlay.bound())
    }

    pub fn dial(&self, other: &Node) {
        self.overlay.add_peer(&other.addr(), Way::Manual, Some(Reason::Person));
    }

    pub async fn connected(&self, to: &Node) -> Arc<Peer> {
        let mut changes = self.overlay.changes();
        let peer = async {
            loop {
                if let Some(peer) = self.overlay.peer(&to.overlay.id()) {
                    return peer;
                }
                changes.changed().await.expect("the overlay lives");
            }
        };
        timeout(DEADLINE, peer).await.expect("connected in time")
    }

    pub async fn entered(&self, to: &Node, at: SpaceRef) -> Arc<Peer> {
        let id = to.overlay.id();
        let is = |event: &Event| match event {
            Event::Entered(peer, space) => peer.id() == id && *space == at && peer.is_open(),
            _ => false,
        };
        let events = self.seen.until("entered", |events| events.iter().any(is)).await;
        match events.into_iter().rev().find(is) {
            Some(Event::Entered(peer, _)) => peer,
            _ => unreachable!("one was found"),
        }
    }

    /// Connections of the handler that did not end.
    pub fn lasting(&self) -> Vec<Arc<Peer>> {
        let mut lasting: Vec<Arc<Peer>> = Vec::new();
        for event in self.seen.events() {
            match event {
                Event::Connected(peer) => lasting.push(peer),
                Event::Disconnected(peer) => lasting.retain(|other| !other.same(&peer)),
                _ => {}
            }
        }
        lasting
    }

    /// Waits until the counter has this value at least.
    pub async fn refused(&self, limit: &'static str, at_least: u64) {
        let refused = self.overlay.refused();
        let counted = async {
            while refused.snapshot().get(limit).copied().unwrap_or_default() < at_least {
                tokio::task::yield_now().await;
                n0_future::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if timeout(DEADLINE, counted).await.is_err() {
            panic!("{limit} did not reach {at_least}: {:?}", refused.snapshot());
        }
    }
}

/// A peer that is made by hand, to misbehave.
pub struct Raw {
    pub endpoint: Endpoint,
    pub conn: Connection,
}

impl Raw {
    /// Connects, without a word.
    pub async fn connect(n: usize, to: &Node) -> Self {
        Self::connect_with(n, to, QuicTransportConfig::builder().build()).await
    }

    /// An endpoint that is no node.
    pub async fn bind(n: usize) -> Endpoint {
        Self::bind_with(n, QuicTransportConfig::builder().build()).await
    }

    async fn bind_with(n: usize, transport: QuicTransportConfig) -> Endpoint {
        Endpoint::builder(presets::Minimal)
            .secret_key(iroh::SecretKey::from_bytes(&key(n)))
            .transport_config(transport)
            .clear_ip_transports()
            .bind_addr("127.0.0.1:0")
            .expect("an address")
            .bind()
            .await
            .expect("a free port")
    }

    pub async fn connect_with(n: usize, to: &Node, transport: QuicTransportConfig) -> Self {
        let endpoint = Self::bind_with(n, transport).await;
        let addrs = to.addr().addrs.into_iter().map(iroh::TransportAddr::Ip);
        let addr = iroh::EndpointAddr::from_parts(to.overlay.id(), addrs);
        let conn = endpoint.connect(addr, b"kith/1").await.expect("connected");
        Self { endpoint, conn }
    }

    /// Opens the control stream with these bytes.
    pub async fn open(
        &self,
        bytes: &[u8],
    ) -> (iroh::endpoint::SendStream, iroh::endpoint::RecvStream) {
        let (mut send, recv) = self.conn.open_bi().await.expect("a stream");
        send.write_all(bytes).await.expect("written");
        (send, recv)
    }

    /// Says Hello as it should be, and waits for the answer.
    pub async fn greet(&self) -> (iroh::endpoint::SendStream, iroh::endpoint::RecvStream) {
        let (send, mut recv) = self.open(&framed(&hello().encode())).await;
        let mut length = [0; 4];
        recv.read_exact(&mut length).await.expect("a Hello");
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        recv.read_exact(&mut body).await.expect("a Hello");
        (send, recv)
    }

    /// Waits for the end, and says with which code.
    pub async fn ended(&self) -> CloseCode {
        match timeout(DEADLINE, self.conn.closed()).await.expect("ended in time") {
            iroh::endpoint::ConnectionError::ApplicationClosed(close) => {
                CloseCode::from_number(close.error_code.into_inner()).expect("a known code")
            }
            other => panic!("ended otherwise: {other}"),
        }
    }
}

pub fn hello() -> Control {
    Control::Hello(Hello { version: 1, features: 0, run_id: [9; 16], lost: [0; 16] })
}

pub fn framed(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("short");
    [&length.to_be_bytes(), body].concat()
}
