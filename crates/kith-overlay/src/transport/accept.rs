//! The streams that a peer opens: their headers, caps and spaces; then the handler's part.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use bytes::Buf;
use iroh::endpoint;
use kith_app::AppId;
use kith_log::SpaceId;
use n0_future::task::JoinSet;
use n0_future::time::{Instant, timeout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tracing::debug;

use super::bucket::Bucket;
use super::header::HEADER_LEN;
use super::limits::{
    MAX_BLOB_STREAMS, MAX_BULK_STREAMS, MAX_FRAME, MAX_LANES, MAX_REFUSED_STREAMS,
    MAX_VERSION_STREAMS, REFUSED_STREAMS_PER_MINUTE,
};
use super::node::Node;
use super::session::Progress;
use super::{
    Close, Peer, RecvStream, SendStream, SpaceRef, StreamCode, StreamError, StreamHeader,
    StreamKind,
};

/// The streams of one connection.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Inner>);

struct Inner {
    node: Arc<Node>,
    peer: Arc<Peer>,
    bulk: Arc<Semaphore>,
    blob: Arc<Semaphore>,
    version: Arc<Semaphore>,
    lanes: Mutex<BTreeSet<AppId>>,
    refused: Mutex<Bucket>,
}

/// A task's end: with what to close the connection, or not.
type Done = Result<(), Close>;

impl Streams {
    pub(crate) fn new(node: Arc<Node>, peer: Arc<Peer>) -> Self {
        Self(Arc::new(Inner {
            node,
            peer,
            bulk: Arc::new(Semaphore::new(MAX_BULK_STREAMS)),
            blob: Arc::new(Semaphore::new(MAX_BLOB_STREAMS)),
            version: Arc::new(Semaphore::new(MAX_VERSION_STREAMS)),
            lanes: Mutex::default(),
            refused: Mutex::new(Bucket::new(
                Instant::now(),
                MAX_REFUSED_STREAMS,
                REFUSED_STREAMS_PER_MINUTE,
            )),
        }))
    }

    /// One stream over a cap, or without a use. The connection ends when there are too many of them.
    fn refuse(&self, limit: &'static str) -> Done {
        self.0.peer.refused(limit);
        let mut bucket = self.0.refused.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(Instant::now()).map_err(|_| Close::limits("too many streams"))
    }

    fn permit(&self, kind: StreamKind) -> Option<OwnedSemaphorePermit> {
        let cap = match kind {
            StreamKind::Bulk => &self.0.bulk,
            StreamKind::Blob => &self.0.blob,
            StreamKind::Version | StreamKind::Frames => &self.0.version,
        };
        cap.clone().try_acquire_owned().ok()
    }
}

/// Takes the peer's one-way streams until one of them ends the connection.
pub(crate) async fn uni(
    streams: &Streams,
    tasks: &mut JoinSet<Done>,
    progress: &watch::Sender<Progress>,
) -> Close {
    let conn = streams.0.peer.conn().clone();
    loop {
        tokio::select! {
            stream = conn.accept_uni() => match stream {
                Ok(stream) => {
                    tasks.spawn(frames(streams.clone(), stream));
                }
                // Whoever waits for the connection's end knows why.
                Err(_) => std::future::pending().await,
            },
            Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                progress.send_modify(|progress| progress.uni_done += 1);
                if let Some(close) = closes(done) {
                    return close;
                }
            }
        }
    }
}

/// Takes the peer's two-way streams until one of them ends the connection.
pub(crate) async fn bi(streams: &Streams, tasks: &mut JoinSet<Done>, serves: bool) -> Close {
    if !serves {
        return std::future::pending().await;
    }
    let conn = streams.0.peer.conn().clone();
    loop {
        tokio::select! {
            stream = conn.accept_bi() => match stream {
                Ok((send, recv)) => {
                    tasks.spawn(both_ways(streams.clone(), send, recv));
                }
                Err(_) => std::future::pending().await,
            },
            Some(done) = tasks.join_next(), if !tasks.is_empty() => {
                if let Some(close) = closes(done) {
                    return close;
                }
            }
        }
    }
}

fn closes(done: Result<Done, n0_future::task::JoinError>) -> Option<Close> {
    match done {
        Ok(done) => done.err(),
        Err(error) if error.is_panic() => Some(Close::internal("a stream's task failed")),
        Err(_) => None,
    }
}

/// A stream's header, in time. None where the stream is not to be served.
async fn header(
    streams: &Streams,
    stream: &mut endpoint::RecvStream,
) -> Result<Option<StreamHeader>, Close> {
    let mut bytes = [0; HEADER_LEN];
    let limit = streams.0.node.config.timings.header;
    match timeout(limit, stream.read_exact(&mut bytes)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => {
            streams.refuse("streams_without_header")?;
            return Ok(None);
        }
        Err(_) => {
            let _ = stream.stop(StreamCode::Limits.into());
            streams.refuse("streams_without_header")?;
            return Ok(None);
        }
    }
    match StreamHeader::decode(&bytes) {
        Ok(header) => Ok(Some(header)),
        Err(super::HeaderError::Kind(kind)) => {
            debug!(kind, "a stream of an unknown kind");
            let _ = stream.stop(StreamCode::UnknownKind.into());
            streams.refuse("streams_of_unknown_kind")?;
            Ok(None)
        }
        Err(error @ super::HeaderError::Space) => Err(Close::violation(error.to_string())),
    }
}

/// One app's frames.
async fn frames(streams: Streams, mut stream: endpoint::RecvStream) -> Done {
    let Some(header) = header(&streams, &mut stream).await? else { return Ok(()) };
    if header.kind != StreamKind::Frames {
        return Err(Close::violation("a one-way stream of a kind that has two"));
    }
    let Some(_lane) = LaneGuard::new(&streams, header.app) else {
        let _ = stream.stop(StreamCode::Limits.into());
        return streams.refuse("lanes");
    };
    let meter = streams.0.peer.meter(Some(header.app));
    meter.received(HEADER_LEN);
    let mut recv = RecvStream::new(stream, meter, None);
    loop {
        let frame = match recv.read_frame(MAX_FRAME).await {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(()),
            Err(error @ (StreamError::TooLong { .. } | StreamError::Truncated)) => {
                return Err(Close::violation(error.to_string()));
            }
            Err(_) => return Ok(()),
        };
        if !deliver(&streams, header.app, frame).await? {
            recv.stop(StreamCode::Stalled);
            return Ok(());
        }
    }
}

/// Hands a frame to the handler; false where the handler does not take it in time.
async fn deliver(streams: &Streams, app: AppId, mut frame: bytes::Bytes) -> Result<bool, Close> {
    let Inner { node, peer, .. } = &*streams.0;
    if frame.len() < 32 {
        return Err(Close::violation("a frame without a space"));
    }
    let mut space = [0; 32];
    frame.copy_to_slice(&mut space);
    let at = SpaceRef { app, space: SpaceId::from_bytes(space) };
    if !peer.admits(at, node.config.timings.enter).await {
        peer.refused("frames_of_other_spaces");
        return Ok(true);
    }
    match timeout(node.config.timings.stall, node.handler.frame(peer, at, frame)).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(close)) => Err(close),
        Err(_) => {
            peer.refused("frames_stalled");
            Ok(false)
        }
    }
}

/// One bulk, blob or version stream.
async fn both_ways(
    streams: Streams,
    mut send: endpoint::SendStream,
    mut recv: endpoint::RecvStream,
) -> Done {
    let Inner { node, peer, .. } = &*streams.0;
    let header = match header(&streams, &mut recv).await {
        Ok(Some(header)) => header,
        Ok(None) => {
            let _ = send.reset(StreamCode::UnknownKind.into());
            return Ok(());
        }
        Err(close) => return Err(close),
    };
    if header.kind == StreamKind::Frames {
        return Err(Close::violation("a two-way stream of a kind that has one"));
    }
    let mut refuse = |code: StreamCode| {
        let _ = send.reset(code.into());
        let _ = recv.stop(code.into());
    };
    let Some(permit) = streams.permit(header.kind) else {
        refuse(StreamCode::Limits);
        return streams.refuse("streams_of_one_kind");
    };
    if let Some(at) = header.space_ref()
        && !peer.admits(at, node.config.timings.enter).await
    {
        refuse(StreamCode::UnknownSpace);
        return streams.refuse("streams_of_other_spaces");
    }
    let permit = Arc::new(permit);
    let meter = peer.meter(Some(header.app));
    meter.received(HEADER_LEN);
    let send = SendStream::new(send, meter.clone(), Some(permit.clone()));
    let recv = RecvStream::new(recv, meter, Some(permit));
    node.handler.stream(peer, header, send, recv).await
}

/// One lane of one app at a time.
struct LaneGuard {
    streams: Streams,
    app: AppId,
}

impl LaneGuard {
    fn new(streams: &Streams, app: AppId) -> Option<Self> {
        let mut lanes = streams.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes.len() >= MAX_LANES || !lanes.insert(app) {
            return None;
        }
        drop(lanes);
        Some(Self { streams: streams.clone(), app })
    }
}

impl Drop for LaneGuard {
    fn drop(&mut self) {
        self.streams.0.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.app);
    }
}
