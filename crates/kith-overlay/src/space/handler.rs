//! What peers ask of the spaces.

use std::sync::Arc;

use bytes::Bytes;
use kith_app::AppId;
use kith_log::MAX_MESSAGE_LEN;

use super::driver::Remote;
use super::session::Session;
use super::spaces::Spaces;
use super::version::serve_version;
use super::wire::SpaceMessage;
use crate::blob::serve;
use crate::boxed::BoxFuture;
use crate::storage::BlobScope;
use crate::transport::{
    Close, Handler, Peer, RecvStream, SendStream, SpaceKey, SpaceRef, StreamCode, StreamError,
    StreamHeader, StreamKind,
};

impl Handler for Spaces {
    fn connected(&self, peer: &Arc<Peer>) {
        self.0.connected(peer);
    }

    fn spaces(&self) -> Vec<SpaceKey> {
        self.joined()
    }

    fn entered(&self, peer: &Arc<Peer>, at: SpaceRef) {
        let (session, connected) = {
            let state = self.0.state();
            let session = state.sessions.get(&at.space).filter(|s| s.members.at() == at);
            (session.cloned(), state.peers.get(&peer.number()).cloned())
        };
        if let (Some(session), Some(connected)) = (session, connected) {
            session.driver.inbox.entered(connected.peer, connected.bulks);
            session.members.entered(peer);
        }
    }

    fn left(&self, peer: &Arc<Peer>, at: SpaceRef) {
        if let Some(session) = self.0.session(&at.space) {
            session.left(peer);
        }
    }

    fn frame<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        at: SpaceRef,
        frame: Bytes,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            // Left meanwhile: no fault of the peer's.
            let Some(session) = self.0.session(&at.space) else { return Ok(()) };
            let message = SpaceMessage::decode(&frame)
                .map_err(|error| Close::violation(error.to_string()))?;
            match message {
                SpaceMessage::Begin(begin) => {
                    session.begin(peer, begin).await;
                    Ok(())
                }
                SpaceMessage::Here(here) => session.members.here(peer, &here),
                SpaceMessage::Sync(message) => {
                    let message = Remote::Message(Bytes::from(message));
                    session.driver.remote(peer.number(), message).await;
                    Ok(())
                }
                SpaceMessage::Message(message) => session.members.message(peer, message),
            }
        })
    }

    fn frames_lost(&self, peer: &Arc<Peer>, app: AppId) {
        let sessions: Vec<_> = self.0.state().sessions.values().cloned().collect();
        for session in sessions.iter().filter(|session| session.members.at().app == app) {
            session.driver.inbox.lost(peer.number());
        }
    }

    fn stream<'a>(
        &'a self,
        peer: &'a Arc<Peer>,
        header: StreamHeader,
        send: SendStream,
        recv: RecvStream,
    ) -> BoxFuture<'a, Result<(), Close>> {
        Box::pin(async move {
            match header.kind {
                StreamKind::Bulk => {
                    let session = header.space.and_then(|space| self.0.session(&space));
                    bulk(session, peer, send, recv).await
                }
                StreamKind::Blob => {
                    let Some(slots) = self.0.slots(peer) else { return Ok(()) };
                    let scope = header.space.map_or(BlobScope::Public, BlobScope::Space);
                    serve(self.0.storage.clone(), scope, &slots, send, recv).await
                }
                StreamKind::Version => serve_version(&*self.0.storage, header.app, send).await,
                // Comes by `frame`.
                StreamKind::Frames => Ok(()),
            }
        })
    }

    fn disconnected(&self, peer: &Arc<Peer>) {
        let sessions: Vec<_> = {
            let mut state = self.0.state();
            state.peers.remove(&peer.number());
            state.sessions.values().cloned().collect()
        };
        sessions.iter().for_each(|session| session.left(peer));
    }
}

/// History from a peer: read no faster than the space's task takes it.
async fn bulk(
    session: Option<Arc<Session>>,
    peer: &Arc<Peer>,
    mut send: SendStream,
    mut recv: RecvStream,
) -> Result<(), Close> {
    send.finish();
    let Some(session) = session else {
        recv.stop(StreamCode::UnknownSpace);
        return Ok(());
    };
    loop {
        match recv.read_frame(MAX_MESSAGE_LEN).await {
            Ok(Some(message)) => {
                session.driver.remote(peer.number(), Remote::Message(message)).await;
            }
            Err(StreamError::TooLong { .. }) => {
                return Err(Close::violation("a sync message that is too long"));
            }
            Ok(None) | Err(_) => return Ok(()),
        }
    }
}
