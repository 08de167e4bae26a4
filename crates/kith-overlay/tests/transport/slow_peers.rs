//! One that never reads, one that grants no streams and one that floods hold back nobody else.

use iroh::endpoint::{QuicTransportConfig, VarInt};
use kith_overlay::transport::limits::LANE_BYTES;
use kith_overlay::transport::{Control, SendError, enter_tag};
use n0_future::time::Duration;

use crate::support::{Raw, config, framed, node, node_with, payloads, space};

#[tokio::test]
async fn one_that_never_takes_frames() {
    let (slow_space, fine) = (space(1).at, space(2).at);
    let a = node(0, &[space(1), space(2)]).await;
    let mut config = config(1);
    config.timings.stall = Duration::from_millis(300);
    let slow = node_with(config, &[space(1), space(2)]).await;
    slow.seen.held.lock().expect("no test panicked here").insert(slow_space);
    let other = node(2, &[space(1)]).await;
    a.dial(&slow);
    a.dial(&other);
    let to_slow = a.entered(&slow, slow_space).await;
    a.entered(&slow, fine).await;
    let to_other = a.entered(&other, slow_space).await;
    let big = vec![7; 64 * 1024];
    let mut taken = 0;
    while to_slow.send_frame(slow_space, &big).is_ok() {
        taken += 1;
        assert!(taken < 10_000, "the queue has an end");
        if taken % 8 == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert!(taken * big.len() >= LANE_BYTES / 2);
    // The same peer in another app, and another peer in the same app.
    to_slow.send_frame(fine, b"fine").expect("a queue of its own");
    to_other.send_frame(slow_space, b"fine").expect("a queue of its own");
    slow.seen.until("the other app", |events| payloads(events) == [b"fine".as_slice()]).await;
    other.seen.until("the other peer", |events| payloads(events) == [b"fine".as_slice()]).await;
    // The stalled stream is ended, and a new one works once the frames are taken.
    slow.refused("frames_stalled", 1).await;
    a.refused("frames_stopped_by_peer", 1).await;
    slow.seen.held.lock().expect("no test panicked here").clear();
    while to_slow.send_frame(slow_space, b"again") == Err(SendError::Closed) {
        tokio::task::yield_now().await;
    }
    slow.seen
        .until("frames again", |events| {
            payloads(events).last().is_some_and(|last| last.as_ref() == b"again")
        })
        .await;
    assert!(to_slow.is_open());
}

#[tokio::test]
async fn one_that_grants_no_streams() {
    let at = space(1).at;
    let (a, other) = (node(0, &[space(1)]).await, node(1, &[space(1)]).await);
    a.dial(&other);
    let to_other = a.entered(&other, at).await;
    let miser = QuicTransportConfig::builder()
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .build();
    let raw = Raw::connect_with(2, &a, miser).await;
    let (mut send, _recv) = raw.greet().await;
    let mut exporter = [0; 32];
    raw.conn.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let tag = enter_tag(&space(1).sync_key, &exporter, &raw.endpoint.id());
    send.write_all(&framed(&Control::Enter { tags: vec![tag] }.encode())).await.expect("written");
    let to_miser = {
        let id = raw.endpoint.id();
        let mut changes = a.overlay.changes();
        loop {
            match a.overlay.peer(&id).filter(|peer| peer.is_in(&at)) {
                Some(peer) => break peer,
                None => changes.changed().await.expect("the overlay lives"),
            }
        }
    };
    let mut taken = 0;
    let end = loop {
        match to_miser.send_frame(at, &[7; 60_000]) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(end, SendError::Full);
    assert!(taken <= LANE_BYTES / 60_000);
    to_other.send_frame(at, b"fine").expect("a queue of its own");
    other.seen.until("the other peer", |events| payloads(events) == [b"fine".as_slice()]).await;
}

#[tokio::test]
async fn one_that_floods() {
    let at = space(1).at;
    let a = node(0, &[space(1)]).await;
    let (flood, fine) = (node(1, &[space(1)]).await, node(2, &[space(1)]).await);
    flood.dial(&a);
    fine.dial(&a);
    let from_flood = flood.entered(&a, at).await;
    let from_fine = fine.entered(&a, at).await;
    let flooding = tokio::spawn(async move {
        loop {
            let _ = from_flood.send_frame(at, &[7; 100_000]);
            tokio::task::yield_now().await;
        }
    });
    for n in 0..50u32 {
        from_fine.send_frame(at, &n.to_be_bytes()).expect("room");
        let mine = |payload: &bytes::Bytes| payload.as_ref() == n.to_be_bytes();
        a.seen.until("the quiet one's frame", |events| payloads(events).iter().any(mine)).await;
    }
    flooding.abort();
}
