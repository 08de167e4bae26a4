//! Wires the node, its pages and its command socket: the only place that knows all three.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kith_api::Service;
use kith_gateway::{BindError, Gateway, Listeners};
use kith_node::Node;

use crate::config::Config;
use crate::control::{Client, Server};
use crate::failure::{Failure, Result};
use crate::system;

/// How long pages may take to finish what they were sent when kith stops.
const FINISH_WITHIN: Duration = Duration::from_secs(2);

/// A node with its doors.
pub(crate) struct Running {
    pub(crate) service: Arc<dyn Service>,
    node: Node,
    gateway: Gateway,
    control: Server,
}

impl Running {
    /// Starts everything, or nothing.
    ///
    /// # Errors
    /// A directory that can't be used or is in use, a port that is taken, an address that can't be
    /// read.
    pub(crate) async fn start(data_dir: &Path, config: &Config) -> Result<Self> {
        system::make_private_dir(data_dir).map_err(|error| no_dir(data_dir, &error))?;
        if Client::connect_if_running(data_dir).await?.is_some() {
            return Err(already_running(data_dir));
        }
        let mut peers = Vec::with_capacity(config.peers.len());
        for peer in &config.peers {
            peers.push(peer.parse().map_err(|error| bad_peer(peer, &error))?);
        }
        // The port first: the node makes URLs with it, and 0 picks one.
        let listeners = Listeners::bind(config.http).await.map_err(|error| no_port(&error))?;
        let http = SocketAddr::new(config.http.ip(), listeners.port());
        let node = Node::start(kith_node::Config {
            data_dir: data_dir.to_owned(),
            offline: config.offline,
            peers,
            lan: config.lan,
            http,
            bind: config.bind.clone(),
            default_name: system::person(),
        })
        .await?;
        let service: Arc<dyn Service> = Arc::new(node.clone());
        let control = match Server::start(data_dir, Arc::clone(&service)) {
            Ok(control) => control,
            Err(error) => {
                node.close().await;
                return Err(no_socket(&error));
            }
        };
        let pages = kith_gateway::Config { addr: http, ..Default::default() };
        let gateway = Gateway::serve(listeners, pages, Arc::clone(&service));
        Ok(Self { service, node, gateway, control })
    }

    /// Waits until the node has been told to stop.
    pub(crate) async fn stopped(&self) {
        self.node.stopped().await;
    }

    /// Ends everything in order: no new commands and pages, then the node. Commands that wait for
    /// the end see it when the process is gone.
    pub(crate) async fn close(self) {
        drop(self.control);
        self.gateway.shutdown(FINISH_WITHIN).await;
        self.node.close().await;
    }
}

fn no_dir(data_dir: &Path, error: &std::io::Error) -> Failure {
    Failure::new("storage", format!("{} can't be used.", data_dir.display()))
        .why(format!("{error}."))
        .todo("Make it writable, or name another folder with --data-dir.")
}

fn already_running(data_dir: &Path) -> Failure {
    Failure::new("already_running", "kith is running already.")
        .why(format!("A node uses {}.", data_dir.display()))
        .todo(
            "`kith` opens its dashboard, `kith stop` stops it; --data-dir names another directory.",
        )
}

fn bad_peer(peer: &str, error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("“{peer}” is no address of a node."))
        .why(format!("{error}."))
        .todo("Copy what `kith status` shows there: <node id>@ip:port[,ip:port].")
}

fn no_port(error: &BindError) -> Failure {
    match error {
        BindError::Taken { addr, holder } => {
            Failure::new("port_taken", format!("Pages can't be served: port {} is taken.", addr.port()))
                .why(format!("It is in use by {holder}."))
                .todo("Stop that program, or choose another port with --http 127.0.0.1:PORT; what pages keep in the browser belongs to the port.")
        }
        BindError::NotLoopback(_) => Failure::usage(error.to_string()),
        BindError::Io { addr, source } => {
            Failure::new("port", format!("Pages can't be served at {addr}.")).why(format!("{source}."))
        }
    }
}

fn no_socket(error: &std::io::Error) -> Failure {
    Failure::new("socket", "The command socket can't be made.")
        .why(format!("{error}."))
        .todo("Name a folder on a local disk with --data-dir.")
}
