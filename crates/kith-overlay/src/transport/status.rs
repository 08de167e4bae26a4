//! What can be seen of peers and connections.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use iroh::EndpointId;
use kith_app::AppId;
use kith_log::SpaceId;
use n0_future::time::{Duration, Instant};

use super::Traffic;

/// By which way a peer was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// An address in a link.
    Link,
    /// Given by the person: `--peer`.
    Manual,
    /// On the local network.
    Lan,
    /// Known from before, on disk.
    Cache,
    /// Told by a peer of the same space.
    Exchange,
    /// A peer of the same space said that it wants to meet.
    Introduce,
    /// It came by itself.
    Incoming,
    /// The DHT.
    Dht,
}

impl Way {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Link,
        Self::Manual,
        Self::Lan,
        Self::Cache,
        Self::Exchange,
        Self::Introduce,
        Self::Incoming,
        Self::Dht,
    ];

    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Manual => "manual",
            Self::Lan => "lan",
            Self::Cache => "cache",
            Self::Exchange => "exchange",
            Self::Introduce => "introduce",
            Self::Incoming => "incoming",
            Self::Dht => "dht",
        }
    }
}

/// Why a peer is wanted: as long as there is a reason it is dialled again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The person asked for it.
    Person,
    /// It is on the same LAN, and may share a space: only a connection can tell.
    Neighbour,
    /// It is, or may be, in this space.
    Space(SpaceId),
    /// It may have this app.
    App(AppId),
}

/// How it stands with a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerState {
    /// Connected.
    Connected,
    /// Being dialled.
    Dialling,
    /// Wanted, and dialled again at [`PeerStatus::next_try`]; without one: no address is known.
    Waiting,
    /// Known, and not wanted.
    Idle,
    /// It broke the protocol, and is kept out until [`PeerStatus::next_try`].
    Banned,
    /// Blocked by the person.
    Blocked,
}

/// What packets to a peer take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// This machine, a private network or one link.
    Lan,
    /// The internet.
    Direct,
    /// A relay.
    Relay,
}

impl Path {
    /// Its name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Direct => "direct",
            Self::Relay => "relay",
        }
    }
}

/// A peer.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// Its public key.
    pub id: EndpointId,
    /// How it stands.
    pub state: PeerState,
    /// What packets take, while connected.
    pub path: Option<Path>,
    /// The address in use, or the first one to try.
    pub address: Option<SocketAddr>,
    /// All known addresses, those that worked first.
    pub addresses: Vec<SocketAddr>,
    /// The addresses that worked: worth keeping over a restart.
    pub worked: Vec<SocketAddr>,
    /// Round trip time, while connected.
    pub rtt: Option<Duration>,
    /// Since when it is connected.
    pub since: Option<Instant>,
    /// By which ways it was found.
    pub found: BTreeSet<Way>,
    /// Why it is wanted.
    pub reasons: BTreeSet<Reason>,
    /// Spaces that this node shares, or shared, with it.
    pub spaces: BTreeSet<SpaceId>,
    /// Its traffic since the start.
    pub traffic: Traffic,
    /// Tries since the last connection.
    pub failures: u32,
    /// When the next try is due, or the ban ends.
    pub next_try: Option<Instant>,
    /// Why the last try failed, or how the last connection ended.
    pub error: Option<String>,
}

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Peers: connected ones first, then by id.
    pub peers: Vec<PeerStatus>,
    /// Traffic since the start.
    pub traffic: Traffic,
    /// What limits refused since the start.
    pub refused: BTreeMap<&'static str, u64>,
    /// Peers found since the start, by way.
    pub found: BTreeMap<Way, u32>,
}
