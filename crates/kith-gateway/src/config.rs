//! What the gateway is told, and its limits.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::Assets;

/// kith's port. It never changes silently: origins hold data.
const DEFAULT_PORT: u16 = 4848;

/// How the gateway is set up.
#[derive(Clone, Debug)]
pub struct Config {
    /// A loopback address and the port; 127.0.0.1 and `[::1]` are both bound, whichever is given.
    /// Port 0 picks one that is free in both families, for tests.
    pub addr: SocketAddr,
    /// Where the dashboard's files and the scripts for apps come from.
    pub assets: Assets,
    /// The limits.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DEFAULT_PORT),
            assets: Assets::default(),
            limits: Limits::default(),
        }
    }
}

/// What the gateway bears. Over a limit, the request or connection is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once, in all. A browser opens 6 to an origin, and one per socket; bounds
    /// memory at 512 x (32 KiB head + 64 KiB of hyper's buffers).
    pub connections: usize,
    /// Bytes of a request's head. Browsers send about 1 KiB; a page can make it longer.
    pub head: usize,
    /// Header fields of a request. Browsers send about 20.
    pub headers: usize,
    /// Bytes of a request's target.
    pub target: usize,
    /// From a head's first byte to its last, and from connecting to the first byte. Ends clients
    /// that drip their bytes, or hold connections for nothing.
    pub head_time: Duration,
    /// How long a connection is kept after an answer with nothing more asked.
    pub idle_time: Duration,
    /// How long a client may take no byte of a response.
    pub write_stall: Duration,
    /// How long a navigation waits for an app that is on its way, before the loading page is
    /// shown: below it, the page would only flicker.
    pub arrival_hold: Duration,
    /// Sockets at once, in all.
    pub sockets: usize,
    /// Sockets at once of one origin. One per tab.
    pub sockets_per_origin: usize,
    /// Files that pages hand in at once, in all. Bounds memory at 16 x 64 KiB of hyper's buffers.
    pub uploads: usize,
    /// Files that the pages of one origin hand in at once: a browser opens 6 connections to an
    /// origin, and some are left for all else.
    pub uploads_per_origin: usize,
    /// How long a client may send no byte of a file that it hands in.
    pub upload_stall: Duration,
    /// Bytes of a message to the node: an entry's 128 KiB, as base64 or escaped JSON.
    pub message: usize,
    /// How long the dashboard's socket may take to show its token.
    pub auth_time: Duration,
    /// Wrong tokens and sessions on one socket before it is closed.
    pub auth_tries: u32,
    /// How often a quiet socket is pinged.
    pub ping_every: Duration,
    /// A socket from which nothing came for so long, pongs included, is gone.
    pub silence: Duration,
    /// A socket that does not take one message within this time is closed.
    pub socket_stall: Duration,
    /// Bytes of compressed files kept ready.
    pub compressed: usize,
    /// Bytes of the largest file that is compressed. Above, the time costs more than the bytes.
    pub compress_below: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head: 32 * 1024,
            headers: 64,
            target: 8 * 1024,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            write_stall: Duration::from_secs(60),
            arrival_hold: Duration::from_millis(250),
            sockets: 256,
            sockets_per_origin: 32,
            uploads: 16,
            uploads_per_origin: 4,
            upload_stall: Duration::from_secs(60),
            message: 512 * 1024,
            auth_time: Duration::from_secs(10),
            auth_tries: 3,
            ping_every: Duration::from_secs(30),
            silence: Duration::from_secs(90),
            socket_stall: Duration::from_secs(20),
            compressed: 8 * 1024 * 1024,
            compress_below: 2 * 1024 * 1024,
        }
    }
}
