//! What was taken before a node closes arrives, in order.

use crate::support::{Event, node, payloads, space};

#[tokio::test]
async fn what_was_taken_arrives() {
    let at = space(1).at;
    let (a, b) = (node(0, &[space(1)]).await, node(1, &[space(1)]).await);
    a.dial(&b);
    let to_b = a.entered(&b, at).await;
    b.entered(&a, at).await;
    let words: Vec<_> = (0..200u32).map(|n| n.to_be_bytes().to_vec()).collect();
    for word in &words {
        to_b.send_frame(at, word).expect("room");
    }
    a.overlay.close().await;
    let over = |events: &[Event]| events.iter().any(|e| matches!(e, Event::Disconnected(_)));
    let events = b.seen.until("the end", over).await;
    assert_eq!(payloads(&events), words);
}
