//! A client's connection, of which a response under way can tell whether its reader is still there.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// The connection.
pub(crate) struct Client {
    reading: Reader,
    writing: OwnedWriteHalf,
}

/// What a request's handler may look at of its connection.
#[derive(Clone)]
pub(crate) struct Reader(Arc<OwnedReadHalf>);

impl Client {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let (reading, writing) = stream.into_split();
        Self { reading: Reader(Arc::new(reading)), writing }
    }

    pub(crate) fn reader(&self) -> Reader {
        self.reading.clone()
    }
}

impl Reader {
    /// Waits until the client has hung up. One that has asked for more meanwhile is taken to stay:
    /// what it sent is for the next request.
    pub(crate) async fn gone(&self) {
        let stream: &TcpStream = (*self.0).as_ref();
        if let Ok(1..) = stream.peek(&mut [0]).await {
            std::future::pending().await
        }
    }
}

impl AsyncRead for Client {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream: &TcpStream = (*self.reading.0).as_ref();
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match stream.try_read(out.initialize_unfilled()) {
                Ok(read) => {
                    out.advance(read);
                    return Poll::Ready(Ok(()));
                }
                // Others were faster, or the system was wrong.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Client {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writing).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writing).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.writing.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_shutdown(cx)
    }
}
