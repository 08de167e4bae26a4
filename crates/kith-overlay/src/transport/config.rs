//! What a node's connections are made with.

use std::fmt;
use std::net::SocketAddr;

use iroh::EndpointId;
use n0_future::time::Duration;

use super::limits;

/// A UDP socket to bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Where. Port 0: any free one.
    pub addr: SocketAddr,
    /// With a prefix length, nothing outside of the address's own network is sent to by this
    /// socket: what no socket reaches is dropped. Without one, it sends to everybody.
    pub prefix: Option<u8>,
    /// Whether binding fails where this socket can't be bound. IPv6 is not everywhere.
    pub required: bool,
}

/// How long things may take: the limits, except in tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// [`limits::HELLO_TIMEOUT`].
    pub hello: Duration,
    /// [`limits::HEADER_TIMEOUT`].
    pub header: Duration,
    /// [`limits::DIAL_TIMEOUT`].
    pub dial: Duration,
    /// [`limits::DRAIN_TIMEOUT`].
    pub drain: Duration,
    /// [`limits::STALL_TIMEOUT`].
    pub stall: Duration,
    /// [`limits::ENTER_WAIT`].
    pub enter: Duration,
    /// [`limits::KEEP_ALIVE`].
    pub keep_alive: Duration,
    /// [`limits::IDLE_TIMEOUT`].
    pub idle: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            hello: limits::HELLO_TIMEOUT,
            header: limits::HEADER_TIMEOUT,
            dial: limits::DIAL_TIMEOUT,
            drain: limits::DRAIN_TIMEOUT,
            stall: limits::STALL_TIMEOUT,
            enter: limits::ENTER_WAIT,
            keep_alive: limits::KEEP_ALIVE,
            idle: limits::IDLE_TIMEOUT,
        }
    }
}

/// Configuration of an [`super::Overlay`].
#[derive(Clone)]
pub struct Config {
    /// The seed of the node's Ed25519 key, which peers know it by.
    pub secret_key: [u8; 32],
    /// The sockets. None: any free port, on all interfaces, IPv4 and, where there is one, IPv6.
    pub bind: Vec<Bind>,
    /// Only this machine and private networks are dialled.
    pub offline: bool,
    /// Peers that are blocked from the start.
    pub blocked: Vec<EndpointId>,
    /// Connections at most; [`limits::MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// How long things may take.
    pub timings: Timings,
}

impl Config {
    /// The defaults for a key.
    pub fn new(secret_key: [u8; 32]) -> Self {
        Self {
            secret_key,
            bind: Vec::new(),
            offline: false,
            blocked: Vec::new(),
            max_connections: limits::MAX_CONNECTIONS,
            timings: Timings::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bind", &self.bind)
            .field("offline", &self.offline)
            .field("blocked", &self.blocked.len())
            .field("max_connections", &self.max_connections)
            .field("timings", &self.timings)
            .finish_non_exhaustive()
    }
}
