//! Two nodes connect, enter the space that they share, and no other; frames and streams go both
//! ways and are counted; both see the end.

use crate::support::{Event, node, payloads, space};
use kith_overlay::transport::{
    CloseCode, Ended, PeerState, SendError, StreamCode, StreamError, StreamHeader,
};

#[tokio::test]
async fn two_peers_meet() {
    let (a, b) = (node(0, &[space(1), space(2)]).await, node(1, &[space(1), space(3)]).await);
    a.dial(&b);
    let at = space(1).at;
    let (to_b, to_a) = (a.entered(&b, at).await, b.entered(&a, at).await);
    assert_eq!(to_b.exporter(), to_a.exporter());
    assert_eq!(to_b.run_id(), b.overlay.run_id());
    assert!(to_b.dialled() && !to_a.dialled());
    assert_eq!(to_b.spaces(), [at]);
    assert_eq!(to_b.send_frame(space(2).at, b"no"), Err(SendError::NotEntered));
    assert_eq!(to_b.send_frame(at, &vec![0; 1 << 20]), Err(SendError::TooLong));

    to_b.send_frame(at, b"from a").unwrap();
    to_a.send_frame(at, b"from b").unwrap();
    b.seen.until("a frame", |events| payloads(events) == [b"from a".as_slice()]).await;
    a.seen.until("a frame", |events| payloads(events) == [b"from b".as_slice()]).await;

    let (mut send, mut recv) = to_b.open_bi(StreamHeader::bulk(at), 0).await.unwrap();
    send.write_all(b"echo").await.unwrap();
    send.finish();
    assert_eq!(recv.read_to_end(100).await.unwrap(), b"echo".as_slice());

    // A space that exists, but is not shared, and one that does not: the same answer.
    for other in [space(3).at, space(9).at] {
        let (mut send, mut recv) = to_b.open_bi(StreamHeader::bulk(other), 0).await.unwrap();
        let _ = send.write_all(b"echo").await;
        let answer = recv.read_to_end(100).await;
        assert_eq!(answer, Err(StreamError::Ended(StreamCode::UnknownSpace)));
    }

    let snapshot = a.overlay.snapshot();
    assert_eq!(snapshot.peers.len(), 1);
    assert_eq!(snapshot.peers[0].state, PeerState::Connected);
    assert_eq!(snapshot.peers[0].address, Some(b.addr().addrs[0]));
    assert_eq!(snapshot.peers[0].worked, b.addr().addrs);
    let (mine, theirs) = (snapshot.traffic, b.overlay.traffic());
    let app = |traffic: &kith_overlay::transport::Traffic| traffic.apps[&at.app];
    assert_eq!(app(&mine).sent, app(&theirs).received);
    assert_eq!(app(&mine).received, app(&theirs).sent);
    // Two headers and a frame of 4 + 32 + 6, and "echo".
    assert_eq!(app(&mine).sent, 65 + 42 + 65 + 4);

    a.overlay.close().await;
    let over = |event: &Event| matches!(event, Event::Disconnected(_));
    b.seen.until("the end", |events| events.iter().any(over)).await;
    a.seen.until("the end", |events| events.iter().any(over)).await;
    assert_eq!(to_a.ended(), Some(Ended::There(CloseCode::Shutdown)));
    assert_eq!(to_b.send_frame(at, b"late"), Err(SendError::Closed));
    b.overlay.close().await;
}
