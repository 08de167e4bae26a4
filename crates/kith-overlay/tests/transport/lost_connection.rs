//! A peer for which a connection is over dials anew: its dial takes the place of the old connection
//! at once, though the old one was dialled by the smaller id and still seems to live here.

use kith_overlay::transport::{
    CloseCode, ConnectionName, Control, Ended, Hello, PeerAddr, Reason, Way, connection_name,
};

use crate::support::{Raw, framed, id, node, space};

/// A Hello of the run 9.
fn hello(lost: ConnectionName) -> Vec<u8> {
    framed(&Control::Hello(Hello { version: 1, features: 0, run_id: [9; 16], lost }).encode())
}

#[tokio::test]
async fn a_dial_after_a_loss_is_no_duplicate() {
    let a = node(0, &[space(1)]).await;
    let larger = Raw::bind(1).await;
    larger.set_alpns(vec![b"kith/1".to_vec()]);
    let addr = PeerAddr::new(id(1), larger.bound_sockets());
    a.overlay.add_peer(&addr, Way::Manual, Some(Reason::Person));
    let dialled = larger.accept().await.expect("dialled").await.expect("connected");
    let (mut send, mut recv) = dialled.accept_bi().await.expect("a control stream");
    recv.read_exact(&mut [0; 4]).await.expect("a Hello");
    send.write_all(&hello([0; 16])).await.expect("written");
    let old = loop {
        match a.overlay.peer(&id(1)) {
            Some(peer) => break peer,
            None => tokio::task::yield_now().await,
        }
    };

    // Another dial of the other side alone, while it has the first connection: that one stays.
    let to = iroh::EndpointAddr::from_parts(
        a.overlay.id(),
        a.addr().addrs.into_iter().map(iroh::TransportAddr::Ip),
    );
    let conn = larger.connect(to.clone(), b"kith/1").await.expect("connected");
    let second = Raw { endpoint: larger.clone(), conn };
    let _control = second.open(&hello([0; 16])).await;
    assert_eq!(second.ended().await, CloseCode::Duplicate);
    assert!(old.is_open());

    // The same once it is over there.
    let mut exporter = [0; 32];
    dialled.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let conn = larger.connect(to, b"kith/1").await.expect("connected");
    let third = Raw { endpoint: larger, conn };
    let _control = third.open(&hello(connection_name(&exporter))).await;
    let first = Raw { endpoint: third.endpoint.clone(), conn: dialled };
    assert_eq!(first.ended().await, CloseCode::Replaced);
    assert!(matches!(old.ended(), Some(Ended::Here(close)) if close.code == CloseCode::Replaced));
    assert!(a.overlay.peer(&id(1)).is_some_and(|peer| !peer.dialled()));
    assert!(third.conn.close_reason().is_none());
    a.overlay.close().await;
}
