//! Two nodes that dial each other at once end with one connection, the same for both, and every
//! frame that was taken arrives once.

use std::sync::Arc;

use kith_overlay::transport::{PeerState, SendError};

use n0_future::time::timeout;

use crate::support::{DEADLINE, Event, Node, node, payloads, space};

/// How often. Each time with new endpoints.
const ROUNDS: usize = 100;
/// Frames that each side sends, from the first moment on.
const FRAMES: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simultaneous_dials() {
    for round in 0..ROUNDS {
        let at = [space(1)];
        let (a, b) = (Arc::new(node(0, &at).await), Arc::new(node(1, &at).await));
        a.dial(&b);
        b.dial(&a);
        tokio::join!(send_all(&a), send_all(&b));
        for node in [&a, &b] {
            let all = |events: &[Event]| payloads(events).len() >= FRAMES as usize;
            node.seen.until("all frames", all).await;
            let mut got = node.seen.payloads();
            got.sort();
            let want: Vec<_> = (0..FRAMES).map(|n| n.to_be_bytes().to_vec()).collect();
            assert_eq!(got, want, "round {round}");
        }
        let mut changes = (a.overlay.changes(), b.overlay.changes());
        let settled = async {
            while !settled(&a, &b) {
                tokio::select! {
                    _ = changes.0.changed() => {}
                    _ = changes.1.changed() => {}
                }
            }
        };
        if timeout(DEADLINE, settled).await.is_err() {
            panic!("round {round}: {:?} {:?}", a.lasting(), b.lasting());
        }
        tokio::join!(a.overlay.close(), b.overlay.close());
    }
}

/// Both have one connection, the same one, and nobody dials.
fn settled(a: &Node, b: &Node) -> bool {
    let (ours, theirs) = (a.lasting(), b.lasting());
    let dials = |node: &Node| {
        node.overlay.snapshot().peers.iter().any(|peer| peer.state == PeerState::Dialling)
    };
    ours.len() == 1
        && theirs.len() == 1
        && ours[0].exporter() == theirs[0].exporter()
        && ours[0].is_open()
        && theirs[0].is_open()
        && !dials(a)
        && !dials(b)
}

async fn send_all(node: &Node) {
    let mut changes = node.overlay.changes();
    for n in 0..FRAMES {
        'sent: loop {
            for peer in node.overlay.peers() {
                match peer.send_frame(space(1).at, &n.to_be_bytes()) {
                    Ok(()) => break 'sent,
                    Err(SendError::Closed | SendError::NotEntered) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            let changed = timeout(DEADLINE, changes.changed()).await;
            let Ok(changed) = changed else {
                panic!(
                    "no peer to send to: {:?} {:?}",
                    node.overlay.peers(),
                    node.overlay.snapshot()
                );
            };
            changed.expect("the overlay lives");
        }
        tokio::task::yield_now().await;
    }
}
