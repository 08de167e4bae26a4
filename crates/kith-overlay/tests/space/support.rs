//! Members of a space, for tests: real endpoints on 127.0.0.1, stores in memory.
#![allow(dead_code, unreachable_pub)] // The next tests use the rest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use iroh::Endpoint;
use iroh::endpoint::{Connection, QuicTransportConfig, VarInt, presets};
use kith_app::{AppId, SpaceKeys, SpaceSecret};
use kith_log::{
    AuthorId, AuthorSecret, Body, BodyKind, Draft, Entry, Opening, Place, SpaceId, append,
};
use kith_overlay::space::{Author, SpaceConfig, SpaceEvent, Spaces};
use kith_overlay::storage::Storage;
use kith_overlay::storage::memory::MemoryStorage;
use kith_overlay::transport::{
    Bind, Config, Control, EndpointId, Handler, Hello, Overlay, Peer, PeerAddr, Reason, SpaceKey,
    SpaceRef, Way, enter_tag,
};
use n0_future::time::{Duration, timeout};
use tokio::sync::watch;

/// After so long a test has failed.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A space, with what its invitation has.
pub struct Room {
    pub keys: SpaceKeys,
    pub key: SpaceKey,
    pub space: SpaceId,
    pub app: AppId,
}

pub fn room(n: u8) -> Room {
    let app = AppId::from_bytes([n; 32]);
    let keys = SpaceKeys::derive(&app, &SpaceSecret::from_bytes([n ^ 0xff; 32]));
    let space = SpaceId::from_bytes(keys.space);
    let at = SpaceRef { app, space };
    Room { key: SpaceKey { at, sync_key: *keys.sync.as_bytes() }, space, app, keys }
}

impl Room {
    pub fn author(&self, n: u8) -> Author {
        let secret = AuthorSecret::from_seed(&[n; 32]);
        let opening = Opening::admit(self.keys.admission.as_bytes(), &secret.author(), None);
        Author { secret, opening }
    }
}

/// A node with its spaces.
pub struct Member {
    pub overlay: Overlay,
    pub spaces: Spaces,
    pub storage: Arc<MemoryStorage>,
    pub author: AuthorSecret,
    events: watch::Receiver<Vec<SpaceEvent>>,
}

static NEXT: AtomicU8 = AtomicU8::new(1);

/// Keys that no other node of this process has.
pub fn fresh_key() -> [u8; 32] {
    [NEXT.fetch_add(1, Ordering::Relaxed); 32]
}

pub fn id_of(key: [u8; 32]) -> EndpointId {
    iroh::SecretKey::from_bytes(&key).public()
}

pub fn config(key: [u8; 32]) -> Config {
    let mut config = Config::new(key);
    config.offline = true;
    let addr = SocketAddr::from(([127, 0, 0, 1], 0));
    config.bind = vec![Bind { addr, prefix: Some(8), required: true }];
    config
}

/// A node whose handler is the test's.
pub async fn stranger(handler: Arc<dyn Handler>) -> Overlay {
    Overlay::bind(config(fresh_key()), handler).await.expect("a free port of 127.0.0.1")
}

/// A node in no space.
pub async fn node() -> Member {
    node_with(config(fresh_key()), |spaces| Arc::new(spaces)).await
}

/// A node in no space, whose spaces stand behind another handler.
pub async fn node_with(config: Config, handler: impl FnOnce(Spaces) -> Arc<dyn Handler>) -> Member {
    let storage = Arc::new(MemoryStorage::new());
    made(config, storage.clone(), storage, handler).await
}

/// A node in no space, whose store refuses what it likes and keeps the rest in `memory`.
pub async fn node_on(
    config: Config,
    memory: Arc<MemoryStorage>,
    store: Arc<dyn Storage>,
) -> Member {
    made(config, memory, store, |spaces| Arc::new(spaces)).await
}

async fn made(
    config: Config,
    storage: Arc<MemoryStorage>,
    store: Arc<dyn Storage>,
    handler: impl FnOnce(Spaces) -> Arc<dyn Handler>,
) -> Member {
    let key = config.secret_key;
    let (spaces, mut events) = Spaces::new(id_of(key), [key[0]; 16], store);
    let handler = handler(spaces.clone());
    let overlay = Overlay::bind(config, handler).await.expect("a free port of 127.0.0.1");
    let (seen, receiver) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            seen.send_modify(|all: &mut Vec<SpaceEvent>| all.push(event));
        }
    });
    let author = AuthorSecret::from_seed(&key);
    Member { overlay, spaces, storage, author, events: receiver }
}

/// A node in a space, with an opened log.
pub async fn member(room: &Room) -> Member {
    let member = node().await;
    member.join(room).await;
    member
}

impl Member {
    pub fn author(&self) -> AuthorId {
        self.author.author()
    }

    /// Opens its log, where it has none, and joins.
    pub async fn join(&self, room: &Room) {
        let opening = Opening::admit(room.keys.admission.as_bytes(), &self.author(), None);
        if self.storage.known(&room.space, &self.author()).is_none() {
            self.write(room, vec![draft(0, opening.to_body())]).await;
        }
        let author = Author { secret: self.author.clone(), opening };
        self.spaces.join(SpaceConfig::new(room.key, Some(author))).await.expect("joined");
    }

    /// Appends sealed entries, a run each.
    pub async fn say(&self, room: &Room, texts: &[&[u8]]) {
        for text in texts {
            self.say_many(room, &[text]).await;
        }
    }

    /// Appends sealed entries, in one run.
    pub async fn say_many(&self, room: &Room, texts: &[&[u8]]) {
        let start = self.entries(room, &self.author()).len() as u64;
        let drafts = (start..).zip(texts).map(|(index, text)| {
            let place = Place { space: room.space, author: self.author(), epoch: 1 };
            let mut nonce = [0; 24];
            nonce[..8].copy_from_slice(&index.to_be_bytes());
            let body = Body::new(BodyKind::App, *text);
            let sent = body.seal(room.keys.read.as_bytes(), nonce, &place).expect("small enough");
            Draft { epoch: 1, ..draft(index, sent) }
        });
        self.write(room, drafts.collect()).await;
    }

    async fn write(&self, room: &Room, drafts: Vec<Draft>) {
        let known = self.storage.known(&room.space, &self.author());
        let run = append(&self.author, &room.space, known.as_ref(), drafts).expect("appended");
        self.storage.append(&room.space, run.clone()).expect("stored");
        self.spaces.appended(&room.space, run).await;
    }

    pub fn addr(&self) -> PeerAddr {
        PeerAddr::new(self.overlay.id(), self.overlay.bound())
    }

    pub fn dial(&self, other: &PeerAddr) {
        self.overlay.add_peer(other, Way::Manual, Some(Reason::Person));
    }

    pub fn entries(&self, room: &Room, author: &AuthorId) -> Vec<Entry> {
        self.storage.entries(&room.space, author).1
    }

    /// Waits until the store holds so many entries of an author.
    pub async fn holds(&self, room: &Room, author: &AuthorId, count: usize) {
        let mut stored = self.storage.stored();
        let held = async {
            while self.entries(room, author).len() < count {
                stored.changed().await.expect("the store lives");
            }
        };
        if timeout(DEADLINE, held).await.is_err() {
            panic!("{} of {count} entries came", self.entries(room, author).len());
        }
    }

    /// Waits until it holds all that the other holds.
    pub async fn same_as(&self, room: &Room, other: &Member) {
        for author in other.storage.authors(&room.space) {
            let theirs = other.entries(room, &author);
            self.holds(room, &author, theirs.len()).await;
            // Not assert_eq, which would print them.
            assert!(self.entries(room, &author).starts_with(&theirs), "another log of {author}");
        }
    }

    /// Waits until the events satisfy it.
    pub async fn until(&self, what: &str, done: impl Fn(&[SpaceEvent]) -> bool) -> Vec<SpaceEvent> {
        let mut events = self.events.clone();
        let waited = timeout(DEADLINE, events.wait_for(|events| done(events))).await;
        match waited {
            Ok(events) => events.expect("the events go on").clone(),
            Err(_) => panic!("waited in vain: {what}; so far: {:?}", self.events.borrow()),
        }
    }

    /// Waits until these are online, and no others.
    pub async fn sees(&self, room: &Room, online: &[AuthorId]) {
        let expected = online.iter().copied().collect();
        self.until("presence", |_| {
            self.spaces.status(&room.space).is_some_and(|status| status.online == expected)
        })
        .await;
    }

    /// The messages that came so far.
    pub fn messages(&self) -> Vec<(AuthorId, Vec<u8>)> {
        messages(&self.events.borrow())
    }

    /// Waits until this counter counts.
    pub async fn overlay_refused(&self, limit: &'static str) {
        let mut changes = self.overlay.changes();
        let counted = async {
            while !self.overlay.refused().snapshot().contains_key(limit) {
                changes.changed().await.expect("the overlay lives");
            }
        };
        let counted = timeout(DEADLINE, counted).await;
        assert!(counted.is_ok(), "{limit}: {:?}", self.overlay.refused().snapshot());
    }

    pub async fn connected(&self, to: EndpointId) -> Arc<Peer> {
        connected(&self.overlay, to).await
    }
}

pub fn messages(events: &[SpaceEvent]) -> Vec<(AuthorId, Vec<u8>)> {
    let message = |event: &SpaceEvent| match event {
        SpaceEvent::Message { author, payload, .. } => Some((*author, payload.to_vec())),
        _ => None,
    };
    events.iter().filter_map(message).collect()
}

pub async fn connected(overlay: &Overlay, to: EndpointId) -> Arc<Peer> {
    let mut changes = overlay.changes();
    let peer = async {
        loop {
            if let Some(peer) = overlay.peer(&to) {
                return peer;
            }
            changes.changed().await.expect("the overlay lives");
        }
    };
    timeout(DEADLINE, peer).await.expect("connected in time")
}

fn draft(index: u64, body: Vec<u8>) -> Draft {
    Draft { lamport: index + 1, time_ms: 1_700_000_000_000 + index * 1000, epoch: 0, body }
}

/// A connection that entered the space, and lets the other side open no stream.
pub struct Miser {
    endpoint: Endpoint,
    _conn: Connection,
    _control: (iroh::endpoint::SendStream, iroh::endpoint::RecvStream),
}

impl Miser {
    pub fn id(&self) -> EndpointId {
        self.endpoint.id()
    }
}

pub async fn miser(room: &Room, to: &Member) -> Miser {
    let transport = QuicTransportConfig::builder()
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .build();
    let endpoint = Endpoint::builder(presets::Minimal)
        .secret_key(iroh::SecretKey::from_bytes(&fresh_key()))
        .transport_config(transport)
        .clear_ip_transports()
        .bind_addr("127.0.0.1:0")
        .expect("an address")
        .bind()
        .await
        .expect("a free port");
    let addrs = to.addr().addrs.into_iter().map(iroh::TransportAddr::Ip);
    let addr = iroh::EndpointAddr::from_parts(to.overlay.id(), addrs);
    let conn = endpoint.connect(addr, b"kith/1").await.expect("connected");
    let (mut send, recv) = conn.open_bi().await.expect("a stream");
    let mut exporter = [0; 32];
    conn.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let tag = enter_tag(&room.key.sync_key, &exporter, &endpoint.id());
    let hello = Hello { version: 1, features: 0, run_id: [7; 16], lost: [0; 16] };
    for message in [Control::Hello(hello), Control::Enter { tags: vec![tag] }] {
        let message = message.encode();
        send.write_all(&(message.len() as u32).to_be_bytes()).await.expect("written");
        send.write_all(&message).await.expect("written");
    }
    let entered = async {
        let id = endpoint.id();
        while !to.spaces.status(&room.space).expect("joined").peers.contains_key(&id) {
            n0_future::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(DEADLINE, entered).await.expect("entered in time");
    Miser { endpoint, _conn: conn, _control: (send, recv) }
}
