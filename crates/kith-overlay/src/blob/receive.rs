//! Getting groups of a blob from one peer.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use futures_util::future::join;
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

/// Pieces that are taken from the transport at once, each a packet's or less: 90 KiB.
const PIECES: usize = 64;

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
    /// It says that the blob has another size, in bytes. It may be right.
    #[error("says that it has another size")]
    OtherSize(u64),
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
    let mut puller = Puller::new(Decoder::new(target.hash, target.size, groups), &mut recv, pace);
    let outcome = puller.pull(sink).await;
    let decoder = puller.decoder;
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
            Err(PeerFailure::OtherSize(size))
        }
        BlobReply::Here { .. } => Ok(()),
        BlobReply::Partly { held, .. } => {
            let held = Groups::from_wire(&held).map_err(BlobFrameError::from)?;
            // Else it would be asked the same again.
            Err(if held.covers(groups) { PeerFailure::Wrong } else { PeerFailure::Partly(held) })
        }
    }
}

/// Takes an encoding off a stream.
pub(super) struct Puller<'a> {
    decoder: Decoder,
    recv: &'a mut RecvStream,
    pace: &'a Pace,
    /// What came, and the piece that is next.
    pieces: [Bytes; PIECES],
    next: usize,
}

impl<'a> Puller<'a> {
    pub(super) fn new(decoder: Decoder, recv: &'a mut RecvStream, pace: &'a Pace) -> Self {
        Self { decoder, recv, pace, pieces: std::array::from_fn(|_| Bytes::new()), next: PIECES }
    }

    /// Stores each part while the next one comes.
    async fn pull<S: BlobStorage + ?Sized>(
        &mut self,
        sink: &Sink<'_, S>,
    ) -> Result<(), PeerFailure> {
        let mut ready: Option<BlobPart> = None;
        loop {
            let storing = async {
                match ready.take() {
                    Some(part) => sink.store(part).await,
                    None => Ok(()),
                }
            };
            let (next, stored) = join(self.part(), storing).await;
            stored?;
            match next? {
                Some(part) => ready = Some(part),
                None => return Ok(()),
            }
        }
    }

    /// The next part; none when all came.
    pub(super) async fn part(&mut self) -> Result<Option<BlobPart>, PeerFailure> {
        loop {
            // An empty blob needs no bytes.
            let mut none = Bytes::new();
            let piece = self.pieces.get_mut(self.next).unwrap_or(&mut none);
            let mut bytes = &piece[..];
            let part = self.decoder.feed(&mut bytes)?;
            let taken = piece.len() - bytes.len();
            piece.advance(taken);
            if part.is_some() {
                return Ok(part);
            }
            self.next += 1;
            if self.pieces.get(self.next).is_none_or(Bytes::is_empty) && !self.read().await? {
                let end =
                    if self.decoder.is_complete() { Ok(None) } else { Err(StreamError::Truncated) };
                return end.map_err(PeerFailure::Cut);
            }
        }
    }

    /// Waits for more; false at the end.
    async fn read(&mut self) -> Result<bool, PeerFailure> {
        self.pieces.fill(Bytes::new());
        self.next = 0;
        let read = timeout(RECEIVE_TIMEOUT, self.recv.read_chunks(&mut self.pieces));
        let read = tokio::select! {
            read = read => read.map_err(|_| PeerFailure::Silent)??,
            () = self.pace.cut.notified() => return Err(PeerFailure::Slow),
        };
        let came: usize = self.pieces.iter().map(Bytes::len).sum();
        self.pace.received.fetch_add(came as u64, Ordering::Relaxed);
        Ok(read.is_some())
    }
}

pub(super) fn long_is_broken(error: StreamError) -> PeerFailure {
    match error {
        StreamError::TooLong { .. } => BlobFrameError::Undecodable.into(),
        other => other.into(),
    }
}
