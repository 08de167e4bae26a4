//! The local socket by which commands speak to the running node.
//!
//! JSON lines each way, each one a message of [`kith_api::rpc`]; whoever connects is the owner. So
//! only the owner may: the socket's file has mode 0600, and the other side's user id must be one's
//! own, on both sides ([`socket`]). [`server`] serves, [`client`] asks, [`lines`] reads lines up to
//! a limit.

mod client;
#[cfg(test)]
pub(crate) mod fixture;
mod lines;
mod server;
#[cfg_attr(unix, path = "control/unix.rs")]
#[cfg_attr(windows, path = "control/windows.rs")]
mod socket;

pub(crate) use client::Client;
pub(crate) use server::Server;

/// Longest message to the node, in bytes: a link and a path fit many times over.
const MAX_REQUEST: usize = 1024 * 1024;
/// Longest message from the node, in bytes: a list of apps with their icons.
const MAX_REPLY: usize = 64 * 1024 * 1024;
/// Commands connected at once. A person runs one or two; a script some more.
const MAX_CONNECTIONS: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kith_api::{
        BlockPeer, Empty, Event, OpeningStage, Peers, Publish, Published, Subscription,
    };
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::fixture::Fixture;
    use super::*;

    fn node() -> (tempfile::TempDir, Server) {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::start(dir.path(), Arc::new(Fixture)).unwrap();
        (dir, server)
    }

    #[tokio::test]
    async fn a_command_calls_a_method() {
        let (dir, _server) = node();
        let mut client = Client::connect(dir.path()).await.unwrap();
        let peers: Peers = client.call("peers.list", &Empty {}).await.unwrap();
        assert_eq!(peers, fixture::peers());
    }

    #[tokio::test]
    async fn an_error_arrives_in_its_three_parts() {
        let (dir, _server) = node();
        let mut client = Client::connect(dir.path()).await.unwrap();
        let block = BlockPeer { peer: "a".into(), blocked: true };
        let failure = client.call::<Empty>("peers.block", &block).await.unwrap_err();
        assert_eq!(failure.code, "not_found");
        assert_eq!(
            (failure.why.as_str(), failure.todo.as_str()),
            ("This is a fixture.", "Ask a real node.")
        );
        // The owner is no page.
        let failure = client.call::<Empty>("me", &Empty {}).await.unwrap_err();
        assert_eq!(failure.code, "not_permitted");
    }

    #[tokio::test]
    async fn a_subscription_yields_its_events_in_order_beside_calls() {
        let (dir, _server) = node();
        let mut client = Client::connect(dir.path()).await.unwrap();
        let opening =
            client.subscribe(Subscription::Opening { opening: "o1".into() }).await.unwrap();
        let _: Peers = client.call("peers.list", &Empty {}).await.unwrap();
        let stage = |event| match event {
            Event::Opening(opening) => opening.stage,
            other => panic!("{other:?}"),
        };
        let first = stage(client.event(opening).await.unwrap());
        assert!(matches!(first, OpeningStage::Fetching { bytes: 10, .. }));
        let second = stage(client.event(opening).await.unwrap());
        assert!(matches!(second, OpeningStage::Asking { invited: true, .. }));
    }

    #[tokio::test]
    async fn a_slow_call_holds_back_no_other_command() {
        let (dir, _server) = node();
        let mut slow = Client::connect(dir.path()).await.unwrap();
        let publish = Publish { path: "/a".into(), key: None };
        let mut waiting = Box::pin(slow.call::<Published>("apps.publish", &publish));
        let mut quick = Client::connect(dir.path()).await.unwrap();
        tokio::select! {
            biased;
            done = &mut waiting => panic!("{done:?}"),
            peers = quick.call::<Peers>("peers.list", &Empty {}) => drop(peers.unwrap()),
        }
    }

    #[tokio::test]
    async fn without_a_node_it_is_said_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let failure = Client::connect(dir.path()).await.err().unwrap();
        assert_eq!(failure.code, "not_running");
        assert!(failure.todo.contains("kith up"));
        assert!(Client::connect_if_running(dir.path()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_request_that_is_too_long_or_no_json_ends_only_its_own_connection() {
        let (dir, _server) = node();
        let mut long = socket::connect(dir.path()).await.unwrap();
        // The node may hang up before all is written.
        let _ = long.write_all(&vec![b'a'; MAX_REQUEST + 2]).await;
        let mut answer = String::new();
        let _ = long.read_to_string(&mut answer).await;
        assert!(answer.contains("too_large"), "{answer}");
        answer.clear();

        let mut bad = socket::connect(dir.path()).await.unwrap();
        bad.write_all(b"{]\n").await.unwrap();
        bad.shutdown().await.unwrap();
        bad.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("malformed"), "{answer}");

        let mut client = Client::connect(dir.path()).await.unwrap();
        let _: Peers = client.call("peers.list", &Empty {}).await.unwrap();
    }
}
