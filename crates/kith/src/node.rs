//! Wires the node, its pages and its command socket: the only place that knows all three.

use std::path::Path;
use std::sync::Arc;

use kith_api::Service;

use crate::config::Config;
use crate::control::Server;
use crate::failure::{Failure, Result};

/// A node with its doors.
pub(crate) struct Running {
    pub(crate) service: Arc<dyn Service>,
    _control: Server,
}

impl Running {
    /// Starts everything, or nothing.
    ///
    /// # Errors
    /// A directory that can't be used, a port that is taken, an address that can't be read.
    pub(crate) async fn start(data_dir: &Path, config: &Config) -> Result<Self> {
        let _ = (data_dir, config, Server::start);
        Err(Failure::new("internal", "This build has no node yet."))
    }

    /// Waits until the node has been told to stop.
    pub(crate) async fn stopped(&self) {
        std::future::pending().await
    }

    /// Ends everything in order.
    pub(crate) async fn close(self) {}
}
