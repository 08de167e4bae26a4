//! The number of connections is bounded, some places are kept for dialling, and a place that is
//! free again can be taken.

use crate::support::{Raw, config, node, node_with};

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
