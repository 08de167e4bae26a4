//! Peers that break the rules are dropped with the code that says so, and counted; an honest one
//! notices nothing.

use iroh::endpoint::VarInt;
use kith_overlay::transport::limits::{MAX_CONTROL_FRAME, MAX_FRAME, MAX_REFUSED_STREAMS};
use kith_overlay::transport::{CloseCode, Control, Hello, StreamHeader};
use n0_future::time::Duration;

use crate::support::{Event, Node, Raw, config, framed, hello, node, node_with, payloads, space};

/// The honest one still gets through.
async fn unharmed(a: &Node, honest: &Node) {
    let at = space(1).at;
    let before = a.seen.payloads().len();
    honest.entered(a, at).await.send_frame(at, b"still here").expect("room");
    a.seen.until("the honest one's frame", |events| payloads(events).len() > before).await;
}

async fn pair() -> (Node, Node) {
    let mut quick = config(0);
    quick.timings.hello = Duration::from_millis(300);
    quick.timings.header = Duration::from_millis(300);
    quick.timings.enter = Duration::from_millis(50);
    let a = node_with(quick, &[space(1)]).await;
    let honest = node(1, &[space(1)]).await;
    honest.dial(&a);
    honest.entered(&a, space(1).at).await;
    (a, honest)
}

#[tokio::test]
async fn a_hello_that_is_none() {
    let (a, honest) = pair().await;
    let newer = Hello { version: 2, features: 0, run_id: [0; 16], lost: [0; 16] };
    let newer = Control::Hello(newer).encode();
    let mut trailing = hello().encode();
    trailing.push(0);
    let cases: [(&str, Vec<u8>, CloseCode); 8] = [
        ("noise", framed(&[0xff; 40]), CloseCode::Violation),
        ("empty", framed(&[]), CloseCode::Violation),
        ("cut", framed(&hello().encode()[..9]), CloseCode::Violation),
        ("trailing", framed(&trailing), CloseCode::Violation),
        (
            "another message",
            framed(&Control::Enter { tags: vec![] }.encode()),
            CloseCode::Violation,
        ),
        ("another version", framed(&newer), CloseCode::Incompatible),
        ("a longer newer one", framed(&[&newer[..], &[7; 99]].concat()), CloseCode::Incompatible),
        ("too long", framed(&vec![0; MAX_CONTROL_FRAME + 1]), CloseCode::Violation),
    ];
    for (n, (what, bytes, code)) in cases.into_iter().enumerate() {
        let raw = Raw::connect(2 + n, &a).await;
        let _streams = raw.open(&bytes).await;
        assert_eq!(raw.ended().await, code, "{what}");
        raw.endpoint.close().await;
    }
    a.refused("protocol_violation", 6).await;
    a.refused("incompatible", 2).await;
    assert!(a.seen.events().iter().filter(|e| matches!(e, Event::Connected(_))).count() == 1);
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn no_hello() {
    let (a, honest) = pair().await;
    let silent = Raw::connect(2, &a).await;
    let half = Raw::connect(3, &a).await;
    let _streams = half.open(&framed(&hello().encode())[..7]).await;
    assert_eq!(silent.ended().await, CloseCode::Limits);
    assert_eq!(half.ended().await, CloseCode::Limits);
    a.refused("limits", 2).await;
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn nonsense_on_the_control_stream() {
    let (a, honest) = pair().await;
    for (n, what, body) in [
        (2, "a second Hello", hello().encode()),
        (3, "a cut message", Control::Leave { space: [1; 32] }.encode()[..20].to_vec()),
        (4, "a long number", vec![0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80]),
    ] {
        let raw = Raw::connect(n, &a).await;
        let (mut send, _recv) = raw.greet().await;
        send.write_all(&framed(&body)).await.expect("written");
        assert_eq!(raw.ended().await, CloseCode::Violation, "{what}");
        raw.endpoint.close().await;
    }
    // The end of the stream, without Goodbye.
    let raw = Raw::connect(5, &a).await;
    let (mut send, _recv) = raw.greet().await;
    send.finish().expect("open");
    assert_eq!(raw.ended().await, CloseCode::Violation);
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn what_is_newer_is_skipped() {
    let (a, honest) = pair().await;
    let raw = Raw::connect(2, &a).await;
    let (mut send, _recv) = raw.greet().await;
    send.write_all(&framed(&[0x64, 1, 2, 3])).await.expect("written");
    a.refused("control_of_newer_version", 1).await;
    let (mut stream, _answer) = raw.conn.open_bi().await.expect("a stream");
    stream.write_all(&[200; 65]).await.expect("written");
    a.refused("streams_of_unknown_kind", 1).await;
    assert!(raw.conn.close_reason().is_none());
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn frames_that_are_none() {
    let (a, honest) = pair().await;
    let header = StreamHeader::frames(space(1).at.app).encode();
    let long = u32::try_from(MAX_FRAME + 1).expect("short").to_be_bytes();
    for (n, what, bytes) in [
        (2, "too long", [&header[..], &long[..]].concat()),
        (3, "without a space", [&header[..], &framed(&[1; 31])].concat()),
        (4, "two ways", [&StreamHeader::bulk(space(1).at).encode()[..]].concat()),
    ] {
        let raw = Raw::connect(n, &a).await;
        let _control = raw.greet().await;
        let mut stream = raw.conn.open_uni().await.expect("a stream");
        stream.write_all(&bytes).await.expect("written");
        assert_eq!(raw.ended().await, CloseCode::Violation, "{what}");
        raw.endpoint.close().await;
    }
    // A frame in a space that was not entered is dropped, and told nobody.
    let raw = Raw::connect(5, &a).await;
    let _control = raw.greet().await;
    let mut stream = raw.conn.open_uni().await.expect("a stream");
    let frame = framed(&[&[1; 32][..], b"let me in"].concat());
    stream.write_all(&[&header[..], &frame].concat()).await.expect("written");
    a.refused("frames_of_other_spaces", 1).await;
    assert!(a.seen.payloads().iter().all(|payload| payload.as_ref() != b"let me in"));
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn too_many_streams() {
    let (a, honest) = pair().await;
    let raw = Raw::connect(2, &a).await;
    let _control = raw.greet().await;
    let mut open = Vec::new();
    // The recorder keeps these open; those over the cap are refused, until it is enough.
    let header = StreamHeader::blob(space(1).at.app, None).encode();
    let opening = async {
        while let Ok((mut send, recv)) = raw.conn.open_bi().await {
            if send.write_all(&header).await.is_err() {
                break;
            }
            open.push((send, recv));
        }
    };
    tokio::select! {
        () = opening => {}
        _ = raw.conn.closed() => {}
    }
    assert_eq!(raw.ended().await, CloseCode::Limits);
    a.refused("streams_of_one_kind", u64::from(MAX_REFUSED_STREAMS)).await;
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn streams_without_a_header() {
    let (a, honest) = pair().await;
    let raw = Raw::connect(2, &a).await;
    let _control = raw.greet().await;
    let (mut send, mut recv) = raw.conn.open_bi().await.expect("a stream");
    send.write_all(&[3; 10]).await.expect("written");
    assert!(recv.read_to_end(1).await.is_err());
    let (mut send, _recv) = raw.conn.open_bi().await.expect("a stream");
    send.write_all(&[3; 10]).await.expect("written");
    send.reset(VarInt::from_u32(0)).expect("open");
    a.refused("streams_without_header", 2).await;
    assert!(raw.conn.close_reason().is_none());
    unharmed(&a, &honest).await;
}

#[tokio::test]
async fn what_the_handler_rejects() {
    let (a, honest) = pair().await;
    let bad = node(3, &[space(1)]).await;
    bad.dial(&a);
    let peer = bad.entered(&a, space(1).at).await;
    peer.send_frame(space(1).at, b"nonsense").expect("room");
    let over = |event: &Event| matches!(event, Event::Disconnected(_));
    bad.seen.until("dropped", |events| events.iter().any(over)).await;
    assert_eq!(peer.ended().map(|ended| ended.fault()), Some(kith_overlay::transport::Fault::Ours));
    unharmed(&a, &honest).await;
}
