//! What a node's connections are made with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

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

impl Bind {
    /// Whether this socket sends to an address.
    pub(crate) fn reaches(&self, to: &SocketAddr) -> bool {
        let link = |addr: &SocketAddr| match addr {
            SocketAddr::V6(addr) if addr.ip().is_unicast_link_local() => addr.scope_id(),
            SocketAddr::V4(_) | SocketAddr::V6(_) => 0,
        };
        let bits = match (self.addr.ip(), to.ip()) {
            (IpAddr::V4(own), IpAddr::V4(to)) => (own.to_bits() ^ to.to_bits()).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(to)) => (own.to_bits() ^ to.to_bits()).leading_zeros(),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let bounded = |prefix: u8| bits >= u32::from(prefix) && link(&self.addr) == link(to);
        self.prefix.is_none_or(bounded)
    }
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
    /// [`limits::STRANGER_GRACE`].
    pub stranger: Duration,
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
            stranger: limits::STRANGER_GRACE,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_socket_reaches_its_network() {
        for (bind, prefix, to, want) in [
            ("10.7.0.1:1", Some(24), "10.7.0.200:9", true),
            ("10.7.0.1:1", Some(24), "10.7.1.200:9", false),
            ("10.7.0.1:1", Some(32), "10.7.0.1:9", true),
            ("10.7.0.1:1", Some(24), "[::ffff:10.7.0.2]:9", false),
            ("0.0.0.0:1", None, "203.0.113.1:9", true),
            ("0.0.0.0:1", None, "[2001:db8::1]:9", false),
            ("[fd00::1]:1", Some(64), "[fd00::2]:9", true),
            ("[fd00::1]:1", Some(64), "[fd00:0:0:1::2]:9", false),
            ("[fe80::1%2]:1", Some(64), "[fe80::2%2]:9", true),
            ("[fe80::1%2]:1", Some(64), "[fe80::2%3]:9", false),
        ] {
            let addr = bind.parse().expect("an address");
            let bind = Bind { addr, prefix, required: true };
            assert_eq!(bind.reaches(&to.parse().expect("an address")), want, "{bind:?} {to}");
        }
    }
}
