//! Peers of a space learn of each other from one that they have in common, and only they; one that
//! can't be reached is introduced.

use std::net::SocketAddr;

use kith_overlay::transport::{PeerAddr, PeerState, Reason, Way};
use n0_future::time::Duration;

use crate::support::{config, id, node, node_with, space};

#[tokio::test]
async fn peers_are_exchanged_within_a_space() {
    let (both, other) = (space(1), space(2));
    let hub = node(0, &[both, other]).await;
    let (a, b) = (node(1, &[both]).await, node(2, &[both]).await);
    let stranger = node(3, &[other]).await;
    for peer in [&a, &stranger, &b] {
        peer.dial(&hub);
    }
    for peer in [&a, &b] {
        hub.entered(peer, both.at).await;
    }
    hub.entered(&stranger, other.at).await;
    a.entered(&b, both.at).await;
    b.entered(&a, both.at).await;
    for peer in [&a, &b, &stranger] {
        let known: Vec<_> = peer.overlay.snapshot().peers;
        let want = if peer.overlay.id() == stranger.overlay.id() { 1 } else { 2 };
        assert_eq!(known.len(), want, "nobody learns of peers of other spaces");
    }
    let exchanged = [&a, &b].iter().any(|peer| {
        peer.overlay.snapshot().peers.iter().any(|peer| peer.found.contains(&Way::Exchange))
    });
    assert!(exchanged);
}

#[tokio::test]
async fn one_that_is_not_reached_is_introduced() {
    let at = space(1);
    let hub = node(0, &[at]).await;
    let mut hasty = config(1);
    hasty.timings.dial = Duration::from_millis(200);
    let (a, b) = (node_with(hasty, &[at]).await, node(2, &[at]).await);
    b.dial(&hub);
    hub.entered(&b, at.at).await;
    // a knows b by an address where nobody is; the hub is told nothing to tell a.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let wrong = PeerAddr::new(id(2), [nobody.local_addr().expect("bound")]);
    a.overlay.add_peer(&wrong, Way::Cache, Some(Reason::Space(at.at.space)));
    a.dial(&hub);
    a.entered(&b, at.at).await;
    b.entered(&a, at.at).await;
}

#[tokio::test]
async fn global_addresses_are_not_dialled_offline() {
    let a = node(0, &[]).await;
    let far = PeerAddr::new(id(2), ["198.51.100.1:9".parse::<SocketAddr>().expect("an address")]);
    a.overlay.add_peer(&far, Way::Link, Some(Reason::Person));
    let status = &a.overlay.snapshot().peers[0];
    assert_eq!((status.state, status.next_try), (PeerState::Waiting, None));
    assert!(status.addresses.is_empty());
}
