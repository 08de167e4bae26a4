//! A command's side of the socket.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use kith_api::rpc::{Outgoing, Request, Version};
use kith_api::{Event, Subscription};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use super::lines::Lines;
use super::{MAX_REPLY, socket};
use crate::failure::{Failure, Result};

/// Events that may wait while an answer is awaited. A command has one subscription.
const MAX_WAITING: usize = 256;

/// A connection to the running node.
pub(crate) struct Client {
    data_dir: PathBuf,
    lines: Lines<ReadHalf<socket::Stream>>,
    writer: WriteHalf<socket::Stream>,
    next_id: u64,
    events: VecDeque<(u64, Event)>,
}

/// A subscription's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscribed(u64);

impl Client {
    /// Connects to the node of a data directory.
    ///
    /// # Errors
    /// A failure that says what to do when there is none.
    pub(crate) async fn connect(data_dir: &Path) -> Result<Self> {
        match Self::connect_if_running(data_dir).await? {
            Some(client) => Ok(client),
            None => Err(Failure::new("not_running", "kith is not running.")
                .why(format!("No node uses {}.", data_dir.display()))
                .todo("Start it with `kith up`, or name another data directory with --data-dir.")),
        }
    }

    /// Connects where a node is running; `None` where there is none.
    ///
    /// # Errors
    /// When it can't be told, or the socket is somebody else's.
    pub(crate) async fn connect_if_running(data_dir: &Path) -> Result<Option<Self>> {
        match socket::connect(data_dir).await {
            Ok(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                Ok(Some(Self {
                    data_dir: data_dir.to_owned(),
                    lines: Lines::new(reader, MAX_REPLY),
                    writer,
                    next_id: 1,
                    events: VecDeque::new(),
                }))
            }
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::new("socket", "The running node can't be asked.")
                .why(format!("Its socket in {} can't be used: {error}.", data_dir.display()))
                .todo("Run the command as the person who started kith.")),
        }
    }

    /// Calls a method.
    pub(crate) async fn call<R: DeserializeOwned>(
        &mut self,
        method: &str,
        params: &impl Serialize,
    ) -> Result<R> {
        let id = self.send(method, params).await?;
        loop {
            match self.receive().await? {
                Outgoing::Result { id: of, result, .. } if of == id => {
                    return serde_json::from_value(result).map_err(|error| misunderstood(&error));
                }
                Outgoing::Failed { id: of, error, .. } if of == id => {
                    return Err(error.data.into());
                }
                Outgoing::Event { params, .. } => {
                    if self.events.len() == MAX_WAITING {
                        self.events.pop_front();
                    }
                    self.events.push_back((params.subscription, params.event));
                }
                // An answer to a call that was given up.
                Outgoing::Result { .. } | Outgoing::Failed { .. } => {}
            }
        }
    }

    /// Subscribes; [`Self::event`] then yields the events.
    pub(crate) async fn subscribe(&mut self, to: Subscription) -> Result<Subscribed> {
        #[derive(serde::Deserialize)]
        struct Reply {
            subscription: u64,
        }
        let reply: Reply = self.call("subscribe", &to).await?;
        Ok(Subscribed(reply.subscription))
    }

    /// The next event of a subscription.
    pub(crate) async fn event(&mut self, subscription: Subscribed) -> Result<Event> {
        loop {
            while let Some((of, event)) = self.events.pop_front() {
                if of == subscription.0 {
                    return Ok(event);
                }
            }
            if let Outgoing::Event { params, .. } = self.receive().await? {
                self.events.push_back((params.subscription, params.event));
            }
        }
    }

    /// Waits until the node's process has ended.
    pub(crate) async fn ended(mut self) {
        while let Ok(Some(_)) = self.lines.next().await {}
    }

    async fn send(&mut self, method: &str, params: &impl Serialize) -> Result<Value> {
        let id = json!(self.next_id);
        self.next_id += 1;
        let params = serde_json::to_value(params).map_err(|error| misunderstood(&error))?;
        let request =
            Request { jsonrpc: Version::V2, id: Some(id.clone()), method: method.into(), params };
        let mut line = serde_json::to_vec(&request).map_err(|error| misunderstood(&error))?;
        line.push(b'\n');
        self.writer.write_all(&line).await.map_err(|error| self.broken(&error.to_string()))?;
        Ok(id)
    }

    async fn receive(&mut self) -> Result<Outgoing> {
        match self.lines.next().await {
            Ok(Some(line)) => serde_json::from_str(&line).map_err(|error| misunderstood(&error)),
            Ok(None) => Err(self.broken("it hung up")),
            Err(error) => Err(self.broken(&error.to_string())),
        }
    }

    fn broken(&self, why: &str) -> Failure {
        Failure::new("stopping", "The node stopped while it was asked.")
            .why(format!("The connection to it broke: {why}."))
            .todo(format!("Start it again with `kith up --data-dir {}`.", self.data_dir.display()))
    }
}

fn misunderstood(error: &serde_json::Error) -> Failure {
    Failure::new("internal", "The node and this command do not understand each other.")
        .why(format!("{error}."))
        .todo("They may be of different versions: restart the node with `kith stop` and `kith up`.")
}
