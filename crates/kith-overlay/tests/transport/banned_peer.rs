//! Who breaks the protocol is kept out for a while, which can be seen, and which a person can end;
//! who only ends abruptly is not.

use kith_overlay::transport::{CloseCode, PeerState};

use crate::support::{Raw, framed, id, node, space};

#[tokio::test]
async fn a_violation_keeps_out_for_a_while() {
    let a = node(0, &[space(1)]).await;
    let bad = Raw::connect(2, &a).await;
    let _streams = bad.open(&framed(&[0xff; 40])).await;
    assert_eq!(bad.ended().await, CloseCode::Violation);
    bad.endpoint.close().await;
    a.refused("protocol_violation", 1).await;

    let again = Raw::connect(2, &a).await;
    assert_eq!(again.ended().await, CloseCode::Limits);
    again.endpoint.close().await;
    a.refused("banned_peer", 1).await;
    let peers = a.overlay.snapshot().peers;
    let seen = peers.iter().find(|peer| peer.id == id(2)).expect("it is shown");
    assert_eq!(seen.state, PeerState::Banned);
    assert!(seen.next_try.is_some_and(|end| end > n0_future::time::Instant::now()));

    a.overlay.block(id(2), false);
    let forgiven = Raw::connect(2, &a).await;
    let _control = forgiven.greet().await;
    assert!(forgiven.conn.close_reason().is_none());
    forgiven.endpoint.close().await;
    a.overlay.close().await;
}

#[tokio::test]
async fn an_abrupt_end_is_no_violation() {
    let a = node(0, &[space(1)]).await;
    for _ in 0..3 {
        let abrupt = Raw::connect(2, &a).await;
        let (mut send, recv) = abrupt.greet().await;
        // As a node does whose task ends: the streams first, then the connection.
        send.reset(0u32.into()).expect("open");
        drop(recv);
        tokio::task::yield_now().await;
        abrupt.conn.close(0u32.into(), b"");
        abrupt.endpoint.close().await;
    }
    let last = Raw::connect(2, &a).await;
    let _control = last.greet().await;
    assert!(last.conn.close_reason().is_none());
    assert!(!a.overlay.refused().snapshot().contains_key("protocol_violation"));
    last.endpoint.close().await;
    a.overlay.close().await;
}
