//! Getting groups of a blob from one peer.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use n0_future::time::{Duration, timeout};
use tokio::sync::Notify;

use super::encode::Decoder;
use super::fetch::AskStream;
use super::groups::Groups;
use super::tree::NotTheBlob;
use super::wire::{BlobFrameError, BlobReply, BlobRequest, MAX_BLOB_FRAME};
use crate::storage::{BlobPart, BlobScope, BlobStorage, StorageError};
use crate::transport::{RecvStream, StreamCode, StreamError};

/// How long a peer may send nothing before another one is tried.
pub const RECEIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes that are taken from the transport at once: what a stream's window holds, at most.
const CHUNK: usize = 1024 * 1024;

/// Why one peer did not give what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PeerFailure {
    /// It doesn't have it, or not for us.
    #[error("does not have it")]
    Absent,
    /// It knows no such space, or this node did not prove it.
    #[error("did not let us into the space")]
    NotEntered,
    /// It serves too many already.
    #[error("is busy")]
    Busy,
    /// It has other groups than those it was asked for, and is asked again.
    #[error("has a part of it")]
    Partly(Groups),
    /// It can't be reached, or the stream was cut.
    #[error("was cut off: {0}")]
    Cut(StreamError),
    /// It sent nothing for [`RECEIVE_TIMEOUT`].
    #[error("stopped sending")]
    Silent,
    /// It was so slow that another one goes on in its place.
    #[error("was too slow")]
    Slow,
    /// It sent bytes that are not the blob's: its fault.
    #[error("sent wrong bytes")]
    Wrong,
    /// It sent what is no reply: its fault.
    #[error("broke the protocol: {0}")]
    Broken(#[from] BlobFrameError),
    /// This node could not store what came.
    #[error("could not be stored: {0}")]
    Storage(#[from] StorageError),
}

impl PeerFailure {
    /// Whether the peer misbehaved.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Wrong | Self::Broken(_))
    }

    /// Whether the same peer may be asked again.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::Cut(_) | Self::Silent | Self::Slow | Self::Partly(_))
    }
}

impl From<StreamError> for PeerFailure {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Ended(StreamCode::UnknownSpace) => Self::NotEntered,
            StreamError::Ended(StreamCode::Limits) => Self::Busy,
            error => Self::Cut(error),
        }
    }
}

impl From<NotTheBlob> for PeerFailure {
    fn from(_: NotTheBlob) -> Self {
        Self::Wrong
    }
}

/// The blob that is being fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) scope: BlobScope,
    pub(crate) hash: [u8; 32],
    pub(crate) size: u64,
}

/// Where verified parts go.
pub(crate) struct Sink<'a, S: ?Sized> {
    pub(crate) storage: &'a S,
    pub(crate) target: &'a Target,
    /// Told the groups of each part that was stored.
    pub(crate) on_part: &'a OnPart,
}

/// How fast one peer sends.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Bytes that came, verified or not.
    received: AtomicU64,
    /// Whether it was asked: before, it is held back by this node.
    begun: AtomicBool,
    cut: Notify,
}

impl Pace {
    /// Bytes that came so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether it was asked.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }

    /// Ends it: another one goes on.
    pub(crate) fn cut(&self) {
        self.cut.notify_one();
    }
}

/// Told the groups of a part.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type OnPart = dyn Fn(Range<u64>) + Send + Sync;
/// Told the groups of a part.
#[cfg(target_arch = "wasm32")]
pub(crate) type OnPart = dyn Fn(Range<u64>);

impl<S: BlobStorage + ?Sized> Sink<'_, S> {
    async fn store(&self, part: BlobPart) -> Result<(), StorageError> {
        let Target { scope, hash, size } = self.target;
        let groups = part.groups(*size);
        self.storage.write_blob(*scope, hash, *size, part).await?;
        (self.on_part)(groups);
        Ok(())
    }
}

/// Asks one peer for `groups`, and stores what comes.
pub(crate) async fn receive<S: BlobStorage + ?Sized>(
    groups: &Groups,
    AskStream { mut send, mut recv, place: _place }: AskStream,
    sink: &Sink<'_, S>,
    pace: &Pace,
) -> Result<(), PeerFailure> {
    pace.begun.store(true, Ordering::Relaxed);
    let target = sink.target;
    let request = BlobRequest::new(target.hash, groups);
    send.write_frame(&request.encode()).await?;
    send.finish();
    let frame = timeout(RECEIVE_TIMEOUT, recv.read_frame(MAX_BLOB_FRAME))
        .await
        .map_err(|_| PeerFailure::Silent)?
        .map_err(long_is_broken)?
        .ok_or(StreamError::Truncated)?;
    expect_here(BlobReply::decode(&frame)?, groups, target.size)?;
    let mut decoder = Decoder::new(target.hash, target.size, groups);
    let outcome = tokio::select! {
        outcome = pull(&mut decoder, &mut recv, sink, pace) => outcome,
        () = pace.cut.notified() => Err(PeerFailure::Slow),
    };
    if outcome.is_err() {
        recv.stop(StreamCode::Cancelled);
    }
    // What was verified before a cut is kept: a resumed transfer goes on behind it.
    if let Some(part) = decoder.rest() {
        sink.store(part).await?;
    }
    outcome
}

fn expect_here(reply: BlobReply, groups: &Groups, expected: u64) -> Result<(), PeerFailure> {
    match reply {
        BlobReply::Absent => Err(PeerFailure::Absent),
        BlobReply::Busy => Err(PeerFailure::Busy),
        BlobReply::Here { size } | BlobReply::Partly { size, .. } if size != expected => {
            Err(PeerFailure::Wrong)
        }
        BlobReply::Here { .. } => Ok(()),
        BlobReply::Partly { held, .. } => {
            let held = Groups::from_wire(&held).map_err(BlobFrameError::from)?;
            // Else it would be asked the same again.
            Err(if held.covers(groups) { PeerFailure::Wrong } else { PeerFailure::Partly(held) })
        }
    }
}

async fn pull<S: BlobStorage + ?Sized>(
    decoder: &mut Decoder,
    recv: &mut RecvStream,
    sink: &Sink<'_, S>,
    pace: &Pace,
) -> Result<(), PeerFailure> {
    // An empty blob needs no bytes.
    let _ = decoder.feed(&mut &[][..])?;
    loop {
        let next = timeout(RECEIVE_TIMEOUT, recv.read_chunk(CHUNK));
        let Some(chunk) = next.await.map_err(|_| PeerFailure::Silent)?? else {
            let end = if decoder.is_complete() { Ok(()) } else { Err(StreamError::Truncated) };
            return end.map_err(PeerFailure::Cut);
        };
        pace.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        let mut bytes = &chunk[..];
        while let Some(part) = decoder.feed(&mut bytes)? {
            sink.store(part).await?;
        }
    }
}

fn long_is_broken(error: StreamError) -> PeerFailure {
    match error {
        StreamError::TooLong { .. } => BlobFrameError::Undecodable.into(),
        other => other.into(),
    }
}
