//! What a node is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use kith_overlay::transport::PeerAddr;

/// A node's configuration. The library reads no environment and no home directory: the binary does.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where everything is kept. One node at a time.
    pub data_dir: PathBuf,
    /// Keeps to this machine and its LAN.
    pub offline: bool,
    /// Peers to dial, as `--peer` names them.
    pub peers: Vec<PeerAddr>,
    /// Overrides the setting of LAN discovery for this run.
    pub lan: Option<bool>,
    /// Where the gateway listens: for the URLs that the node makes.
    pub http: SocketAddr,
    /// UDP addresses of the overlay; empty: any address, on the port of the last run.
    pub bind: Vec<SocketAddr>,
    /// The name that a new data directory starts with.
    pub default_name: String,
}
