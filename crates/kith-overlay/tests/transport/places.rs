//! The number of connections is bounded, some places are kept for dialling, and a place that is
//! free again can be taken.

use kith_overlay::transport::CloseCode;
use n0_future::time::Duration;

use crate::support::{Raw, config, node, node_with, space};

#[tokio::test]
async fn places_are_bounded() {
    let mut small = config(0);
    small.max_connections = 4;
    let a = node_with(small, &[]).await;
    let mut raws = Vec::new();
    for n in 1..=3 {
        let raw = Raw::connect(n, &a).await;
        let control = raw.greet().await;
        raws.push((raw, control));
    }
    let late = node(4, &[]).await;
    late.dial(&a);
    a.refused("connections", 1).await;
    // The kept place.
    let wanted = node(5, &[]).await;
    a.dial(&wanted);
    a.connected(&wanted).await;
    let (gone, _) = raws.pop().expect("three");
    gone.endpoint.close().await;
    late.connected(&a).await;
    assert_eq!(a.overlay.peers().len(), 4);
}

/// Strangers that stay for nothing take no member's place, nor one that this node wants.
#[tokio::test]
async fn strangers_make_room() {
    let mut small = config(0);
    small.max_connections = 4;
    small.timings.stranger = Duration::ZERO;
    let a = node_with(small, &[space(1)]).await;
    let member = node(1, &[space(1)]).await;
    member.dial(&a);
    member.entered(&a, space(1).at).await;
    a.entered(&member, space(1).at).await;
    let mut strangers = Vec::new();
    for n in 2..=3 {
        let raw = Raw::connect(n, &a).await;
        let control = raw.greet().await;
        strangers.push((raw, control));
    }
    let late = node(4, &[space(1)]).await;
    late.dial(&a);
    late.entered(&a, space(1).at).await;
    assert_eq!(strangers[0].0.ended().await, CloseCode::Limits);
    assert!(strangers[1].0.conn.close_reason().is_none(), "one was enough");
    assert!(a.overlay.peer(&member.overlay.id()).is_some());
    for node in [a, member, late] {
        node.overlay.close().await;
    }
}
