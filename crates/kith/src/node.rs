//! Wires the node, its pages and its command socket: the only place that knows all three.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kith_api::Service;
use kith_gateway::{Gateway, Listeners};
use kith_node::Node;

use crate::config::Config;
use crate::control::Server;
use crate::failure::{Failure, Result};

/// How long pages may finish what they load while the node stops.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// A node with its doors.
pub(crate) struct Running {
    pub(crate) service: Arc<dyn Service>,
    node: Node,
    gateway: Gateway,
    _control: Server,
}

impl Running {
    /// Starts everything, or nothing.
    ///
    /// # Errors
    /// A directory that can't be used, a port that is taken, an address that can't be read.
    pub(crate) async fn start(data_dir: &Path, config: &Config) -> Result<Self> {
        let mut peers = Vec::with_capacity(config.peers.len());
        for peer in &config.peers {
            peers.push(peer.parse().map_err(|error| {
                Failure::usage(format!("“{peer}” is no address of a peer."))
                    .why(format!("{error}."))
                    .todo("Give what “kith status” of the other node shows as its address.")
            })?);
        }
        let node = Node::start(kith_node::Config {
            data_dir: data_dir.to_owned(),
            offline: config.offline,
            peers,
            lan: config.lan,
            http: config.http,
            bind: config.bind.clone(),
            default_name: default_name(),
        })
        .await?;
        match Self::open_doors(data_dir, config, &node).await {
            Ok((service, gateway, control)) => {
                Ok(Self { service, node, gateway, _control: control })
            }
            Err(failure) => {
                node.close().await;
                Err(failure)
            }
        }
    }

    async fn open_doors(
        data_dir: &Path,
        config: &Config,
        node: &Node,
    ) -> Result<(Arc<dyn Service>, Gateway, Server)> {
        let service: Arc<dyn Service> = Arc::new(node.clone());
        let listeners = Listeners::bind(config.http).await.map_err(|error| {
            Failure::new("port", "The pages can't be served.")
                .why(error.to_string())
                .todo("End the program that has the port, or give another one by --http.")
        })?;
        let pages = kith_gateway::Config { addr: config.http, ..Default::default() };
        let control = Server::start(data_dir, Arc::clone(&service)).map_err(|error| {
            Failure::new("storage", "The command line's socket can't be made.")
                .why(format!("{error}."))
                .todo("Give a data directory with a shorter path, or one that can be written.")
        })?;
        let gateway = Gateway::serve(listeners, pages, Arc::clone(&service));
        Ok((service, gateway, control))
    }

    /// Waits until the node has been told to stop.
    pub(crate) async fn stopped(&self) {
        self.node.stopped().await;
    }

    /// Ends everything in order.
    pub(crate) async fn close(self) {
        self.gateway.shutdown(SHUTDOWN).await;
        self.node.close().await;
    }
}

/// What a person is called before they say so: their login name.
fn default_name() -> String {
    let login = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).unwrap_or_default();
    let mut letters = login.chars();
    letters
        .next()
        .map_or_else(|| "Me".to_owned(), |first| first.to_uppercase().chain(letters).collect())
}
