//! A machine that gets an address later gets a socket for it: it is reached there, and reaches from
//! there; what was connected stays so.

use std::net::SocketAddr;

use kith_overlay::transport::limits::MAX_ENDPOINTS;
use kith_overlay::transport::{Bind, PeerAddr, Reason, Way};

use crate::support::{config, id, node_with, space};

fn socket(ip: [u8; 4], port: u16) -> Bind {
    Bind { addr: SocketAddr::from((ip, port)), prefix: Some(30), required: true }
}

#[tokio::test]
async fn added_sockets_serve() {
    let at = space(1).at;
    let mut nodes = Vec::new();
    // Three networks: 127.0.0.0/30, .4/30 and .8/30.
    for (n, last) in [(0, 1), (1, 2), (2, 5), (3, 9)] {
        let mut config = config(n);
        config.bind = vec![socket([127, 0, 0, last], 0)];
        nodes.push(node_with(config, &[space(1)]).await);
    }
    let [a, b, c, d] = &nodes[..] else { unreachable!("four were made") };
    b.dial(a);
    let kept = b.entered(a, at).await;
    // Neither side has a socket there.
    a.overlay.add_peer(&c.addr(), Way::Manual, Some(Reason::Person));
    let port = a.overlay.bound()[0].port();
    let gained = [6, 10].map(|last| socket([127, 0, 0, last], port));
    a.overlay.add_sockets(gained.to_vec()).await.expect("bound");
    a.connected(c).await;
    let there = PeerAddr::new(id(0), [gained[1].addr]);
    d.overlay.add_peer(&there, Way::Manual, Some(Reason::Person));
    d.entered(a, at).await.send_frame(at, b"by the new socket").expect("room");
    a.seen.until("a frame", |events| !crate::support::payloads(events).is_empty()).await;
    assert!(kept.is_open() && a.overlay.addr().addrs.contains(&gained[1].addr));

    // Many networks: some are kept, the first one always.
    for last in 20..30 {
        a.overlay.add_sockets(vec![socket([127, 0, 0, last], port)]).await.expect("bound");
    }
    assert_eq!(a.overlay.bound().len(), MAX_ENDPOINTS);
    assert!(kept.is_open());
    for node in &nodes {
        node.overlay.close().await;
    }
    assert!(a.overlay.add_sockets(vec![gained[0]]).await.is_err(), "it is closed");
}
