//! What a member asks for without end costs this node little, and others nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kith_overlay::transport::limits::{
    INTRODUCED_BURST, LEAVE_BURST, MAX_REFUSED_STREAMS, STRANGER_WINDOW, STREAM_WINDOW,
};
use kith_overlay::transport::{CloseCode, Control, PeerAddr, Reason, StreamHeader, Way, enter_tag};
use n0_future::time::{Duration, timeout};
use tokio::task::JoinHandle;

use crate::support::{DEADLINE, Event, Raw, framed, id, node, space};

/// Each introduction is dialled at once, whoever is named, and wherever: so they are counted.
#[tokio::test]
async fn introductions_are_bounded_on_the_way_in() {
    let a = node(0, &[space(1)]).await;
    let raw = Raw::connect(1, &a).await;
    let (mut send, _recv) = raw.greet().await;
    let mut exporter = [0; 32];
    raw.conn.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let tag = enter_tag(&space(1).sync_key, &exporter, &id(1));
    let introduced = Control::Introduced {
        space: *space(1).at.space.as_bytes(),
        peer: *id(9).as_bytes(),
        addrs: vec!["127.0.0.9:9".parse().expect("an address")],
    };
    let mut messages = framed(&Control::Enter { tags: vec![tag] }.encode());
    for _ in 0..INTRODUCED_BURST + 50 {
        messages.extend(framed(&introduced.encode()));
    }
    send.write_all(&messages).await.expect("written");
    a.refused("introduced", 40).await;
    assert!(raw.conn.close_reason().is_none());
    raw.endpoint.close().await;
    a.overlay.close().await;
}

/// With each entering the two compare all that they hold: so who leaves and comes again waits.
#[tokio::test]
async fn leaving_and_coming_again_is_bounded() {
    let a = node(0, &[space(1)]).await;
    let raw = Raw::connect(1, &a).await;
    let (mut send, _recv) = raw.greet().await;
    let mut exporter = [0; 32];
    raw.conn.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let tag = enter_tag(&space(1).sync_key, &exporter, &id(1));
    let leave = Control::Leave { space: *space(1).at.space.as_bytes() };
    let turn =
        [framed(&Control::Enter { tags: vec![tag] }.encode()), framed(&leave.encode())].concat();
    send.write_all(&turn.repeat(LEAVE_BURST as usize + 10)).await.expect("written");
    a.refused("leaves", 1).await;
    let entered = |event: &&Event| matches!(event, Event::Entered(..));
    let count = a.seen.events().iter().filter(entered).count();
    assert!(count <= LEAVE_BURST as usize + 1, "{count}");
    assert!(raw.conn.close_reason().is_none());
    raw.endpoint.close().await;
    a.overlay.close().await;
}

/// Streams that are opened and given up again cost a task each, so there may not be any number.
#[tokio::test]
async fn streams_that_come_to_nothing_are_bounded() {
    let a = node(0, &[space(1)]).await;
    let raw = Raw::connect(1, &a).await;
    let _control = raw.greet().await;
    let flood = async {
        while let Ok(mut stream) = raw.conn.open_uni().await {
            let _ = stream.write_all(&[1]).await;
            let _ = stream.reset(0u32.into());
        }
    };
    timeout(DEADLINE, flood).await.expect("it is ended");
    assert_eq!(raw.ended().await, CloseCode::Limits);
    a.refused("streams_without_header", u64::from(MAX_REFUSED_STREAMS)).await;
    raw.endpoint.close().await;
    a.overlay.close().await;
}

/// Writes 4 MiB that the recorder does not read, counting.
fn write_unread(raw: &Raw, counter: &Arc<AtomicU64>) -> JoinHandle<()> {
    let (conn, counter) = (raw.conn.clone(), counter.clone());
    tokio::spawn(async move {
        let header = StreamHeader::blob(space(1).at.app, None).encode();
        let mut open = Vec::new();
        for _ in 0..4 {
            let (mut send, recv) = conn.open_bi().await.expect("a stream");
            send.write_all(&header).await.expect("it lasts");
            for _ in 0..STREAM_WINDOW / 1024 - 1 {
                send.write_all(&[0; 1024]).await.expect("it lasts");
                counter.fetch_add(1024, Ordering::Relaxed);
            }
            open.push((send, recv));
        }
        conn.closed().await;
    })
}

/// What nobody reads is kept: so a stranger may have less of it under way than a member.
#[tokio::test]
async fn strangers_have_little_under_way() {
    let a = node(0, &[space(1)]).await;
    let (stranger, member) = (Raw::connect(1, &a).await, Raw::connect(2, &a).await);
    let _control = stranger.greet().await;
    let (mut control, _recv) = member.greet().await;
    let mut exporter = [0; 32];
    member.conn.export_keying_material(&mut exporter, b"EXPORTER-kith/1", &[]).expect("material");
    let tag = enter_tag(&space(1).sync_key, &exporter, &id(2));
    let enter = Control::Enter { tags: vec![tag] }.encode();
    control.write_all(&framed(&enter)).await.expect("written");

    let counters = [Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0))];
    let tasks = [write_unread(&stranger, &counters[0]), write_unread(&member, &counters[1])];
    let sent = |n: usize| counters[n].load(Ordering::Relaxed);
    // The stranger began first, so it would have got as far.
    let members = async {
        while sent(1) <= u64::from(3 * STRANGER_WINDOW) {
            n0_future::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, members).await.expect("a member is not held back");
    assert!(sent(0) <= u64::from(STRANGER_WINDOW), "{}", sent(0));
    tasks.iter().for_each(JoinHandle::abort);
    stranger.endpoint.close().await;
    member.endpoint.close().await;
    a.overlay.close().await;
}

/// Who wants a peer on each change must not be woken by that, for ever.
#[tokio::test]
async fn wanting_again_changes_nothing() {
    let a = node(0, &[]).await;
    let reason = Reason::Space(space(1).at.space);
    a.overlay.add_peer(&PeerAddr::new(id(1), []), Way::Cache, None);
    let mut changes = a.overlay.changes();
    a.overlay.want(&id(1), reason);
    assert!(changes.has_changed().expect("it lives"));
    changes.mark_unchanged();
    a.overlay.want(&id(1), reason);
    assert!(!changes.has_changed().expect("it lives"));
    a.overlay.close().await;
}
