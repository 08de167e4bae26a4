//! The node and its peers: whom it knows, wants, meets and blocks, and what it fetches from them.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use std::sync::Arc;

use kith_api::{
    Attempt, BlockPeer, Error, ErrorCode, OpeningStage, PeerInfo, PeerState, Result, Traffic,
};
use kith_app::{Inviter, Link, SignedVersion};
use kith_log::SpaceId;
use kith_overlay::blob::BlobWanted;
use kith_overlay::space::{self, SpaceEvents};
use kith_overlay::storage::BlobScope;
use kith_overlay::transport::limits::MAX_ADDRESSES;
use kith_overlay::transport::{
    self as transport, Bind, EndpointId, Overlay, PeerAddr, PeerStatus, Reason, Way, parse_id,
};
use tokio::sync::{mpsc, watch};

use crate::clock::now_ms;
use crate::config::Config;
use crate::discovery::{Discovery, Found, Lan, Presence};
use crate::node::Inner;
use crate::random::random;
use crate::settings::SettingsStore;
use crate::sockets::{Bounded, NotPrivate, addresses};
use crate::store::Store;

/// Between two looks at who could be asked for an app.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long an app is looked for before the person is told that nobody has it. Dialling goes on.
const GIVE_UP: Duration = Duration::from_secs(60);
/// Between two looks at the machine's addresses. A new one gets its socket when it was there twice: a
/// network that comes up has one after the other, and some can't be bound at first.
const ADDRESSES_GAP: Duration = Duration::from_secs(3);
/// Banned strangers that are listed.
const MAX_BANNED_SHOWN: usize = 16;
/// Between two looks at changed connections.
const CHANGES_GAP: Duration = Duration::from_millis(250);

/// Binds the overlay's sockets and what is done on its connections.
pub(crate) async fn bind(
    config: &Config,
    store: &Store,
    settings: &SettingsStore,
) -> Result<(Overlay, space::Spaces, SpaceEvents)> {
    let secret = store.node_secret().0;
    let mut transport = transport::Config::new(secret);
    transport.offline = config.offline;
    let blocked = store.blocked_peers()?;
    transport.blocked = blocked.iter().filter_map(|id| EndpointId::from_bytes(id).ok()).collect();
    let me = iroh::SecretKey::from_bytes(&secret).public();
    let (sync, events) = space::Spaces::new(me, random()?, Arc::new(store.clone()));
    let overlay = bind_sockets(transport, &config.bind, settings.ports(), &sync).await?;
    let bound = overlay.bound();
    let port =
        |v4: bool| bound.iter().find(|addr| addr.is_ipv4() == v4).map_or(0, SocketAddr::port);
    settings.set_ports([port(true), port(false)]).await;
    Ok((overlay, sync, events))
}

/// Binds the given sockets; without any, all interfaces on the ports of the last run, which others
/// remember, or on free ones where those are taken.
async fn bind_sockets(
    mut config: transport::Config,
    given: &[SocketAddr],
    last: [u16; 2],
    sync: &space::Spaces,
) -> Result<Overlay> {
    let handler = || Arc::new(sync.clone());
    let socket = |addr, required| Bind { addr, prefix: None, required };
    let failed = |error: transport::BindError| {
        Error::new(ErrorCode::Storage, "The network could not be opened.")
            .why(format!("{error}."))
            .todo("Look whether another program has the port.")
    };
    let offline = config.offline;
    if !given.is_empty() {
        config.bind = if offline {
            Bounded::given(given).map_err(not_offline)?.sockets()
        } else {
            given.iter().map(|addr| socket(*addr, true)).collect()
        };
        return Overlay::bind(config, handler()).await.map_err(failed);
    }
    let any = |[v4, v6]: [u16; 2]| {
        if offline {
            return Bounded::any([v4, v6]).sockets();
        }
        vec![
            socket((Ipv4Addr::UNSPECIFIED, v4).into(), true),
            socket((Ipv6Addr::UNSPECIFIED, v6).into(), false),
        ]
    };
    config.bind = any(last);
    match Overlay::bind(config.clone(), handler()).await {
        Ok(overlay) => Ok(overlay),
        Err(error) if last == [0; 2] => Err(failed(error)),
        Err(error) => {
            tracing::info!(%error, "the last run's ports are taken: others are used");
            config.bind = any([0; 2]);
            Overlay::bind(config, handler()).await.map_err(failed)
        }
    }
}

fn not_offline(NotPrivate(ip): NotPrivate) -> Error {
    Error::new(ErrorCode::InvalidParams, format!("An offline node can't use {ip}."))
        .why("It is an address on the internet, and an offline node sends nothing there.")
        .todo("Start without --offline, or bind an address of this machine or its LAN.")
}

impl Inner {
    /// Where this node can be reached.
    pub(crate) fn addr(&self) -> PeerAddr {
        self.overlay.addr()
    }

    /// Dials whoever made the link, for its app.
    pub(crate) fn meet_inviter(&self, inviter: &Inviter, link: &Link) {
        if let Some(addr) = peer_addr(inviter) {
            self.overlay.add_peer(&addr, Way::Link, Some(Reason::App(*link.app())));
        }
    }

    /// Dials whoever made the link for as long as this node is in the space.
    pub(crate) fn want_in_space(&self, inviter: &Inviter, space: &SpaceId) {
        if let Some(addr) = peer_addr(inviter) {
            self.overlay.add_peer(&addr, Way::Link, Some(Reason::Space(*space)));
        }
    }

    /// Looks for peers by every way: those named, those met before, those on the LAN.
    pub(crate) fn start_discovery(self: &Arc<Self>, found: mpsc::Receiver<Found>) {
        let mut discovery = self.discovery.lock().expect("no panic while held");
        discovery.add(self.remembered.clone());
        let ports = self.overlay.bound();
        let port =
            |v4: bool| ports.iter().find(|addr| addr.is_ipv4() == v4).map(|addr| addr.port());
        let presence = Presence { id: self.overlay.id(), port4: port(true), port6: port(false) };
        let on = self.lan_on(self.settings.get().lan);
        let finder = discovery.finder();
        discovery.add(Lan::start(presence, finder.clone(), on));
        drop(discovery);
        let remembered = self.remembered.clone();
        self.spawn(self.clone().take_found(found));
        self.spawn(async move { remembered.recall(&finder).await });
        self.spawn(self.clone().remember_peers());
        self.spawn(self.clone().follow_settings());
        if self.config.offline {
            self.spawn(self.clone().follow_addresses());
        }
        for peer in &self.config.peers {
            self.overlay.add_peer(peer, Way::Manual, Some(Reason::Person));
        }
    }

    /// Says goodbye on the LAN.
    pub(crate) async fn stop_discovery(&self) {
        let (idle, _) = Discovery::new();
        let mut discovery =
            std::mem::replace(&mut *self.discovery.lock().expect("no panic while held"), idle);
        discovery.stop().await;
    }

    async fn take_found(self: Arc<Self>, mut queue: mpsc::Receiver<Found>) {
        while let Some(Found { peer, way, spaces }) = queue.recv().await {
            // A neighbour may share a space with us; only a connection can tell.
            let reason = (way == Way::Lan).then_some(Reason::Neighbour);
            self.overlay.add_peer(&peer, way, reason);
            for space in spaces.into_iter().filter(|space| self.spaces.get(space).is_ok()) {
                self.overlay.want(&peer.id, Reason::Space(space));
            }
        }
    }

    /// Whether the LAN is looked at: the configuration, where it says, wins over the person's setting.
    fn lan_on(&self, setting: bool) -> bool {
        self.config.lan.unwrap_or(setting)
    }

    async fn follow_settings(self: Arc<Self>) {
        let mut settings = self.settings.watch();
        while settings.changed().await.is_ok() {
            let on = self.lan_on(settings.borrow_and_update().lan);
            self.discovery.lock().expect("no panic while held").switch(Way::Lan, on);
        }
    }

    /// Binds a socket for each address that the machine gets: those of an offline node are bounded
    /// to their addresses.
    async fn follow_addresses(self: Arc<Self>) {
        let bound = self.overlay.bound();
        let port = |v4: bool| bound.iter().find(|addr| addr.is_ipv4() == v4).map(SocketAddr::port);
        let ports = [port(true).unwrap_or(0), port(false).unwrap_or(0)];
        let bounded = match &self.config.bind[..] {
            [] => Bounded::any(ports),
            given => {
                let given = given.iter().map(|addr| {
                    let port = ports[usize::from(addr.is_ipv6())];
                    if addr.ip().is_unspecified() { (addr.ip(), port).into() } else { *addr }
                });
                // It was bound, so it can be.
                let Ok(bounded) = Bounded::given(&given.collect::<Vec<_>>()) else { return };
                bounded
            }
        };
        if !bounded.follows() {
            return;
        }
        let served = || self.overlay.bound().iter().map(SocketAddr::ip).collect::<BTreeSet<_>>();
        let mut last = BTreeSet::new();
        let mut tried = BTreeSet::new();
        loop {
            tokio::time::sleep(ADDRESSES_GAP).await;
            let mut gained = bounded.sockets();
            let now = addresses(&gained);
            if last != now {
                last = now;
                tried.clear();
                continue;
            }
            let bound = served();
            gained.retain(|socket| {
                !bound.contains(&socket.addr.ip()) && tried.insert(socket.addr.ip())
            });
            if gained.is_empty() {
                continue;
            }
            let count = gained.len();
            match self.overlay.add_sockets(gained).await {
                Ok(()) => tracing::info!(count, "sockets for another network"),
                Err(error) => tracing::warn!(%error, "no sockets for another network"),
            }
            self.changed();
        }
    }

    /// Remembers who was met where, so that rejoining needs nobody's server. Members of a space are
    /// wanted from then on.
    async fn remember_peers(self: Arc<Self>) {
        let mut changes = self.overlay.changes();
        while changes.changed().await.is_ok() {
            self.changed();
            self.note_peers().await;
            tokio::time::sleep(CHANGES_GAP).await;
        }
    }

    /// One look at who is connected. Also the last thing that is done while they are: what changed
    /// since the last look counts at the next start.
    pub(crate) async fn note_peers(&self) {
        for peer in self.overlay.snapshot().peers {
            if peer.state != transport::PeerState::Connected || peer.spaces.is_empty() {
                continue;
            }
            let spaces: Vec<_> = peer.spaces.iter().copied().collect();
            for space in &spaces {
                self.overlay.want(&peer.id, Reason::Space(*space));
            }
            // Who only ever came to us is reached where they came from: the overlay has one
            // socket, for dialling and for being dialled.
            let worked = peer.worked.into_iter().take(MAX_ADDRESSES - 1);
            let addr = PeerAddr::new(peer.id, worked.chain(peer.address));
            self.remembered.note(now_ms(), addr, spaces).await;
        }
    }

    /// Looks for the newest version of an app and fetches it, telling how far it is.
    pub(crate) async fn fetch_app(
        &self,
        link: &Link,
        stage: &watch::Sender<OpeningStage>,
    ) -> Result<SignedVersion> {
        let app = *link.app();
        let started = Instant::now();
        let mut peers = self.overlay.changes();
        let found = loop {
            let candidates = self.candidates(link);
            tell(stage, self.fetching(link, 0, None));
            if let Ok(found) = self.sync.fetch_version(app, candidates).await {
                break found;
            }
            if started.elapsed() > GIVE_UP {
                return Err(unreachable(link));
            }
            // A peer that comes is asked at once; one that is here may get the app any moment.
            if let Ok(Err(_stopped)) = tokio::time::timeout(LOOK_AGAIN, peers.changed()).await {
                return Err(unreachable(link));
            }
        };
        let signed = found.version;
        let (hash, size) = (signed.bundle(), signed.size());
        let wanted = BlobWanted { app, scope: BlobScope::Public, hash, size };
        let fetch = self.sync.fetch_blob(wanted, found.peers);
        let mut progress = fetch.progress();
        let finished = fetch.finished();
        tokio::pin!(finished);
        loop {
            tokio::select! {
                done = &mut finished => {
                    done.map_err(|error| {
                        Error::new(ErrorCode::Unreachable, "The app could not be fetched.")
                            .why(format!("{error}."))
                            .todo("Try again when somebody who has it is online.")
                    })?;
                    return Ok(signed);
                }
                Ok(()) = progress.changed() => {
                    let bytes = progress.borrow_and_update().bytes;
                    tell(stage, self.fetching(link, bytes, Some(signed.size())));
                }
            }
        }
    }

    /// Whoever may have the app: the inviter, and all connected peers.
    fn candidates(&self, link: &Link) -> Vec<EndpointId> {
        whom_to_ask(self.overlay.snapshot().peers, Reason::App(*link.app()))
    }

    fn fetching(&self, link: &Link, bytes: u64, size: Option<u64>) -> OpeningStage {
        let wanted = Reason::App(*link.app());
        let snapshot = self.overlay.snapshot();
        let tried = snapshot
            .peers
            .iter()
            .filter(|peer| {
                peer.reasons.contains(&wanted) || peer.state == transport::PeerState::Connected
            })
            .map(attempt)
            .collect();
        OpeningStage::Fetching { tried, bytes, size }
    }

    /// Whom this node tries to reach for a space.
    pub(crate) fn trying(&self, peers: &[PeerStatus], space: &SpaceId) -> Vec<Attempt> {
        let wanted = Reason::Space(*space);
        let tried = peers.iter().filter(|peer| {
            peer.reasons.contains(&wanted) && peer.state != transport::PeerState::Connected
        });
        tried.map(attempt).collect()
    }

    /// All peers as the person sees them.
    pub(crate) fn peer_infos(&self) -> Result<Vec<PeerInfo>> {
        let mut banned = 0;
        let mut peers = self.overlay.snapshot().peers;
        // Whoever makes up ids does not fill the list with them.
        peers.retain(|peer| {
            let stranger = peer.state == transport::PeerState::Banned && peer.spaces.is_empty();
            banned += usize::from(stranger);
            !stranger || banned <= MAX_BANNED_SHOWN
        });
        Ok(peers.into_iter().filter_map(|peer| self.peer_info(peer)).collect())
    }

    fn peer_info(&self, peer: PeerStatus) -> Option<PeerInfo> {
        let state = match peer.state {
            transport::PeerState::Connected => PeerState::Connected,
            transport::PeerState::Dialling => PeerState::Dialing,
            transport::PeerState::Waiting => PeerState::Waiting,
            transport::PeerState::Blocked => PeerState::Blocked,
            transport::PeerState::Banned => PeerState::Banned,
            transport::PeerState::Idle => return None,
        };
        let (now, epoch) = (tokio::time::Instant::now(), now_ms());
        let total = peer.traffic.total();
        Some(PeerInfo {
            id: peer.id.to_string(),
            name: self.name_of_peer(&peer).unwrap_or_default(),
            state,
            path: peer.path.map(|path| path.name().to_owned()),
            address: peer.address.map(|address| address.to_string()),
            rtt: peer.rtt.map(|rtt| u64::try_from(rtt.as_micros()).unwrap_or(u64::MAX)),
            since: peer.since.map(|since| epoch.saturating_sub(millis(now.duration_since(since)))),
            found: peer.found.iter().map(|way| way.name().to_owned()).collect(),
            spaces: peer.spaces.iter().map(ToString::to_string).collect(),
            traffic: Traffic { sent: total.sent, received: total.received },
            failures: peer.failures,
            next_try: peer.next_try.map(|at| epoch + millis(at.saturating_duration_since(now))),
            error: peer.error,
        })
    }

    /// The name that a peer goes by in a shared space.
    fn name_of_peer(&self, peer: &PeerStatus) -> Option<String> {
        peer.spaces.iter().find_map(|space| {
            let author = self.sync.status(space)?.peers.get(&peer.id).copied()??;
            self.spaces.name_of(space, &author)
        })
    }

    pub(crate) async fn block_peer(&self, block: &BlockPeer) -> Result<()> {
        let id = parse_id(&block.peer)
            .ok_or_else(|| Error::new(ErrorCode::InvalidParams, "A peer's id is 64 hex digits."))?;
        self.store.block_peer(*id.as_bytes(), block.blocked).await?;
        self.overlay.block(id, block.blocked);
        self.changed();
        Ok(())
    }
}

/// Those that are wanted for a reason or connected; best first, since not all are asked: strangers
/// must not stand before whom the person named, nor before those they share a space with.
fn whom_to_ask(mut peers: Vec<PeerStatus>, wanted: Reason) -> Vec<EndpointId> {
    let connected = |peer: &PeerStatus| peer.state == transport::PeerState::Connected;
    peers.retain(|peer| peer.reasons.contains(&wanted) || connected(peer));
    peers.sort_by_key(|peer| {
        (!peer.reasons.contains(&wanted), peer.spaces.is_empty(), !connected(peer))
    });
    peers.into_iter().map(|peer| peer.id).collect()
}

/// Tells a stage that is another one.
fn tell(stage: &watch::Sender<OpeningStage>, new: OpeningStage) {
    stage.send_if_modified(|stage| {
        let is_news = *stage != new;
        *stage = new;
        is_news
    });
}

fn peer_addr(inviter: &Inviter) -> Option<PeerAddr> {
    let id = EndpointId::from_bytes(inviter.endpoint()).ok()?;
    Some(PeerAddr::new(id, inviter.addresses().iter().copied()))
}

/// One try, in words.
fn attempt(peer: &PeerStatus) -> Attempt {
    let at = peer.address.map(|address: SocketAddr| format!(" at {address}")).unwrap_or_default();
    let state = match (peer.state, &peer.error) {
        (transport::PeerState::Connected, _) => format!("Connected{at}; asking for the app"),
        (transport::PeerState::Dialling, _) => format!("Connecting{at}"),
        (transport::PeerState::Waiting, Some(error)) => {
            format!("No answer{at} ({error}); trying again")
        }
        (transport::PeerState::Waiting, None) => "Waiting to connect".to_owned(),
        (transport::PeerState::Idle, _) => "Not needed".to_owned(),
        (transport::PeerState::Blocked, _) => "Blocked by you".to_owned(),
        (transport::PeerState::Banned, _) => "Kept out: it broke the protocol".to_owned(),
    };
    let way = peer.found.iter().next().map_or_else(String::new, |way| way.name().to_owned());
    Attempt { peer: peer.id.to_string(), way, state }
}

fn unreachable(link: &Link) -> Error {
    let why = if link.inviter().is_some() {
        "Whoever made the link could not be reached, and nobody else here has the app."
    } else {
        "The link names nobody who has it, and nobody who is connected does."
    };
    Error::new(ErrorCode::Unreachable, "The app could not be found.")
        .why(why)
        .todo("Ask for a fresh link, or try again when its sender is online.")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use kith_app::AppId;
    use transport::PeerState::{Connected, Idle, Waiting};

    use super::*;

    #[test]
    fn a_crowd_of_strangers_is_asked_last() {
        let wanted = Reason::App(AppId::from_bytes([1; 32]));
        let peer = |n: u8, state, reasons: &[Reason], spaces: &[u8]| PeerStatus {
            id: iroh::SecretKey::from_bytes(&[n; 32]).public(),
            state,
            path: None,
            address: None,
            addresses: Vec::new(),
            worked: Vec::new(),
            rtt: None,
            since: None,
            found: BTreeSet::new(),
            reasons: reasons.iter().copied().collect(),
            spaces: spaces.iter().map(|n| SpaceId::from_bytes([*n; 32])).collect(),
            traffic: transport::Traffic::default(),
            failures: 0,
            next_try: None,
            error: None,
        };
        let mut peers: Vec<_> = (1..=20).map(|n| peer(n, Connected, &[], &[])).collect();
        peers.push(peer(21, Idle, &[], &[]));
        peers.push(peer(22, Waiting, &[wanted], &[]));
        peers.push(peer(23, Connected, &[wanted], &[]));
        peers.push(peer(24, Connected, &[Reason::Person], &[7]));
        let best = [23, 22, 24].map(|n| iroh::SecretKey::from_bytes(&[n; 32]).public());
        let asked = whom_to_ask(peers, wanted);
        assert_eq!(asked[..3], best);
        assert_eq!(asked.len(), 23);
    }
}
