//! The two halves of a stream, with their bytes counted.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use iroh::endpoint::{self, ReadError, ReadExactError, VarInt, WriteError};
use tokio::sync::OwnedSemaphorePermit;

use super::StreamCode;
use super::traffic::Meter;

/// Why reading from or writing to a stream failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The peer reset the stream, or told this side to stop, with a code of this version.
    #[error("ended by the peer: {0}")]
    Ended(StreamCode),
    /// As before, with a code that this version does not know.
    #[error("ended by the peer with the unknown code {0}")]
    Unknown(u64),
    /// The stream ended before it was due: the peer's fault.
    #[error("the stream ended in the middle of a message")]
    Truncated,
    /// A frame is longer than it may be: the peer's fault.
    #[error("a frame of {length} bytes, where {limit} are allowed")]
    TooLong {
        /// Its length.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// The connection is over.
    #[error("the connection is over")]
    Closed,
}

impl StreamError {
    fn code(code: VarInt) -> Self {
        let number = code.into_inner();
        StreamCode::from_number(number).map_or(Self::Unknown(number), Self::Ended)
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(code) => Self::code(code),
            WriteError::ConnectionLost(_)
            | WriteError::ClosedStream
            | WriteError::ZeroRttRejected => Self::Closed,
        }
    }
}

impl From<ReadError> for StreamError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::code(code),
            ReadError::ConnectionLost(_) | ReadError::ClosedStream | ReadError::ZeroRttRejected => {
                Self::Closed
            }
        }
    }
}

/// The sending half of a stream. Dropped without [`SendStream::finish`] it resets the stream.
#[derive(Debug)]
pub struct SendStream {
    stream: endpoint::SendStream,
    meter: Meter,
    done: bool,
    _held: Option<Arc<OwnedSemaphorePermit>>,
}

impl SendStream {
    pub(crate) fn new(
        stream: endpoint::SendStream,
        meter: Meter,
        held: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Self {
        Self { stream, meter, done: false, _held: held }
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// When the peer does not want it, or the connection is over.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.stream.write_all(bytes).await?;
        self.meter.sent(bytes.len());
        Ok(())
    }

    /// Writes all of it, without copying.
    ///
    /// # Errors
    /// When the peer does not want it, or the connection is over.
    pub async fn write_chunk(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let length = bytes.len();
        self.stream.write_chunk(bytes).await?;
        self.meter.sent(length);
        Ok(())
    }

    /// Writes what there is room for, without copying, and takes it off: waits until that is
    /// something.
    ///
    /// # Errors
    /// When the peer does not want it, or the connection is over.
    pub async fn write_some(&mut self, bytes: &mut Bytes) -> Result<(), StreamError> {
        let mut pieces = std::slice::from_mut(bytes);
        let written = self.stream.write_many_chunks(&mut pieces).await?;
        if pieces.is_empty() {
            bytes.clear();
        }
        self.meter.sent(written);
        Ok(())
    }

    /// Writes a frame: its length as `u32`, then its bytes.
    ///
    /// # Errors
    /// When the peer does not want it, or the connection is over.
    pub async fn write_frame(&mut self, frame: &[u8]) -> Result<(), StreamError> {
        let length = u32::try_from(frame.len())
            .map_err(|_| StreamError::TooLong { length: frame.len(), limit: u32::MAX as usize })?;
        self.write_all(&length.to_be_bytes()).await?;
        self.write_all(frame).await
    }

    /// Says that nothing more comes.
    pub fn finish(&mut self) {
        self.done = true;
        // It fails only where the stream is over already.
        let _ = self.stream.finish();
    }

    /// Waits until the peer's transport has everything, after [`SendStream::finish`].
    ///
    /// # Errors
    /// When the peer did not want all of it, or the connection is over.
    pub async fn acknowledged(&mut self) -> Result<(), StreamError> {
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(StreamError::code(code)),
            Err(_) => Err(StreamError::Closed),
        }
    }

    /// Gives up; what is under way may be lost.
    pub fn reset(&mut self, code: StreamCode) {
        self.done = true;
        let _ = self.stream.reset(code.into());
    }

    /// Streams with a higher priority go first.
    pub fn set_priority(&self, priority: i32) {
        let _ = self.stream.set_priority(priority);
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        // Else a half-written message would look like a whole stream.
        if !self.done {
            let _ = self.stream.reset(StreamCode::Cancelled.into());
        }
    }
}

/// The receiving half of a stream.
#[derive(Debug)]
pub struct RecvStream {
    stream: endpoint::RecvStream,
    meter: Meter,
    _held: Option<Arc<OwnedSemaphorePermit>>,
}

impl RecvStream {
    pub(crate) fn new(
        stream: endpoint::RecvStream,
        meter: Meter,
        held: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Self {
        Self { stream, meter, _held: held }
    }

    /// The next bytes, at most so many; none at the end.
    ///
    /// # Errors
    /// When the peer gave up, or the connection is over.
    pub async fn read_chunk(&mut self, at_most: usize) -> Result<Option<Bytes>, StreamError> {
        let chunk = self.stream.read_chunk(at_most).await?;
        if let Some(chunk) = &chunk {
            self.meter.received(chunk.len());
        }
        Ok(chunk)
    }

    /// The next pieces, as they came, into the empty places of `pieces`: how many; none at the end.
    /// One look at the connection for all of them.
    ///
    /// # Errors
    /// When the peer gave up, or the connection is over.
    pub async fn read_chunks(
        &mut self,
        pieces: &mut [Bytes],
    ) -> Result<Option<usize>, StreamError> {
        let Some(count) = self.stream.read_many_chunks(pieces).await? else { return Ok(None) };
        self.meter.received(pieces[..count].iter().map(Bytes::len).sum());
        Ok(Some(count))
    }

    /// Fills the buffer.
    ///
    /// # Errors
    /// [`StreamError::Truncated`] where the stream ends before; when the peer gave up, or the
    /// connection is over.
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), StreamError> {
        match self.stream.read_exact(buffer).await {
            Ok(()) => {
                self.meter.received(buffer.len());
                Ok(())
            }
            Err(ReadExactError::FinishedEarly(_)) => Err(StreamError::Truncated),
            Err(ReadExactError::ReadError(error)) => Err(error.into()),
        }
    }

    /// The next frame, as [`SendStream::write_frame`] wrote it; none at the end of the stream.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] where it has more than `limit` bytes; else as
    /// [`RecvStream::read_exact`].
    pub async fn read_frame(&mut self, limit: usize) -> Result<Option<Bytes>, StreamError> {
        let mut length = [0; 4];
        let first = match self.stream.read(&mut length).await? {
            None => return Ok(None),
            Some(first) => first,
        };
        self.meter.received(first);
        self.read_exact(&mut length[first..]).await?;
        let length = u32::from_be_bytes(length) as usize;
        if length > limit {
            return Err(StreamError::TooLong { length, limit });
        }
        // Grows with what arrives: a length alone reserves nothing.
        let mut frame = BytesMut::new();
        while frame.len() < length {
            let Some(chunk) = self.read_chunk(length - frame.len()).await? else {
                return Err(StreamError::Truncated);
            };
            if frame.is_empty() && chunk.len() == length {
                return Ok(Some(chunk));
            }
            frame.extend_from_slice(&chunk);
        }
        Ok(Some(frame.freeze()))
    }

    /// Everything to the end.
    ///
    /// # Errors
    /// [`StreamError::TooLong`] where it has more than `limit` bytes; else as
    /// [`RecvStream::read_chunk`].
    pub async fn read_to_end(&mut self, limit: usize) -> Result<Bytes, StreamError> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.read_chunk(limit + 1 - all.len()).await? {
            all.extend_from_slice(&chunk);
            if all.len() > limit {
                return Err(StreamError::TooLong { length: all.len(), limit });
            }
        }
        Ok(all.freeze())
    }

    /// Tells the peer that nothing more is wanted.
    pub fn stop(&mut self, code: StreamCode) {
        let _ = self.stream.stop(code.into());
    }
}
