//! Finding out the size of a blob of which members of its space say different things.
//!
//! Whoever signed an entry may have named a wrong size. The hash knows the right one: the last group,
//! and the pairs on the way to it, verify under no other. So the last groups of all the sizes are asked
//! for at once, and what verifies under the size that the holder names proves it.

use futures_util::stream::{self, StreamExt};
use iroh::EndpointId;
use kith_app::AppId;
use kith_log::SpaceId;
use n0_future::time::{Duration, timeout};
use tokio::sync::watch;

use super::encode::Decoder;
use super::fetch::{AskStream, SpacePeers, Streams};
use super::groups::{Groups, groups_of};
use super::plan::{MAX_CANDIDATES, MAX_FETCH_PEERS, RETRY_FIRST, RETRY_LAST};
use super::receive::{Pace, PeerFailure, Puller, RECEIVE_TIMEOUT, long_is_broken};
use super::wire::{BlobFrameError, BlobReply, BlobRequest, MAX_BLOB_FRAME};
use crate::transport::{StreamCode, StreamError, StreamHeader};

/// Sizes of one blob that are looked at. Bounds a request at so many groups, and the answer at 1 MiB.
pub const MAX_SIZES: usize = 64;

/// Which blob, of which space.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfSpace {
    pub(crate) app: AppId,
    pub(crate) space: SpaceId,
    pub(crate) hash: [u8; 32],
}

/// Asks members for the end of a blob until one of them has it. None when the space was left.
pub(crate) async fn prove<S: Streams + ?Sized>(
    streams: &S,
    of: OfSpace,
    sizes: &[u64],
    mut members: watch::Receiver<SpacePeers>,
) -> Option<u64> {
    let sizes = &sizes[..sizes.len().min(MAX_SIZES)];
    let mut wait: Duration = RETRY_FIRST;
    loop {
        let peers: Vec<_> =
            members.borrow_and_update().keys().take(MAX_CANDIDATES).copied().collect();
        let asked = stream::iter(peers).map(|peer| ask(streams, peer, of, sizes));
        let mut asked = asked.buffer_unordered(MAX_FETCH_PEERS);
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(size) => return Some(size),
                Err((peer, failure)) if failure.is_fault() => streams.misbehaved(peer, &failure),
                Err(_) => {}
            }
        }
        // Who has its end may come, or get it.
        match timeout(wait, members.changed()).await {
            Ok(changed) => changed.ok()?,
            Err(_) => wait = (wait * 2).min(RETRY_LAST),
        }
    }
}

async fn ask<S: Streams + ?Sized>(
    streams: &S,
    peer: EndpointId,
    of: OfSpace,
    sizes: &[u64],
) -> Result<u64, (EndpointId, PeerFailure)> {
    let mut last = Groups::none();
    sizes.iter().for_each(|size| last.insert(last_of(*size)));
    let asked = async {
        match ask_for(streams, peer, of, &last, sizes).await? {
            Answer::Proven(size) => Ok(size),
            // Of its own end it may have all.
            Answer::Partly(size) => {
                let last = Groups::range(last_of(size));
                match ask_for(streams, peer, of, &last, &[size]).await? {
                    Answer::Proven(size) => Ok(size),
                    Answer::Partly(_) => Err(PeerFailure::Absent),
                }
            }
        }
    };
    asked.await.map_err(|failure| (peer, failure))
}

fn last_of(size: u64) -> std::ops::Range<u64> {
    groups_of(size) - 1..groups_of(size)
}

enum Answer {
    Proven(u64),
    /// It has the end of a blob of this size, and not all that was asked for.
    Partly(u64),
}

async fn ask_for<S: Streams + ?Sized>(
    streams: &S,
    peer: EndpointId,
    OfSpace { app, space, hash }: OfSpace,
    groups: &Groups,
    sizes: &[u64],
) -> Result<Answer, PeerFailure> {
    let header = StreamHeader::blob(app, Some(space));
    let stream = streams.open_ask(peer, header, true).await?;
    let AskStream { mut send, mut recv, place: _place } = stream;
    send.write_frame(&BlobRequest::new(hash, groups).encode()).await?;
    send.finish();
    let frame = timeout(RECEIVE_TIMEOUT, recv.read_frame(MAX_BLOB_FRAME))
        .await
        .map_err(|_| PeerFailure::Silent)?
        .map_err(long_is_broken)?
        .ok_or(StreamError::Truncated)?;
    let size = match BlobReply::decode(&frame)? {
        BlobReply::Absent => return Err(PeerFailure::Absent),
        BlobReply::Busy => return Err(PeerFailure::Busy),
        BlobReply::Here { size } | BlobReply::Partly { size, .. } if !sizes.contains(&size) => {
            recv.stop(StreamCode::Cancelled);
            return Err(PeerFailure::OtherSize(size));
        }
        BlobReply::Partly { size, held } => {
            let held = Groups::from_wire(&held).map_err(BlobFrameError::from)?;
            let has_end = held.covers(&Groups::range(last_of(size)));
            return if has_end { Ok(Answer::Partly(size)) } else { Err(PeerFailure::Absent) };
        }
        BlobReply::Here { size } => size,
    };
    let pace = Pace::default();
    let there = groups.within(&Groups::all(size));
    let mut puller = Puller::new(Decoder::new(hash, size, &there), &mut recv, &pace);
    loop {
        match puller.part().await {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(Answer::Proven(size)),
            Err(failure) => {
                recv.stop(StreamCode::Cancelled);
                return Err(failure);
            }
        }
    }
}
