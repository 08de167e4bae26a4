//! What a member asks for without end costs this node little, and others nothing.

use kith_overlay::transport::limits::{INTRODUCED_BURST, MAX_REFUSED_STREAMS};
use kith_overlay::transport::{CloseCode, Control, PeerAddr, Reason, Way, enter_tag};

use crate::support::{DEADLINE, Raw, framed, id, node, space};

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
    tokio::time::timeout(DEADLINE, flood).await.expect("it is ended");
    assert_eq!(raw.ended().await, CloseCode::Limits);
    a.refused("streams_without_header", u64::from(MAX_REFUSED_STREAMS)).await;
    raw.endpoint.close().await;
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
