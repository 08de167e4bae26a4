//! A socket with a prefix sends to nobody outside of its network, whatever addresses a peer claims
//! to have. (A socket without one is the positive control: hole punching does probe them.)

use std::net::UdpSocket;

use iroh::endpoint::QuicTransportConfig;
use n0_future::time::{Duration, sleep, timeout};

use crate::support::{DEADLINE, Raw, config, id, node_with, space};
use kith_overlay::transport::{PeerAddr, Reason, Way};

#[tokio::test]
async fn a_bounded_socket_stays_in_its_network() {
    let mut decoys = Vec::new();
    let mut held = Vec::new();
    for (n, prefix) in [(1, Some(30)), (2, None)] {
        let mut config = config(0);
        config.bind[0].prefix = prefix;
        let a = node_with(config, &[space(1)]).await;
        // Outside of 127.0.0.1/30, and nobody's address.
        let decoy = UdpSocket::bind("127.0.0.9:0").expect("a port");
        decoy.set_nonblocking(true).expect("a socket");
        // A peer that says it has this address, too: one that dials, and one that is dialled.
        let raw = Raw::connect_with(n, &a, QuicTransportConfig::builder().build()).await;
        raw.endpoint.add_external_addr(decoy.local_addr().expect("bound")).await;
        let control = raw.greet().await;
        let other = Raw::bind(n + 2).await;
        other.set_alpns(vec![b"kith/1".to_vec()]);
        other.add_external_addr(decoy.local_addr().expect("bound")).await;
        let addr = PeerAddr::new(id(n + 2), other.bound_sockets());
        a.overlay.add_peer(&addr, Way::Manual, Some(Reason::Person));
        let incoming = other.accept().await.expect("dialled").await.expect("connected");
        decoys.push(decoy);
        held.push((a, raw, control, other, incoming));
    }
    let probed = async {
        while decoys[1].recv(&mut [0; 2048]).is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(DEADLINE, probed).await.expect("the unbounded socket probes the address");
    // The bounded one met its peers before, and for as long.
    assert!(decoys[0].recv(&mut [0; 2048]).is_err(), "something left the network");
}
