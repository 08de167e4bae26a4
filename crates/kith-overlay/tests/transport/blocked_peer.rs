//! A blocked peer is dropped, does not come back, and is dialled when it is unblocked.

use kith_overlay::transport::{CloseCode, Ended, PeerState, Reason};

use crate::support::{Event, Raw, node, space};

#[tokio::test]
async fn a_blocked_peer_is_dropped() {
    let (a, b) = (node(0, &[space(1)]).await, node(1, &[space(1)]).await);
    b.dial(&a);
    let peer = b.entered(&a, space(1).at).await;
    a.entered(&b, space(1).at).await;
    a.overlay.want(&b.overlay.id(), Reason::Space(space(1).at.space));
    a.overlay.block(b.overlay.id(), true);
    let over = |event: &Event| matches!(event, Event::Disconnected(_));
    b.seen.until("dropped", |events| events.iter().any(over)).await;
    assert_eq!(peer.ended(), Some(Ended::There(CloseCode::Blocked)));
    assert_eq!(a.overlay.snapshot().peers[0].state, PeerState::Blocked);

    // Another try ends with the handshake.
    let raw = Raw::connect(1, &a).await;
    assert_eq!(raw.ended().await, CloseCode::Blocked);
    a.refused("blocked_peer", 1).await;
    assert!(a.overlay.peers().is_empty());
    raw.endpoint.close().await;

    // It waits for minutes now, so the other side dials, to where it came from.
    a.overlay.block(b.overlay.id(), false);
    let again = b.connected(&a).await;
    assert!(again.is_open() && !again.dialled());
    a.overlay.close().await;
    b.overlay.close().await;
}
