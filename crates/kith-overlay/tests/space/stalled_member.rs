//! A member that stopped taking frames for a while, and lost some, is brought up to date as soon as
//! it takes them again: long before the two would compare what they hold.

use std::sync::Arc;

use bytes::Bytes;
use kith_app::AppId;
use kith_overlay::boxed::BoxFuture;
use kith_overlay::space::Spaces;
use kith_overlay::transport::{
    Close, Handler, Peer, RecvStream, SendStream, SpaceKey, SpaceRef, StreamHeader,
};
use n0_future::time::{Duration, timeout};
use tokio::sync::watch;

use crate::support::{config, fresh_key, member, node_with, room};

/// Less than after what time peers compare: 30 s.
const SOON: Duration = Duration::from_secs(20);

/// Lets frames through while it is open.
#[derive(Debug)]
struct Gate {
    spaces: Spaces,
    open: watch::Sender<bool>,
}

impl Handler for Gate {
    fn connected(&self, peer: &Arc<Peer>) {
        self.spaces.connected(peer);
    }

    fn spaces(&self) -> Vec<SpaceKey> {
        Handler::spaces(&self.spaces)
    }

    fn entered(&self, peer: &Arc<Peer>, space: SpaceRef) {
        self.spaces.entered(peer, space);
    }

    fn left(&self, peer: &Arc<Peer>, space: SpaceRef) {
        self.spaces.left(peer, space);
    }

    fn frame<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        space: SpaceRef,
        frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            let mut open = self.open.subscribe();
            open.wait_for(|open| *open).await.expect("the gate lives");
            self.spaces.frame(peer, space, frame).await
        })
    }

    fn frames_lost(&self, peer: &Arc<Peer>, app: AppId) {
        self.spaces.frames_lost(peer, app);
    }

    fn stream<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        header: StreamHeader,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        self.spaces.stream(peer, header, send, recv)
    }

    fn disconnected(&self, peer: &Arc<Peer>) {
        self.spaces.disconnected(peer);
    }
}

#[tokio::test]
async fn what_was_lost_is_sent_again_soon() {
    let room = room(1);
    let a = member(&room).await;
    let mut quick = config(fresh_key());
    quick.timings.stall = Duration::from_millis(200);
    let mut gate = None;
    let b = node_with(quick, |spaces| {
        let handler = Arc::new(Gate { spaces, open: watch::Sender::new(true) });
        gate = Some(handler.clone());
        handler
    })
    .await;
    let gate = gate.expect("made with the node");
    b.join(&room).await;
    a.dial(&b.addr());
    b.same_as(&room, &a).await;
    a.sees(&room, &[b.author()]).await;

    gate.open.send_replace(false);
    let refused = a.overlay.refused();
    // Pushed at once, since b is up to date; and so lost.
    while !refused.snapshot().contains_key("frames_stopped_by_peer") {
        a.say(&room, &[b"lost, perhaps"]).await;
        n0_future::time::sleep(Duration::from_millis(20)).await;
    }
    gate.open.send_replace(true);
    timeout(SOON, b.same_as(&room, &a)).await.expect("brought up to date soon");
    // And it goes on live.
    a.say(&room, &[b"live"]).await;
    timeout(SOON, b.same_as(&room, &a)).await.expect("and stays so");
}
