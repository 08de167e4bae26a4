//! The frames of one app on their way to one peer: a bounded queue, and the task that empties it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use kith_app::AppId;
use tokio::sync::Notify;
use tracing::debug;

use super::limits::{LANE_BYTES, LANE_FRAMES, PRIORITY_FRAMES};
use super::stream::{SendStream, StreamError};
use super::traffic::Meter;
use super::{Peer, SpaceRef, StreamHeader};

/// Bytes that one write takes from the queue at most: small frames share packets.
const BATCH: usize = 64 * 1024;

/// Why a frame was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Too much waits for this peer and app already.
    #[error("the queue for this peer is full")]
    Full,
    /// The connection is over, or about to be: a newer one of the same peer may be there.
    #[error("the connection is over")]
    Closed,
    /// The space is not entered on this connection.
    #[error("the peer is not in this space")]
    NotEntered,
    /// The frame is longer than [`super::limits::MAX_FRAME`].
    #[error("the frame is too long")]
    TooLong,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    closed: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Lane {
    queue: Mutex<Queue>,
    wake: Notify,
}

impl Lane {
    /// `part` of the queue may be full at most, with this frame: 1 for all of it, 2 for half.
    pub(crate) fn push(&self, frame: Bytes, part: usize) -> Result<(), SendError> {
        let mut queue = self.queue();
        if queue.closed {
            return Err(SendError::Closed);
        }
        let (frames, bytes) = (LANE_FRAMES / part, LANE_BYTES / part);
        if queue.frames.len() >= frames || queue.bytes + frame.len() > bytes {
            return Err(SendError::Full);
        }
        queue.bytes += frame.len();
        queue.frames.push_back(frame);
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    /// Takes no more frames; those that it has are still written.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.wake.notify_one();
    }

    /// Waits for frames; none when the lane is closed and empty.
    async fn next(&self) -> Option<Bytes> {
        loop {
            let wake = self.wake.notified();
            {
                let mut queue = self.queue();
                if !queue.frames.is_empty() {
                    return Some(take(&mut queue));
                }
                if queue.closed {
                    return None;
                }
            }
            wake.await;
        }
    }

    /// Waits until there is something to do.
    async fn ready(&self) -> bool {
        loop {
            let wake = self.wake.notified();
            {
                let queue = self.queue();
                if !queue.frames.is_empty() || queue.closed {
                    return !queue.frames.is_empty();
                }
            }
            wake.await;
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take(queue: &mut Queue) -> Bytes {
    let first = queue.frames.pop_front().expect("the queue is not empty");
    queue.bytes -= first.len();
    let fits = |next: &Bytes, so_far: usize| so_far + next.len() <= BATCH;
    if queue.frames.front().is_none_or(|next| !fits(next, first.len())) {
        return first;
    }
    let mut batch = BytesMut::with_capacity(BATCH);
    batch.extend_from_slice(&first);
    while let Some(next) = queue.frames.front().filter(|next| fits(next, batch.len())) {
        queue.bytes -= next.len();
        batch.extend_from_slice(next);
        queue.frames.pop_front();
    }
    batch.freeze()
}

/// A frame as it stands on the stream: `u32` length ‖ space ‖ payload.
pub(crate) fn encode(at: &SpaceRef, payload: &[u8]) -> Bytes {
    let length = u32::try_from(32 + payload.len()).expect("frames are far shorter than 4 GiB");
    let mut frame = BytesMut::with_capacity(4 + 32 + payload.len());
    frame.put_u32(length);
    frame.put_slice(at.space.as_bytes());
    frame.put_slice(payload);
    frame.freeze()
}

/// Writes a lane's frames until it is closed or the peer wants no more.
pub(crate) async fn run(peer: Arc<Peer>, app: AppId, lane: Arc<Lane>, meter: Meter) {
    let result = write(&peer, app, &lane, meter).await;
    lane.close();
    peer.lane_ended(app, &lane);
    if let Err(error) = result {
        debug!(peer = %peer.id().fmt_short(), %app, %error, "frames stopped");
        peer.refused("frames_stopped_by_peer");
        peer.outbox().frames_lost(app);
    }
}

async fn write(peer: &Peer, app: AppId, lane: &Lane, meter: Meter) -> Result<(), StreamError> {
    if !lane.ready().await {
        return Ok(());
    }
    let stream = peer.open_uni().await?;
    let mut stream = SendStream::new(stream, meter, None);
    stream.set_priority(PRIORITY_FRAMES);
    stream.write_all(&StreamHeader::frames(app).encode()).await?;
    while let Some(batch) = lane.next().await {
        stream.write_chunk(batch).await?;
    }
    stream.finish();
    Ok(())
}
