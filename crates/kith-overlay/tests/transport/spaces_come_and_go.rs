//! A space that is joined later is entered on the connection that is there; one that is left is
//! left for both, and can be entered again.

use kith_overlay::transport::SendError;

use crate::support::{Event, node, payloads, space};

#[tokio::test]
async fn spaces_come_and_go() {
    let late = space(2);
    let (a, b) = (node(0, &[space(1), late]).await, node(1, &[space(1)]).await);
    a.dial(&b);
    let to_b = a.entered(&b, space(1).at).await;
    let to_a = b.entered(&a, space(1).at).await;
    assert!(!to_b.is_in(&late.at));

    // a offered it before b joined; b finds the tag.
    b.seen.spaces.lock().expect("no test panicked here").push(late);
    to_a.offer(&[late]);
    a.entered(&b, late.at).await;
    b.entered(&a, late.at).await;
    to_b.send_frame(late.at, b"welcome").expect("entered");
    b.seen.until("a frame", |events| payloads(events) == [b"welcome".as_slice()]).await;

    to_a.leave(&late.at.space);
    let left = |event: &Event| matches!(event, Event::Left(_, at) if *at == late.at);
    for node in [&a, &b] {
        node.seen.until("left", |events| events.iter().any(left)).await;
    }
    assert_eq!(to_b.send_frame(late.at, b"gone"), Err(SendError::NotEntered));
    assert!(to_b.is_in(&space(1).at));

    to_a.offer(&[late]);
    let twice = |events: &[Event]| {
        let entered = |event: &&Event| matches!(event, Event::Entered(_, at) if *at == late.at);
        events.iter().filter(entered).count() == 2
    };
    for node in [&a, &b] {
        node.seen.until("entered again", twice).await;
    }
    to_b.send_frame(late.at, b"again").expect("entered");
    b.seen.until("a frame", |events| payloads(events).len() == 2).await;
}
