//! Answering requests for blobs.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join;
use n0_future::time::{Duration, timeout};
use tokio::sync::Semaphore;

use super::encode::Encoder;
use super::groups::Groups;
use super::plan::URGENT_ASKED;
use super::wire::{BlobReply, BlobRequest, MAX_BLOB_FRAME};
use crate::storage::{BlobScope, BlobState, BlobStorage};
use crate::transport::limits::{PRIORITY_BLOB, PRIORITY_BLOB_SMALL};
use crate::transport::{Close, RecvStream, SendStream, StreamCode, StreamError};

/// Blobs that are served to one peer at once; further requests are answered
/// [`BlobReply::Busy`]. Unread, they fill half of the connection's window, so that the other half is
/// left to everything else.
pub const MAX_SERVED_PER_PEER: usize = 4;

/// Blobs that are served at once. Bounds memory at 64 x 1 MiB: what is being sent, what is made ready
/// meanwhile, and what is read ahead.
pub const MAX_SERVED: usize = 64;

/// How long a requester may take for its request, and for reading what it asked for (any byte
/// counts), before the stream is reset.
pub const SERVE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many blobs may be served: to one peer, and in all.
#[derive(Clone, Debug)]
pub(crate) struct Slots {
    pub(crate) peer: Arc<Semaphore>,
    pub(crate) all: Arc<Semaphore>,
}

/// Answers one request. What the requester may see was decided by the stream's header.
///
/// # Errors
/// For a request that breaks the protocol.
pub(crate) async fn serve<S: BlobStorage + ?Sized>(
    storage: Arc<S>,
    scope: BlobScope,
    slots: &Slots,
    mut send: SendStream,
    mut recv: RecvStream,
) -> Result<(), Close> {
    let frame = match timeout(SERVE_TIMEOUT, recv.read_frame(MAX_BLOB_FRAME)).await {
        Ok(Ok(Some(frame))) => frame,
        Ok(Err(StreamError::TooLong { .. })) => {
            return Err(Close::violation("a blob request that is too long"));
        }
        Ok(Ok(None) | Err(_)) => return Ok(()),
        Err(_) => {
            send.reset(StreamCode::Stalled);
            return Ok(());
        }
    };
    let (request, wanted) =
        BlobRequest::decode(&frame).map_err(|error| Close::violation(error.to_string()))?;
    let state = match storage.blob_state(scope, &request.hash).await {
        Ok(state) => state,
        Err(error) => {
            tracing::debug!(%error, "can't serve a blob");
            send.reset(StreamCode::Internal);
            return Ok(());
        }
    };
    let (reply, groups) = answer(state, &wanted);
    let Some((size, groups)) = groups else {
        return last(&reply, &mut send).await;
    };
    let (Ok(_peer), Ok(_all)) = (slots.peer.try_acquire(), slots.all.try_acquire()) else {
        return last(&BlobReply::Busy, &mut send).await;
    };
    let small = groups.count() <= URGENT_ASKED;
    send.set_priority(if small { PRIORITY_BLOB_SMALL } else { PRIORITY_BLOB });
    if send.write_frame(&reply.encode()).await.is_err() {
        return Ok(());
    }
    let encoder = Encoder::new(storage, request.hash, size, &groups);
    match stream(encoder, &mut send).await {
        Ok(()) => send.finish(),
        Err(code) => send.reset(code),
    }
    Ok(())
}

/// What is replied, and the groups that follow.
fn answer(state: BlobState, wanted: &Groups) -> (BlobReply, Option<(u64, Groups)>) {
    let (size, held) = match state {
        BlobState::Absent => return (BlobReply::Absent, None),
        BlobState::Complete { size } => (size, Groups::all(size)),
        BlobState::Partial { size, held } => (size, held),
    };
    let wanted = wanted.within(&Groups::all(size));
    if wanted.is_empty() || held.is_empty() {
        (BlobReply::Absent, None)
    } else if held.covers(&wanted) {
        (BlobReply::Here { size }, Some((size, wanted)))
    } else {
        let held = held.first(u64::MAX);
        (BlobReply::Partly { size, held: held.to_wire() }, None)
    }
}

async fn last(reply: &BlobReply, send: &mut SendStream) -> Result<(), Close> {
    // A requester that does not want the answer is no fault.
    if send.write_frame(&reply.encode()).await.is_ok() {
        send.finish();
    }
    Ok(())
}

async fn stream<S: BlobStorage + ?Sized>(
    mut encoder: Encoder<S>,
    send: &mut SendStream,
) -> Result<(), StreamCode> {
    let mut next = encoder.batch().await;
    loop {
        let bytes = match next {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::debug!(%error, "can't serve a blob to its end");
                return Err(StreamCode::Internal);
            }
        };
        // The disk and the line both have something to do.
        let (sent, read) = join(write(send, bytes), encoder.batch()).await;
        sent?;
        next = read;
    }
}

async fn write(send: &mut SendStream, mut bytes: Bytes) -> Result<(), StreamCode> {
    while !bytes.is_empty() {
        match timeout(SERVE_TIMEOUT, send.write_some(&mut bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(StreamCode::Cancelled),
            Err(_) => return Err(StreamCode::Stalled),
        }
    }
    Ok(())
}
