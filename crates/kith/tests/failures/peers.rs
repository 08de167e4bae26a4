//! Peers that speak the right protocol's name and then nonsense: the node counts them and goes on
//! serving the others.

use std::time::Duration;

use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream, presets};
use iroh::{Endpoint, EndpointAddr, EndpointId, TransportAddr};
use serde_json::{Value, json};

use crate::fixture::Node;
use crate::support::{Control, PATIENCE, Page, eventually};
use crate::unharmed::Witness;

/// What kith peers greet each other with: a frame of kind 0, version 1, no features, a run's id, and
/// no connection that was lost.
const HELLO: &[u8] = &[
    0, 0, 0, 35, 0, 1, 0, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0,
];
/// Application close codes of the protocol.
const VIOLATION: u64 = 1;
const INCOMPATIBLE: u64 = 2;

/// A peer that is made by hand.
pub(crate) struct Garbage {
    pub(crate) endpoint: Endpoint,
    pub(crate) conn: Connection,
    /// What the node says on the control stream, read by nobody.
    unread: Option<RecvStream>,
}

impl Garbage {
    async fn connect(addr: &str) -> Self {
        Self::reach(addr, iroh::SecretKey::generate()).await.expect("strangers may connect")
    }

    /// Connects as the holder of a key.
    pub(crate) async fn with_key(addr: &str, key: [u8; 32]) -> Self {
        let key = iroh::SecretKey::from_bytes(&key);
        Self::reach(addr, key).await.expect("it may connect")
    }

    async fn reach(addr: &str, key: iroh::SecretKey) -> Option<Self> {
        let endpoint = Endpoint::builder(presets::Minimal)
            .secret_key(key)
            .clear_ip_transports()
            .bind_addr("127.0.0.1:0")
            .expect("an address")
            .bind()
            .await
            .expect("a free port");
        let (id, addrs) = addr.split_once('@').expect("an address");
        let addrs = addrs.split(',').map(|addr| TransportAddr::Ip(addr.parse().expect("ip:port")));
        let id: EndpointId = id.parse().expect("an id");
        match endpoint.connect(EndpointAddr::from_parts(id, addrs), b"kith/1").await {
            Ok(conn) => Some(Self { endpoint, conn, unread: None }),
            Err(_) => {
                endpoint.close().await;
                None
            }
        }
    }

    /// Sends bytes on the control stream and waits for the end: its code.
    async fn ends_after(&self, bytes: &[u8]) -> u64 {
        let (mut send, _recv) = self.conn.open_bi().await.expect("a stream");
        // The node may be quicker to end it than we are to write.
        let _ = send.write_all(bytes).await;
        self.ended().await
    }

    pub(crate) async fn ended(&self) -> u64 {
        match tokio::time::timeout(PATIENCE, self.conn.closed()).await.expect("it is ended") {
            ConnectionError::ApplicationClosed(close) => close.error_code.into(),
            other => panic!("{other}"),
        }
    }

    /// Greets as one should.
    async fn greeted(addr: &str) -> (Self, SendStream) {
        Self::connect(addr).await.greet().await
    }

    /// The same, as the holder of a key.
    pub(crate) async fn greeted_with_key(addr: &str, key: [u8; 32]) -> (Self, SendStream) {
        Self::with_key(addr, key).await.greet().await
    }

    /// The same; none where the node has no place.
    pub(crate) async fn try_greeted(addr: &str) -> Option<(Self, SendStream)> {
        let new = Self::reach(addr, iroh::SecretKey::generate()).await?;
        Some(new.greet().await)
    }

    async fn greet(mut self) -> (Self, SendStream) {
        let (mut send, mut recv) = self.conn.open_bi().await.expect("a stream");
        send.write_all(HELLO).await.expect("it is taken");
        recv.read_exact(&mut [0; 4]).await.expect("it is answered");
        self.unread = Some(recv);
        (self, send)
    }
}

pub(crate) fn refused(control: &mut Control, limit: &str) -> u64 {
    let status = control.call("node.status", json!({})).expect("a status");
    status["refused"][limit].as_u64().unwrap_or(0)
}

pub(crate) fn framed(body: &[u8]) -> Vec<u8> {
    [&u32::try_from(body.len()).expect("small").to_be_bytes()[..], body].concat()
}

/// Bytes that look like nothing, the same in every run.
pub(crate) fn noise(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_counted_and_harms_nobody() {
    let mut witness = Witness::new();
    let mut control = Control::connect(witness.dir.path()).unwrap();
    // An honest one is in the same space meanwhile.
    let friend_dir = tempfile::tempdir().unwrap();
    let friend = Node::start(friend_dir.path());
    let invited = witness.node.json(&["invite", "Chat"]).remove(0);
    let link = invited["link"].as_str().unwrap();
    let opened = friend.json(&["open", link, "--yes", "--no-open"]).remove(0);
    let mut friends = Page::of(&opened);
    eventually("the friend has what was written", || friends.texts() == witness.page.texts());

    let mut newer = HELLO.to_vec();
    newer[5] = 2;
    let hellos: [(&str, Vec<u8>, u64); 6] = [
        ("an HTTP request", b"GET / HTTP/1.1\r\n\r\n".to_vec(), VIOLATION),
        ("noise in a frame", framed(&noise(1, 40)), VIOLATION),
        ("a frame of 4 GiB", [&[0xff; 4][..], &noise(2, 1_000)].concat(), VIOLATION),
        ("an empty frame", framed(&[]), VIOLATION),
        ("a Hello with more in it", [&[0, 0, 0, 36][..], &HELLO[4..], &[0]].concat(), VIOLATION),
        ("another version", newer, INCOMPATIBLE),
    ];
    for (what, bytes, code) in &hellos {
        let peer = Garbage::connect(witness.node.said("addr")).await;
        assert_eq!(peer.ends_after(bytes).await, *code, "{what}");
        peer.endpoint.close().await;
    }
    let violations = |control: &mut Control| refused(control, "protocol_violation");
    eventually("they are counted", || violations(&mut control) >= 5);
    eventually("the version is", || refused(&mut control, "incompatible") >= 1);

    for seed in 0..8 {
        // After a good Hello: noise where control messages, streams and frames are expected.
        let before = violations(&mut control);
        let (peer, mut send) = Garbage::greeted(witness.node.said("addr")).await;
        let _ = send
            .write_all(&framed(&[&[1, 0xff, 0xff, 0xff, 0x7f][..], &noise(seed, 60)].concat()))
            .await;
        assert_eq!(peer.ended().await, VIOLATION, "seed {seed}");
        peer.endpoint.close().await;
        eventually("it is counted", || violations(&mut control) > before);
    }
    let (peer, _send) = Garbage::greeted(witness.node.said("addr")).await;
    for seed in 0..8 {
        let (mut stream, _answer) = peer.conn.open_bi().await.expect("a stream");
        let header = [&[200][..], &noise(seed, 64)].concat();
        let _ = stream.write_all(&header).await;
    }
    eventually("streams of no kind are", || refused(&mut control, "streams_of_unknown_kind") >= 8);
    let mut frames = peer.conn.open_uni().await.expect("a stream");
    // A frame for a space that this peer never entered, then one that is too long.
    let app: Value = witness.node.json(&["apps"]).remove(0);
    let app =
        data_encoding::BASE64URL_NOPAD.decode(app["app"].as_str().unwrap().as_bytes()).unwrap();
    frames.write_all(&[&[1][..], &app, &[0; 32]].concat()).await.expect("it is read");
    frames.write_all(&framed(&noise(3, 100))).await.expect("it is read");
    eventually("a frame of no space is", || refused(&mut control, "frames_of_other_spaces") >= 1);
    let _ = frames.write_all(&[0x7f, 0xff, 0xff, 0xff]).await;
    assert_eq!(peer.ended().await, VIOLATION, "a frame of 2 GiB");
    peer.endpoint.close().await;

    witness.page.append("still here").unwrap();
    eventually("the friend hears it", || friends.texts().contains(&"still here".to_owned()));
    let peers = witness.node.json(&["peers"]);
    let connected: Vec<_> = peers.iter().filter(|peer| peer["state"] == "connected").collect();
    assert!(connected.iter().any(|peer| peer["id"] == friend.said("node_id")), "{peers:?}");
    witness.acknowledge("still here");
    witness.unharmed();
}

/// A crowd that connects and says nothing takes nobody's place for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_is_hung_up_on() {
    let witness = Witness::new();
    let mut control = Control::connect(witness.dir.path()).unwrap();
    let silent = Garbage::connect(witness.node.said("addr")).await;
    assert!(tokio::time::timeout(Duration::from_millis(1), silent.conn.closed()).await.is_err());
    let limits = 6;
    assert_eq!(silent.ended().await, limits);
    eventually("it is counted", || refused(&mut control, "limits") >= 1);
    silent.endpoint.close().await;
    witness.unharmed();
}
