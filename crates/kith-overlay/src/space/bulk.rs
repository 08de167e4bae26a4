//! History on its way to one peer: a stream of its own, at lower priority, with backpressure.

use std::sync::Arc;

use n0_future::task::AbortOnDropHandle;
use n0_future::time::{Duration, timeout};
use tokio::sync::{Semaphore, mpsc};
use tracing::debug;

use super::driver::Inbox;
use crate::transport::limits::PRIORITY_BULK;
use crate::transport::{Peer, SendStream, SpaceRef, StreamError, StreamHeader};

/// Messages that wait for one peer and space. The sync asks for one at a time.
const QUEUE: usize = 4;

/// How long a stream stays open for the next message. Messages of one stream stay in order, and
/// an open stream holds one of [`MAX_BULK_SENT`].
const LINGER: Duration = Duration::from_secs(2);

/// Bulk streams that this node has open to one peer. Half of what a peer takes.
pub const MAX_BULK_SENT: usize = 16;

/// The way of history to one peer in one space. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Bulk {
    queue: mpsc::Sender<Vec<u8>>,
    _task: AbortOnDropHandle<()>,
}

impl Bulk {
    /// `permits` are the peer's, [`MAX_BULK_SENT`] for all spaces.
    pub(crate) fn start(
        peer: Arc<Peer>,
        at: SpaceRef,
        permits: Arc<Semaphore>,
        inbox: Arc<Inbox>,
    ) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        let writer = Writer { peer, at, permits, inbox };
        let task = n0_future::task::spawn(writer.run(messages));
        Self { queue, _task: AbortOnDropHandle::new(task) }
    }

    /// Queues a message; false where too many wait, or the peer wants none.
    pub(crate) fn push(&self, message: Vec<u8>) -> bool {
        self.queue.try_send(message).is_ok()
    }
}

struct Writer {
    peer: Arc<Peer>,
    at: SpaceRef,
    permits: Arc<Semaphore>,
    inbox: Arc<Inbox>,
}

impl Writer {
    async fn run(self, mut messages: mpsc::Receiver<Vec<u8>>) {
        while let Some(first) = messages.recv().await {
            let Ok(_permit) = self.permits.clone().acquire_owned().await else { return };
            if let Err(error) = self.stream(first, &mut messages).await {
                debug!(peer = %self.peer.id().fmt_short(), %error, "bulk sync stopped");
                self.peer.refused("bulk_stopped_by_peer");
                // The sync has lost messages without a trace: it begins anew with this peer.
                self.inbox.lost(self.peer.number());
            }
        }
    }

    /// One stream: for as long as messages follow each other closely.
    async fn stream(
        &self,
        first: Vec<u8>,
        messages: &mut mpsc::Receiver<Vec<u8>>,
    ) -> Result<(), StreamError> {
        let header = StreamHeader::bulk(self.at);
        let (mut send, _recv) = self.peer.open_bi(header, PRIORITY_BULK).await?;
        self.write(&mut send, first).await?;
        while let Ok(Some(next)) = timeout(LINGER, messages.recv()).await {
            self.write(&mut send, next).await?;
        }
        send.finish();
        // Else the next stream could overtake this one.
        send.acknowledged().await
    }

    async fn write(&self, send: &mut SendStream, message: Vec<u8>) -> Result<(), StreamError> {
        send.write_frame(&message).await?;
        self.inbox.bulk_sent(self.peer.number());
        Ok(())
    }
}
