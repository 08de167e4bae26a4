//! A member that never reads, one that grants no streams, and one that floods: each is in the space
//! by right, and none holds back the others.

use std::sync::Arc;

use bytes::Bytes;
use kith_log::AuthorSecret;
use kith_overlay::boxed::BoxFuture;
use kith_overlay::space::{Author, Begin, Here, MAX_HERES, Message, SpaceMessage};
use kith_overlay::transport::{
    Close, Handler, Overlay, Peer, Reason, RecvStream, SendError, SendStream, SpaceKey, SpaceRef,
    StreamHeader, Way,
};
use tokio::sync::watch;

use crate::support::{Member, Room, member, messages, miser, room, stranger};

/// In the space, and takes nothing that comes.
#[derive(Debug)]
struct Deaf {
    key: SpaceKey,
    peer: watch::Sender<Option<Arc<Peer>>>,
}

impl Handler for Deaf {
    fn connected(&self, _peer: &Arc<Peer>) {}

    fn spaces(&self) -> Vec<SpaceKey> {
        vec![self.key]
    }

    fn entered(&self, peer: &Arc<Peer>, _space: SpaceRef) {
        self.peer.send_replace(Some(peer.clone()));
    }

    fn left(&self, _peer: &Arc<Peer>, _space: SpaceRef) {}

    fn frame<'a>(
        &'a self,
        _peer: &'a Arc<Peer>,
        _space: SpaceRef,
        _frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(std::future::pending())
    }

    fn stream<'a>(
        &'a self,
        _peer: &'a Arc<Peer>,
        _header: StreamHeader,
        _send: SendStream,
        _recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(std::future::pending())
    }

    fn disconnected(&self, _peer: &Arc<Peer>) {}
}

/// A deaf member, connected to `to`; its own side of the connection.
async fn deaf(room: &Room, to: &Member) -> (Overlay, Arc<Peer>) {
    let deaf = Arc::new(Deaf { key: room.key, peer: watch::Sender::new(None) });
    let overlay = stranger(deaf.clone()).await;
    overlay.add_peer(&to.addr(), Way::Manual, Some(Reason::Person));
    let mut peer = deaf.peer.subscribe();
    let peer = peer.wait_for(Option::is_some).await.expect("it lives").clone();
    (overlay, peer.expect("it entered"))
}

fn here(room: &Room, author: &Author, exporter: [u8; 32], sender: &Overlay) -> Here {
    let text = [
        b"kith/1 here\n".as_slice(),
        room.space.as_bytes(),
        author.secret.author().as_bytes(),
        &exporter,
        sender.id().as_bytes(),
    ]
    .concat();
    Here {
        author: author.secret.author(),
        opening: author.opening.to_body(),
        signature: author.secret.sign(&text),
    }
}

/// Says who it is, as a member does.
fn introduce(room: &Room, overlay: &Overlay, peer: &Arc<Peer>, n: u8) -> AuthorSecret {
    let author = room.author(n);
    let here = here(room, &author, peer.exporter(), overlay);
    for message in [SpaceMessage::Begin(Begin { mine: 1, yours: 0 }), SpaceMessage::Here(here)] {
        peer.send_frame(room.key.at, &message.encode()).expect("an empty queue");
    }
    author.secret
}

fn message(room: &Room, author: &AuthorSecret, seq: u64, payload: &[u8]) -> Vec<u8> {
    let text = [
        b"kith/1 message\n".as_slice(),
        room.space.as_bytes(),
        &[5; 16],
        &seq.to_be_bytes(),
        payload,
    ]
    .concat();
    let signature = author.sign(&text);
    let (author, payload) = (author.author(), payload.to_vec());
    SpaceMessage::Message(Message { author, run: [5; 16], seq, payload, signature }).encode()
}

/// Entries and messages go both ways between these two.
async fn unharmed(room: &Room, a: &Member, b: &Member) {
    let large = vec![1; 100_000];
    let before = (a.messages().len(), b.messages().len());
    for n in 0..30_u8 {
        a.say(room, &[&[n], &large]).await;
        b.say(room, &[&[n]]).await;
        assert!(a.spaces.send_message(&room.space, vec![n]).expect("sent") >= 1);
        assert!(b.spaces.send_message(&room.space, vec![n]).expect("sent") >= 1);
        let from = |events: &[_], author| {
            messages(events).iter().filter(|(from, _)| *from == author).count()
        };
        let expected = usize::from(n) + 1;
        b.until("a's messages", |events| from(events, a.author()) >= before.1 + expected).await;
        a.until("b's messages", |events| from(events, b.author()) >= before.0 + expected).await;
    }
    a.same_as(room, b).await;
    b.same_as(room, a).await;
}

#[tokio::test]
async fn one_that_never_reads() {
    let room = room(1);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    let (_deaf, _peer) = deaf(&room, &a).await;
    b.sees(&room, &[a.author()]).await;
    a.sees(&room, &[b.author()]).await;
    unharmed(&room, &a, &b).await;
}

#[tokio::test]
async fn one_that_grants_no_streams() {
    let room = room(2);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    let _miser = miser(&room, &a).await;
    b.sees(&room, &[a.author()]).await;
    a.sees(&room, &[b.author()]).await;
    unharmed(&room, &a, &b).await;
    // To two receivers; what the miser doesn't take is dropped in the end, for it alone.
    let large = vec![2; 100_000];
    while a.spaces.send_message(&room.space, large.clone()).expect("sent") == 2 {}
    let status = a.spaces.status(&room.space).expect("joined");
    assert!(status.messages_dropped >= 1);
}

#[tokio::test]
async fn one_that_floods() {
    let room = room(3);
    let (a, b) = (member(&room).await, member(&room).await);
    a.dial(&b.addr());
    let (overlay, peer) = deaf(&room, &a).await;
    let author = introduce(&room, &overlay, &peer, 100);
    let id = author.author();
    a.sees(&room, &[b.author(), id]).await;
    b.sees(&room, &[a.author()]).await;
    let at = room.key.at;
    let flood: Vec<_> =
        (0..64_u64).map(|seq| message(&room, &author, seq, &vec![0; 64 * 1024])).collect();
    let begins: Vec<_> =
        (2..64).map(|mine| SpaceMessage::Begin(Begin { mine, yours: 0 }).encode()).collect();
    let flooding = tokio::spawn(async move {
        loop {
            for frame in flood.iter().chain(&begins) {
                while peer.send_frame(at, frame) == Err(SendError::Full) {
                    tokio::task::yield_now().await;
                }
            }
        }
    });
    unharmed(&room, &a, &b).await;
    // It is still there: to be loud is no crime.
    a.sees(&room, &[b.author(), id]).await;
    flooding.abort();
}

#[tokio::test]
async fn a_message_that_is_forged_ends_the_connection() {
    let room = room(4);
    let a = member(&room).await;
    let (overlay, peer) = deaf(&room, &a).await;
    let author = introduce(&room, &overlay, &peer, 100);
    a.sees(&room, &[author.author()]).await;
    peer.send_frame(room.key.at, &message(&room, &author, 0, b"true")).expect("an empty queue");
    a.until("a message", |events| messages(events).len() == 1).await;
    // Again: it was seen. Of another: that one is not here. Neither is a fault that can be proven.
    let other = AuthorSecret::from_seed(&[101; 32]);
    peer.send_frame(room.key.at, &message(&room, &author, 0, b"true")).expect("room");
    peer.send_frame(room.key.at, &message(&room, &other, 1, b"not here")).expect("room");
    peer.send_frame(room.key.at, &message(&room, &author, 1, b"true too")).expect("room");
    a.until("the next", |events| messages(events).len() == 2).await;
    assert_eq!(a.messages()[1], (author.author(), b"true too".to_vec()));

    let mut forged = message(&room, &author, 2, b"true");
    let last = forged.len() - 1;
    forged[last] ^= 1;
    peer.send_frame(room.key.at, &forged).expect("room");
    a.sees(&room, &[]).await;
    assert_eq!(a.messages().len(), 2);
    a.overlay_refused("protocol_violation").await;
}

#[tokio::test]
async fn a_presence_holds_on_its_own_connection_alone() {
    let room = room(5);
    let (a, b) = (member(&room).await, member(&room).await);
    let (overlay, to_a) = deaf(&room, &a).await;
    // What it signs for its connection to b is replayed to a, where it is worth nothing.
    let (_other, to_b) = deaf(&room, &b).await;
    assert_ne!(to_a.exporter(), to_b.exporter());
    let author = room.author(100);
    let replayed = here(&room, &author, to_b.exporter(), &overlay);
    to_a.send_frame(room.key.at, &SpaceMessage::Here(replayed).encode()).expect("room");
    a.overlay_refused("protocol_violation").await;
    assert!(a.spaces.status(&room.space).expect("joined").online.is_empty());

    // One that was not admitted to the space: its opening is another space's.
    let elsewhere = crate::support::room(6).author(101);
    let (overlay, peer) = deaf(&room, &b).await;
    let foreign = here(&room, &elsewhere, peer.exporter(), &overlay);
    peer.send_frame(room.key.at, &SpaceMessage::Here(foreign).encode()).expect("room");
    b.overlay_refused("protocol_violation").await;
    assert!(b.spaces.status(&room.space).expect("joined").online.is_empty());
}

/// Each new talk says Here again; a connection on which many of them began is no less good.
#[tokio::test]
async fn the_same_presence_again_is_no_fault() {
    let room = room(4);
    let a = member(&room).await;
    let (overlay, peer) = deaf(&room, &a).await;
    let author = introduce(&room, &overlay, &peer, 9);
    a.sees(&room, &[author.author()]).await;
    let again = here(&room, &room.author(9), peer.exporter(), &overlay);
    for _ in 0..3 * MAX_HERES {
        let frame = SpaceMessage::Here(again.clone()).encode();
        peer.send_frame(room.key.at, &frame).expect("room");
    }
    peer.send_frame(room.key.at, &message(&room, &author, 0, b"still here")).expect("room");
    a.until("the message behind them", |events| !messages(events).is_empty()).await;
    // Another author each time is one.
    for n in 10..=10 + MAX_HERES as u8 {
        let other = here(&room, &room.author(n), peer.exporter(), &overlay);
        let _ = peer.send_frame(room.key.at, &SpaceMessage::Here(other).encode());
    }
    a.overlay_refused("protocol_violation").await;
}
