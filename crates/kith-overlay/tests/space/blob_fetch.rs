//! Blobs come from whoever has them: whole, in parts, after a cut, and in spite of liars.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kith_app::AppId;
use kith_overlay::blob::{
    BlobReply, BlobRequest, BlobWanted, Encoder, FetchError, GROUP, Groups, MAX_BLOB_FRAME,
    PeerFailure, PeerProgress, groups_of,
};
use kith_overlay::boxed::BoxFuture;
use kith_overlay::storage::memory::MemoryStorage;
use kith_overlay::storage::{BlobScope, BlobState, BlobStorage};
use kith_overlay::transport::{
    Close, Handler, Overlay, Peer, PeerAddr, RecvStream, SendStream, SpaceKey, SpaceRef,
    StreamCode, StreamHeader,
};

use crate::support::{Member, connected, member, node, room, stranger};

const APP: AppId = AppId::from_bytes([9; 32]);

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
}

fn public(hash: [u8; 32], data: &[u8]) -> BlobWanted {
    BlobWanted { app: APP, scope: BlobScope::Public, hash, size: data.len() as u64 }
}

/// Answers blob requests as it likes.
#[derive(Debug)]
struct Liar {
    how: How,
    storage: Arc<MemoryStorage>,
    asked: AtomicUsize,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// Changes a byte after so many.
    WrongByte(usize),
    /// Goes on after the end.
    TooMuch,
    /// Ends after so many bytes, as if that were all.
    TooLittle(usize),
    /// Resets the stream after so many bytes, the first time.
    Cut(usize),
    /// Says another size.
    WrongSize,
    /// Sends what is no reply.
    Nonsense,
    /// Says that it has the part that it was asked for, and does not send it.
    Circles,
    /// Sends a byte now and then.
    Drips,
}

async fn liar(how: How, data: &[u8]) -> (Arc<Liar>, Overlay, PeerAddr) {
    let storage = Arc::new(MemoryStorage::new());
    storage.add_blob(BlobScope::Public, data);
    let liar = Arc::new(Liar { how, storage, asked: AtomicUsize::new(0) });
    let overlay = stranger(liar.clone()).await;
    let addr = PeerAddr::new(overlay.id(), overlay.bound());
    (liar, overlay, addr)
}

impl Liar {
    async fn lie(&self, mut send: SendStream, mut recv: RecvStream) -> Option<()> {
        let times = self.asked.fetch_add(1, Ordering::Relaxed);
        let frame = recv.read_frame(MAX_BLOB_FRAME).await.ok()??;
        let (request, groups) = BlobRequest::decode(&frame).expect("an honest request");
        let BlobState::Complete { size } =
            self.storage.blob_state(BlobScope::Public, &request.hash).await.ok()?
        else {
            return None;
        };
        let reply = match self.how {
            How::Nonsense => vec![9, 9, 9],
            How::WrongSize => BlobReply::Here { size: size + 1 }.encode(),
            How::Circles => BlobReply::Partly { size, held: groups.to_wire() }.encode(),
            _ => BlobReply::Here { size }.encode(),
        };
        send.write_frame(&reply).await.ok()?;
        let mut encoder = Encoder::new(self.storage.clone(), request.hash, size, &groups);
        let mut sent = 0;
        while let Some(bytes) = encoder.next().await.ok()? {
            let mut bytes = bytes.to_vec();
            let end = sent + bytes.len();
            match self.how {
                How::WrongByte(at) if (sent..end).contains(&at) => bytes[at - sent] ^= 1,
                How::Drips => {
                    for byte in bytes.chunks(1) {
                        send.write_all(byte).await.ok()?;
                        n0_future::time::sleep(std::time::Duration::from_millis(200)).await;
                    }
                    continue;
                }
                How::TooLittle(at) if end > at => break,
                How::Cut(at) if times == 0 && end > at => {
                    send.reset(StreamCode::Internal);
                    return None;
                }
                _ => {}
            }
            sent = end;
            send.write_all(&bytes).await.ok()?;
        }
        if let How::TooMuch = self.how {
            send.write_all(b"more").await.ok()?;
        }
        send.finish();
        send.acknowledged().await.ok()
    }
}

impl Handler for Liar {
    fn connected(&self, _peer: &Arc<Peer>) {}

    fn spaces(&self) -> Vec<SpaceKey> {
        Vec::new()
    }

    fn entered(&self, _peer: &Arc<Peer>, _space: SpaceRef) {}

    fn left(&self, _peer: &Arc<Peer>, _space: SpaceRef) {}

    fn frame<'a>(
        &'a self,
        _peer: &'a Arc<Peer>,
        _space: SpaceRef,
        _frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async { Ok(()) })
    }

    fn stream<'a>(
        &'a self,
        _peer: &'a Arc<Peer>,
        _header: StreamHeader,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            let _ = self.lie(send, recv).await;
            Ok(())
        })
    }

    fn disconnected(&self, _peer: &Arc<Peer>) {}
}

async fn holder(data: &[u8]) -> (Member, [u8; 32]) {
    let holder = node().await;
    let hash = holder.storage.add_blob(BlobScope::Public, data);
    (holder, hash)
}

#[tokio::test]
async fn a_public_blob_comes_whole() {
    for size in [0, 1, 500_000] {
        let data = content(size);
        let (a, hash) = holder(&data).await;
        let b = node().await;
        b.dial(&a.addr());
        let fetch = b.spaces.fetch_blob(public(hash, &data), vec![a.overlay.id()]);
        let progress = fetch.progress();
        let outcome = fetch.finished().await;
        assert!(outcome.is_ok(), "{size}: {:?}", progress.borrow());
        assert_eq!(b.storage.blob(&hash), Some(data));
        let progress = progress.borrow().clone();
        assert_eq!((progress.bytes, progress.size), (size as u64, size as u64));
        assert_eq!(progress.peers[0].bytes, size as u64);
        assert!(matches!(progress.peers[0].state, PeerProgress::Gave));
    }
}

#[tokio::test]
async fn several_peers_give_a_part_each() {
    // More than what one peer is asked for at once.
    let data = content(20 * 1024 * 1024);
    let (a, hash) = holder(&data).await;
    let (b, _) = holder(&data).await;
    let c = node().await;
    c.dial(&a.addr());
    c.dial(&b.addr());
    let candidates = vec![a.overlay.id(), b.overlay.id()];
    let fetch = c.spaces.fetch_blob(public(hash, &data), candidates);
    let progress = fetch.progress();
    fetch.finished().await.unwrap();
    assert_eq!(c.storage.blob(&hash), Some(data));
    assert!(progress.borrow().peers.iter().all(|share| share.bytes > 0));
}

#[tokio::test]
async fn what_a_holder_of_a_part_has_is_taken_and_the_rest_elsewhere() {
    let data = content(300_000);
    let (a, hash) = holder(&data).await;
    // b got a part, and was cut.
    let b = node().await;
    let mut part = kith_overlay::blob::Decoder::new(hash, 300_000, &Groups::range(2..7));
    let mut encoder = Encoder::new(a.storage.clone(), hash, 300_000, &Groups::range(2..7));
    while let Some(bytes) = encoder.next().await.unwrap() {
        assert!(part.feed(&mut &bytes[..]).unwrap().is_none());
    }
    let part = part.rest().unwrap();
    b.storage.write_blob(BlobScope::Public, &hash, 300_000, part).await.unwrap();

    let c = node().await;
    c.dial(&a.addr());
    c.dial(&b.addr());
    let fetch = c.spaces.fetch_blob(public(hash, &data), vec![b.overlay.id()]);
    assert!(matches!(fetch.finished().await, Err(FetchError::NoPeers { asked: 1 })));
    let held = c.storage.blob_state(BlobScope::Public, &hash).await.unwrap();
    assert_eq!(held, BlobState::Partial { size: 300_000, held: Groups::range(2..7) });

    let fetch = c.spaces.fetch_blob(public(hash, &data), vec![b.overlay.id(), a.overlay.id()]);
    let progress = fetch.progress();
    fetch.finished().await.unwrap();
    assert_eq!(c.storage.blob(&hash), Some(data));
    assert_eq!(progress.borrow().peers[1].bytes, 300_000 - 5 * GROUP);
}

#[tokio::test]
async fn a_cut_transfer_goes_on_where_it_stopped() {
    let data = content(1_000_000);
    let (a, _a, addr) = liar(How::Cut(600_000), &data).await;
    let hash = *blake3::hash(&data).as_bytes();
    let b = node().await;
    b.dial(&addr);
    let fetch = b.spaces.fetch_blob(public(hash, &data), vec![addr.id]);
    let progress = fetch.progress();
    fetch.finished().await.unwrap();
    assert_eq!(b.storage.blob(&hash), Some(data));
    assert_eq!(a.asked.load(Ordering::Relaxed), 2);
    // Nothing was counted, and so nothing stored, twice.
    assert_eq!(progress.borrow().bytes, 1_000_000);
}

#[tokio::test]
async fn a_fetch_goes_on_after_this_node_was_stopped() {
    let data = content(1_000_000);
    let (_a, _overlay, addr) = liar(How::TooLittle(200_000), &data).await;
    let (honest, hash) = holder(&data).await;
    let b = node().await;
    b.dial(&addr);
    b.dial(&honest.addr());
    let fetch = b.spaces.fetch_blob(public(hash, &data), vec![addr.id]);
    assert!(matches!(fetch.finished().await, Err(FetchError::NoPeers { .. })));
    let BlobState::Partial { held, .. } =
        b.storage.blob_state(BlobScope::Public, &hash).await.unwrap()
    else {
        panic!("a part is held");
    };
    assert!(held.count() >= 30);
    let fetch = b.spaces.fetch_blob(public(hash, &data), vec![honest.overlay.id()]);
    let progress = fetch.progress();
    fetch.finished().await.unwrap();
    let missing = groups_of(1_000_000) - held.count();
    assert!(progress.borrow().peers[0].bytes <= missing * GROUP);
    assert_eq!(b.storage.blob(&hash), Some(data));
}

#[tokio::test]
async fn liars_are_found_out_and_others_asked() {
    let data = content(400_000);
    let hash = *blake3::hash(&data).as_bytes();
    let lies = [
        How::WrongByte(5),
        How::WrongByte(300_000),
        How::TooMuch,
        How::WrongSize,
        How::Nonsense,
        How::Circles,
    ];
    for how in lies {
        let (liar, _overlay, addr) = liar(how, &data).await;
        let (honest, _) = holder(&data).await;
        let b = node().await;
        b.dial(&addr);
        let wanted = public(hash, &data);
        let fetch = b.spaces.fetch_blob(wanted, vec![addr.id]);
        let progress = fetch.progress();
        let outcome = fetch.finished().await;
        let told = progress.borrow().peers[0].state.clone();
        let PeerProgress::Failed(failure) = told else { panic!("{how:?}: {told:?}") };
        // Who says another size may be right: whoever signed this one may be wrong.
        let is_fault = !matches!(how, How::WrongSize);
        assert_eq!(failure.is_fault(), is_fault, "{how:?}: {failure}");
        assert_eq!(liar.asked.load(Ordering::Relaxed), 1, "{how:?}: not asked again");
        if !matches!(how, How::TooMuch) {
            assert!(matches!(outcome, Err(FetchError::NoPeers { asked: 1 })), "{how:?}");
        }
        b.dial(&honest.addr());
        b.spaces.fetch_blob(wanted, vec![honest.overlay.id()]).finished().await.unwrap();
        assert_eq!(b.storage.blob(&hash).as_ref(), Some(&data), "{how:?}");
    }
}

#[tokio::test]
async fn a_blob_of_a_space_is_for_its_members() {
    let (ours, theirs) = (room(1), room(2));
    let data = content(100_000);
    let (a, b) = (member(&ours).await, member(&ours).await);
    b.join(&theirs).await;
    a.join(&theirs).await;
    let hash = a.storage.add_blob(BlobScope::Space(ours.space), &data);
    b.dial(&a.addr());
    a.sees(&ours, &[b.author()]).await;
    let ours =
        BlobWanted { app: ours.app, scope: BlobScope::Space(ours.space), ..public(hash, &data) };
    let theirs = BlobWanted { app: theirs.app, scope: BlobScope::Space(theirs.space), ..ours };
    for wrong in [theirs, public(hash, &data)] {
        let fetch = b.spaces.fetch_blob(wrong, vec![a.overlay.id()]);
        let progress = fetch.progress();
        fetch.finished().await.unwrap_err();
        let told = progress.borrow().peers[0].state.clone();
        assert!(matches!(told, PeerProgress::Failed(PeerFailure::Absent)), "{told:?}");
    }
    b.spaces.fetch_blob(ours, vec![a.overlay.id()]).finished().await.unwrap();
    assert_eq!(b.storage.blob(&hash), Some(data));

    // Who did not enter gets what it would get for a space that does not exist.
    let stranger = node().await;
    stranger.dial(&a.addr());
    stranger.connected(a.overlay.id()).await;
    let fetch = stranger.spaces.fetch_blob(ours, vec![a.overlay.id()]);
    let progress = fetch.progress();
    fetch.finished().await.unwrap_err();
    let told = progress.borrow().peers[0].state.clone();
    assert!(matches!(told, PeerProgress::Failed(PeerFailure::NotEntered)), "{told:?}");
    let nowhere = kith_log::SpaceId::from_bytes([77; 32]);
    let nowhere = BlobWanted { scope: BlobScope::Space(nowhere), ..ours };
    let fetch = stranger.spaces.fetch_blob(nowhere, vec![a.overlay.id()]);
    let progress = fetch.progress();
    fetch.finished().await.unwrap_err();
    let told = progress.borrow().peers[0].state.clone();
    assert!(matches!(told, PeerProgress::Failed(PeerFailure::NotEntered)), "{told:?}");
}

#[tokio::test]
async fn dropping_a_fetch_ends_it() {
    let data = content(30 * 1024 * 1024);
    let (a, hash) = holder(&data).await;
    let b = node().await;
    b.dial(&a.addr());
    let fetch = b.spaces.fetch_blob(public(hash, &data), vec![a.overlay.id()]);
    let mut progress = fetch.progress();
    progress.wait_for(|progress| progress.bytes > 0).await.unwrap();
    drop(fetch);
    // The sender of the progress goes with the task.
    while progress.changed().await.is_ok() {}
    assert!(progress.borrow().bytes < data.len() as u64);
    assert!(!matches!(progress.borrow().peers[0].state, PeerProgress::Failed(_)));
    // The next one goes on.
    b.spaces.fetch_blob(public(hash, &data), vec![a.overlay.id()]).finished().await.unwrap();
    assert_eq!(b.storage.blob(&hash), Some(data));
}

#[tokio::test]
async fn a_peer_that_asks_for_too_much_at_once_hears_that_it_is_busy() {
    use kith_overlay::blob::MAX_SERVED_PER_PEER;
    use kith_overlay::transport::limits::PRIORITY_BLOB;

    // More than a stream's window: nobody is done before it reads.
    let data = content(3 * 1024 * 1024);
    let (a, hash) = holder(&data).await;
    let b = node().await;
    b.dial(&a.addr());
    let peer = connected(&b.overlay, a.overlay.id()).await;
    let request = BlobRequest::new(hash, &Groups::all(data.len() as u64)).encode();
    let mut open = Vec::new();
    for n in 0..=MAX_SERVED_PER_PEER {
        let header = StreamHeader::blob(APP, None);
        let (mut send, mut recv) = peer.open_bi(header, PRIORITY_BLOB).await.unwrap();
        send.write_frame(&request).await.unwrap();
        send.finish();
        let frame = recv.read_frame(MAX_BLOB_FRAME).await.unwrap().unwrap();
        let reply = BlobReply::decode(&frame).unwrap();
        if n < MAX_SERVED_PER_PEER {
            assert_eq!(reply, BlobReply::Here { size: data.len() as u64 });
        } else {
            assert_eq!(reply, BlobReply::Busy);
        }
        open.push(recv);
    }
}

/// Who was asked first, and hardly sends, does not keep the blob from coming: others go on.
#[tokio::test]
async fn one_that_drips_gives_way() {
    let data = content(50 * GROUP as usize);
    let (_liar, overlay, slow) = liar(How::Drips, &data).await;
    let (holder, getter) = (node().await, node().await);
    let hash = holder.storage.add_blob(BlobScope::Public, &data);
    getter.dial(&slow);
    getter.dial(&holder.addr());
    getter.connected(slow.id).await;
    getter.connected(holder.overlay.id()).await;
    let candidates = vec![slow.id, holder.overlay.id()];
    let fetch = getter.spaces.fetch_blob(public(hash, &data), candidates);
    let progress = fetch.progress();
    fetch.finished().await.expect("the other one has it");
    let peers = progress.borrow().peers.clone();
    assert!(matches!(peers[0].state, PeerProgress::Failed(PeerFailure::Slow)), "{peers:?}");
    assert_eq!(peers[1].bytes + peers[0].bytes, data.len() as u64);
    overlay.close().await;
}
