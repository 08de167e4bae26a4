//! What readers wait for comes first; who comes later is asked too; a fetch from a space's members
//! waits for them.

use std::sync::Arc;

use bytes::Bytes;
use kith_app::AppId;
use kith_overlay::blob::{
    BlobReply, BlobRequest, BlobWanted, Encoder, FetchError, FetchStage, GROUP, MAX_BLOB_FRAME,
    PeerProgress, URGENT_ASKED,
};
use kith_overlay::boxed::BoxFuture;
use kith_overlay::storage::memory::MemoryStorage;
use kith_overlay::storage::{BlobScope, BlobStorage};
use kith_overlay::transport::{
    Close, Handler, Overlay, Peer, PeerAddr, RecvStream, SendStream, SpaceKey, SpaceRef,
    StreamHeader,
};
use tokio::sync::watch;

use crate::support::{member, node, room, stranger};

const APP: AppId = AppId::from_bytes([9; 32]);

fn content(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i % 251) as u8 ^ (i / 1000) as u8).collect()
}

/// Serves small requests at once, and large ones when it is told to.
#[derive(Debug)]
struct Slow {
    storage: Arc<MemoryStorage>,
    size: u64,
    open: watch::Sender<bool>,
}

async fn slow(data: &[u8]) -> (Arc<Slow>, Overlay, PeerAddr) {
    let storage = Arc::new(MemoryStorage::new());
    storage.add_blob(BlobScope::Public, data);
    let slow = Slow { storage, size: data.len() as u64, open: watch::Sender::new(false) };
    let slow = Arc::new(slow);
    let overlay = stranger(slow.clone()).await;
    let addr = PeerAddr::new(overlay.id(), overlay.bound());
    (slow, overlay, addr)
}

impl Slow {
    async fn serve(&self, mut send: SendStream, mut recv: RecvStream) -> Option<()> {
        let frame = recv.read_frame(MAX_BLOB_FRAME).await.ok()??;
        let (request, groups) = BlobRequest::decode(&frame).expect("an honest request");
        send.write_frame(&BlobReply::Here { size: self.size }.encode()).await.ok()?;
        if groups.count() > URGENT_ASKED {
            self.open.subscribe().wait_for(|open| *open).await.ok()?;
        }
        let mut encoder = Encoder::new(self.storage.clone(), request.hash, self.size, &groups);
        while let Some(bytes) = encoder.next().await.ok()? {
            send.write_all(&bytes).await.ok()?;
        }
        send.finish();
        send.acknowledged().await.ok()
    }
}

impl Handler for Slow {
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
            let _ = self.serve(send, recv).await;
            Ok(())
        })
    }

    fn disconnected(&self, _peer: &Arc<Peer>) {}
}

#[tokio::test]
async fn the_end_comes_while_the_middle_is_missing() {
    let data = content(30 * 1024 * 1024);
    let (holder, _overlay, addr) = slow(&data).await;
    let getter = node().await;
    getter.dial(&addr);
    let (hash, size) = (*blake3::hash(&data).as_bytes(), data.len() as u64);
    let wanted = BlobWanted { app: APP, scope: BlobScope::Public, hash, size };
    let fetch = getter.spaces.fetch_blob(wanted, vec![addr.id]);
    let steer = fetch.steer();
    for at in [size - 5, 7 * GROUP + 3, size / 2] {
        let end = steer.arrived(at, size.min(at + 100_000)).await.expect("it comes");
        assert!(end > at && end < at + 2 * URGENT_ASKED * GROUP);
        let held = getter.storage.read_blob(&hash, at, 1).await.expect("it is stored");
        assert_eq!(held[0], data[at as usize]);
    }
    assert_eq!(steer.held_from(GROUP * 600), GROUP * 600, "nobody waits for it");
    holder.open.send_replace(true);
    fetch.finished().await.expect("the rest comes too");
    assert_eq!(getter.storage.blob(&hash), Some(data));
    assert_eq!(steer.arrived(0, size).await.unwrap(), size.next_multiple_of(GROUP));
}

#[tokio::test]
async fn who_comes_later_is_asked_too() {
    let data = content(40 * 1024 * 1024);
    let (first, _overlay, addr) = slow(&data).await;
    let (second, getter) = (node().await, node().await);
    let hash = second.storage.add_blob(BlobScope::Public, &data);
    getter.dial(&addr);
    let wanted = BlobWanted { app: APP, scope: BlobScope::Public, hash, size: data.len() as u64 };
    let fetch = getter.spaces.fetch_blob(wanted, vec![addr.id]);
    let mut progress = fetch.progress();
    progress.wait_for(|p| matches!(p.peers[0].state, PeerProgress::Asked)).await.unwrap();
    getter.dial(&second.addr());
    fetch.add_candidate(second.overlay.id());
    let second = second.overlay.id();
    let given = |p: &kith_overlay::blob::BlobProgress| {
        p.peers.iter().any(|share| share.peer == second && share.bytes > 0)
    };
    progress.wait_for(given).await.unwrap();
    first.open.send_replace(true);
    fetch.finished().await.unwrap();
    let progress = progress.borrow().clone();
    assert_eq!(progress.peers.iter().map(|share| share.bytes).sum::<u64>(), progress.size);
    assert_eq!(getter.storage.blob(&hash), Some(data));
}

#[tokio::test]
async fn a_fetch_of_a_space_waits_for_its_members() {
    let room = room(1);
    let data = content(700_000);
    let (a, b) = (member(&room).await, member(&room).await);
    let scope = BlobScope::Space(room.space);
    let hash = a.storage.add_blob(scope, &data);
    let wanted = BlobWanted { app: room.app, scope, hash, size: data.len() as u64 };
    let elsewhere = kith_log::SpaceId::from_bytes([77; 32]);
    let nowhere = BlobWanted { scope: BlobScope::Space(elsewhere), ..wanted };
    assert!(b.spaces.fetch_from_members(nowhere).is_none());

    let fetch = b.spaces.fetch_from_members(wanted).expect("the space is joined");
    let progress = fetch.progress();
    assert_eq!(progress.borrow().stage, FetchStage::Waiting);
    // One that has nothing of it is no reason to end.
    let c = member(&room).await;
    b.dial(&c.addr());
    b.sees(&room, &[c.author()]).await;
    b.dial(&a.addr());
    fetch.finished().await.expect("it came");
    assert_eq!(b.storage.blob(&hash), Some(data.clone()));
    let progress = progress.borrow().clone();
    let of_a = progress.peers.iter().find(|share| share.peer == a.overlay.id()).unwrap();
    assert_eq!(of_a.bytes, data.len() as u64);
    let peers = b.spaces.peers(&room.space).expect("it is joined");
    assert_eq!(peers.borrow().get(&c.overlay.id()), Some(&Some(c.author())));
}

#[tokio::test]
async fn the_end_of_a_blob_proves_its_size() {
    let room = room(1);
    let scope = BlobScope::Space(room.space);
    let (a, b) = (member(&room).await, member(&room).await);
    b.dial(&a.addr());
    b.sees(&room, &[a.author()]).await;
    for size in [0, 1, 16_384, 16_385, 700_000] {
        let hash = a.storage.add_blob(scope, &content(size));
        let size = size as u64;
        let lies = [size + 1, 16_384 * 3, 1 << 40, size, size.saturating_sub(1)];
        let proven = b.spaces.prove_size(room.app, room.space, hash, &lies).await;
        assert_eq!(proven, Some(size));
    }
    assert!(b.spaces.leave(&room.space));
    assert_eq!(b.spaces.prove_size(room.app, room.space, [1; 32], &[1, 2]).await, None);
}

#[tokio::test]
async fn leaving_the_space_ends_its_fetches() {
    let room = room(1);
    let b = member(&room).await;
    let scope = BlobScope::Space(room.space);
    let wanted = BlobWanted { app: room.app, scope, hash: [5; 32], size: 10 };
    let fetch = b.spaces.fetch_from_members(wanted).expect("the space is joined");
    assert!(b.spaces.leave(&room.space));
    assert!(matches!(fetch.finished().await, Err(FetchError::Stopped)));
}
