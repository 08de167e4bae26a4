//! A member of a space that answers every request for a blob with wrong bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use kith_app::{Destination, Link, SpaceKeys};
use kith_log::SpaceId;
use kith_overlay::blob::{BlobReply, BlobRequest, MAX_BLOB_FRAME};
use kith_overlay::boxed::BoxFuture;
use kith_overlay::transport::{
    Bind, Close, Config, Handler, Overlay, Peer, PeerAddr, Reason, RecvStream, SendStream,
    SpaceKey, SpaceRef, StreamHeader, StreamKind, Way,
};

pub(crate) struct Liar {
    overlay: Overlay,
    lies: Arc<Lies>,
}

#[derive(Debug)]
struct Lies {
    key: SpaceKey,
    /// Of the file that is asked for.
    size: u64,
    asked: AtomicUsize,
}

impl Liar {
    /// Enters the space that a link leads to.
    pub(crate) async fn join(link: &str, size: u64) -> Self {
        let link: Link = link.parse().expect("a link");
        let Destination::Space(secret) = link.destination() else { panic!("no invitation") };
        let keys = SpaceKeys::derive(link.app(), secret);
        let at = SpaceRef { app: *link.app(), space: SpaceId::from_bytes(keys.space) };
        let key = SpaceKey { at, sync_key: *keys.sync.as_bytes() };
        let lies = Arc::new(Lies { key, size, asked: AtomicUsize::new(0) });
        let mut config = Config::new([77; 32]);
        config.offline = true;
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        config.bind = vec![Bind { addr, prefix: Some(8), required: true }];
        let overlay = Overlay::bind(config, lies.clone()).await.expect("a free port");
        Self { overlay, lies }
    }

    pub(crate) fn meet(&self, addr: &str) {
        let addr: PeerAddr = addr.parse().expect("an address");
        self.overlay.add_peer(&addr, Way::Manual, Some(Reason::Person));
    }

    pub(crate) fn was_asked(&self) -> usize {
        self.lies.asked.load(Ordering::Relaxed)
    }

    pub(crate) async fn close(self) {
        self.overlay.close().await;
    }
}

impl Lies {
    async fn lie(&self, mut send: SendStream, mut recv: RecvStream) -> Option<()> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let frame = recv.read_frame(MAX_BLOB_FRAME).await.ok()??;
        let (_, groups) = BlobRequest::decode(&frame).ok()?;
        send.write_frame(&BlobReply::Here { size: self.size }.encode()).await.ok()?;
        let wrong = Bytes::from(super::random_bytes(9, 256 * 1024));
        for _ in 0..groups.bytes(self.size) / wrong.len() as u64 {
            send.write_chunk(wrong.clone()).await.ok()?;
        }
        send.finish();
        send.acknowledged().await.ok()
    }
}

impl Handler for Lies {
    fn connected(&self, _peer: &Arc<Peer>) {}

    fn spaces(&self) -> Vec<SpaceKey> {
        vec![self.key]
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
        header: StreamHeader,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            if header.kind == StreamKind::Blob {
                let _ = self.lie(send, recv).await;
            }
            Ok(())
        })
    }

    fn disconnected(&self, _peer: &Arc<Peer>) {}
}
