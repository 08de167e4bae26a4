//! Reads the heads of requests before hyper does.
//!
//! hyper answers what it can't parse with a bare 400, 414 or 431, without the headers that every
//! response of ours must carry: a page of an origin would come to have a document or a worker
//! without its policy. So [`Guarded`] parses each head first, with the parser that hyper uses. A
//! good head goes on to hyper unchanged; instead of a bad one hyper gets a request of our own
//! making that says what is wrong ([`refused`]), so the answer takes the usual way, in its turn.
//!
//! Requests have no bodies, but for a file that is handed in: any other that announces one is
//! answered, and the connection closed. A body is framed by hyper alone, and is the last thing that is
//! read of its connection, so that no bytes of it can be taken for a request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::{Limits, blobs};

/// The header of our own stand-in for a head that was refused. A client that sends it is refused.
const REFUSED: HeaderName = HeaderName::from_static("kith-refused");
/// Bytes read at once.
const CHUNK: usize = 8 * 1024;
/// Bytes of a refused request that are read and dropped, so that the client gets to read the
/// answer instead of a reset.
const MAX_SWALLOWED: usize = 256 * 1024;
/// As much of a file that was refused: what is on its way in the system's buffers.
const MAX_SWALLOWED_FILE: usize = 16 * 1024 * 1024;
/// How long the client is waited for after a refusal, for the same reason.
const SWALLOW_TIME: Duration = Duration::from_secs(1);

/// The status that a stand-in asks for.
pub(crate) fn refused(headers: &HeaderMap) -> Option<StatusCode> {
    StatusCode::from_bytes(headers.get(REFUSED)?.as_bytes()).ok()
}

/// Whether what a client sent before it ended gets an answer, be it a refusal.
pub(crate) fn is_answered(bytes: &[u8], limits: &Limits) -> bool {
    judge(bytes, limits) != Verdict::Partial
}

/// A connection whose requests' heads are checked.
pub(crate) struct Guarded<S> {
    stream: S,
    limits: Limits,
    stage: Stage,
    /// Read, not yet judged.
    unread: BytesMut,
    /// Judged, on its way to hyper.
    ready: Bytes,
    /// The end of waiting for the next head, or for the rest of one.
    deadline: Pin<Box<Sleep>>,
    /// Whether `deadline` counts for the rest of a head.
    in_head: bool,
    /// Whether `deadline` counts for the next bytes of a file.
    is_silent: bool,
    /// The end of waiting for the client to take bytes.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes that are read and dropped yet.
    swallows: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Heads follow each other.
    Heads,
    /// An upgrade was asked for: what follows is no HTTP.
    Raw,
    /// A file is handed in: what follows is its body, to the end of the connection.
    File,
    /// The last answer of this connection is under way: what comes is dropped.
    Swallow,
}

/// What the bytes read so far are.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Partial,
    Head { len: usize, next: Next },
    Refused(StatusCode),
}

#[derive(Debug, PartialEq, Eq)]
enum Next {
    Head,
    Upgrade,
    File,
    Body,
}

impl<S> Guarded<S> {
    pub(crate) fn new(stream: S, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            stage: Stage::Heads,
            unread: BytesMut::new(),
            ready: Bytes::new(),
            // Whoever connects has something to ask.
            deadline: Box::pin(sleep_until(Instant::now() + limits.head_time)),
            in_head: false,
            is_silent: false,
            stalled: None,
            swallows: MAX_SWALLOWED,
        }
    }

    fn refuse(&mut self, status: StatusCode) {
        self.ready = Bytes::from(format!(
            "GET / HTTP/1.1\r\nhost: refused\r\n{REFUSED}: {}\r\n\r\n",
            status.as_str()
        ));
        self.unread.clear();
        self.swallow();
    }

    fn swallow(&mut self) {
        self.stage = Stage::Swallow;
    }

    fn wait(&mut self, time: Duration) {
        self.deadline.as_mut().reset(Instant::now() + time);
    }

    /// Moves what can be judged from `unread` to `ready`.
    fn judge(&mut self) {
        match judge(&self.unread, &self.limits) {
            Verdict::Partial => {
                if !self.in_head && !self.unread.is_empty() {
                    self.in_head = true;
                    self.wait(self.limits.head_time);
                }
            }
            Verdict::Refused(status) => self.refuse(status),
            Verdict::Head { len, next } => {
                self.ready = self.unread.split_to(len).freeze();
                self.in_head = false;
                self.wait(self.limits.idle_time);
                match next {
                    Next::Head => {}
                    Next::Upgrade => self.stage = Stage::Raw,
                    Next::File => {
                        self.stage = Stage::File;
                        self.swallows = MAX_SWALLOWED_FILE;
                    }
                    Next::Body => self.swallow(),
                }
            }
        }
    }
}

fn judge(bytes: &[u8], limits: &Limits) -> Verdict {
    let mut fields = vec![httparse::EMPTY_HEADER; limits.headers];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len <= limits.head => {
            match check(&request, limits) {
                Ok(next) => Verdict::Head { len, next },
                Err(status) => Verdict::Refused(status),
            }
        }
        Ok(httparse::Status::Partial) if bytes.len() <= limits.head => Verdict::Partial,
        Ok(_) if request.path.is_none() => Verdict::Refused(StatusCode::URI_TOO_LONG),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => {
            Verdict::Refused(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        }
        Err(httparse::Error::Version) => Verdict::Refused(StatusCode::HTTP_VERSION_NOT_SUPPORTED),
        Err(_) => Verdict::Refused(StatusCode::BAD_REQUEST),
    }
}

/// All that hyper checks beyond the grammar, and what we want besides.
fn check(request: &httparse::Request<'_, '_>, limits: &Limits) -> Result<Next, StatusCode> {
    let target = request.path.unwrap_or_default();
    if target.len() > limits.target {
        return Err(StatusCode::URI_TOO_LONG);
    }
    let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes())
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    let uri: Uri = target.parse().map_err(|_| StatusCode::BAD_REQUEST)?;
    if !target.starts_with('/') || uri.authority().is_some() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let mut said = Said::default();
    for field in &*request.headers {
        said.read(field)?;
    }
    if blobs::is_upload(&method, uri.path()) { said.file(request.version) } else { said.next() }
}

/// What a head says of the bytes after it.
#[derive(Default)]
struct Said {
    hosts: usize,
    lengths: usize,
    encodings: usize,
    is_chunked: bool,
    /// Whether a length above 0 is told.
    is_body: bool,
    is_upgrade: bool,
}

impl Said {
    fn read(&mut self, field: &httparse::Header<'_>) -> Result<(), StatusCode> {
        let name =
            HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| StatusCode::BAD_REQUEST)?;
        HeaderValue::from_bytes(field.value).map_err(|_| StatusCode::BAD_REQUEST)?;
        if name == REFUSED {
            return Err(StatusCode::BAD_REQUEST);
        } else if name == header::TRANSFER_ENCODING {
            self.encodings += 1;
            self.is_chunked = field.value.eq_ignore_ascii_case(b"chunked");
        } else if name == header::HOST {
            self.hosts += 1;
        } else if name == header::CONTENT_LENGTH {
            self.lengths += 1;
            if field.value.is_empty() || !field.value.iter().all(u8::is_ascii_digit) {
                return Err(StatusCode::BAD_REQUEST);
            }
            if field.value.len() > MAX_LENGTH_DIGITS {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            self.is_body = field.value.iter().any(|digit| *digit != b'0');
        } else if name == header::UPGRADE {
            self.is_upgrade = true;
        }
        Ok(())
    }

    /// What follows where no file is handed in.
    fn next(&self) -> Result<Next, StatusCode> {
        if self.encodings > 0 {
            return Err(StatusCode::LENGTH_REQUIRED);
        }
        if self.hosts > 1 || self.lengths > 1 {
            return Err(StatusCode::BAD_REQUEST);
        }
        Ok(match (self.is_body, self.is_upgrade) {
            (true, _) => Next::Body,
            (false, true) => Next::Upgrade,
            (false, false) => Next::Head,
        })
    }

    /// What follows where a file is handed in: exactly one way must say where it ends (RFC 9112,
    /// section 6), for two are how requests are smuggled.
    fn file(&self, version: Option<u8>) -> Result<Next, StatusCode> {
        let is_framed = match (self.lengths, self.encodings) {
            (1, 0) => true,
            (0, 1) => self.is_chunked && version == Some(1),
            (0, 0) => return Err(StatusCode::LENGTH_REQUIRED),
            _ => false,
        };
        if !is_framed || self.hosts > 1 || self.is_upgrade {
            return Err(StatusCode::BAD_REQUEST);
        }
        // Nothing follows, and the connection goes on.
        if self.lengths == 1 && !self.is_body {
            return Ok(Next::Head);
        }
        Ok(Next::File)
    }
}

/// Digits of a `Content-Length` that surely fits hyper's 64 bits, and the largest file's 53.
const MAX_LENGTH_DIGITS: usize = 16;

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads once into `unread`. `Ok(0)` is the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.unread.reserve(CHUNK);
        let before = self.unread.len();
        self.unread.resize(before + CHUNK, 0);
        let mut chunk = ReadBuf::new(&mut self.unread[before..]);
        let polled = Pin::new(&mut self.stream).poll_read(cx, &mut chunk);
        let read = chunk.filled().len();
        self.unread.truncate(before + read);
        polled.map_ok(|()| read)
    }

    /// Reads and drops what comes after the last request. Ready at the end of it, or of patience.
    fn poll_swallow(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.swallows > 0 {
            self.unread.clear();
            match ready!(self.poll_more(cx))? {
                0 => break,
                read => self.swallows = self.swallows.saturating_sub(read),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> Guarded<S> {
    /// Reads of a file's body, unless its client is silent for too long. hyper reads only what
    /// somebody waits for, so that a slow disk is not the client's fault.
    fn poll_file(&mut self, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(cx, out);
        if polled.is_ready() {
            self.is_silent = false;
            return polled;
        }
        if !self.is_silent {
            self.is_silent = true;
            self.wait(self.limits.upload_stall);
        }
        ready!(self.deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if !this.ready.is_empty() {
                let some = this.ready.len().min(out.remaining());
                out.put_slice(&this.ready.split_to(some));
                return Poll::Ready(Ok(()));
            }
            match this.stage {
                Stage::Raw if this.unread.is_empty() => {
                    this.unread = BytesMut::new();
                    return Pin::new(&mut this.stream).poll_read(cx, out);
                }
                Stage::Raw => this.ready = this.unread.split().freeze(),
                Stage::File if this.unread.is_empty() => return this.poll_file(cx, out),
                Stage::File => this.ready = this.unread.split().freeze(),
                Stage::Swallow => return this.poll_swallow(cx),
                Stage::Heads => {
                    this.judge();
                    if !this.ready.is_empty() {
                        continue;
                    }
                    match this.poll_more(cx)? {
                        // hyper would refuse half a head in its own words.
                        Poll::Ready(0) => {
                            this.unread.clear();
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Ready(_) => {}
                        Poll::Pending => {
                            ready!(this.deadline.as_mut().poll(cx));
                            if !this.in_head {
                                return Poll::Ready(Ok(()));
                            }
                            this.refuse(StatusCode::REQUEST_TIMEOUT);
                        }
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Starts and ends the wait for a client that takes nothing.
    fn watch_write<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled = None;
            if !self.in_head && self.stage == Stage::Heads {
                self.wait(self.limits.idle_time);
            }
            return polled;
        }
        if self.stage == Stage::Raw {
            return polled;
        }
        let end = Instant::now() + self.limits.write_stall;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(end)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watch_write(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_write_vectored(cx, parts);
        this.watch_write(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.stream).poll_flush(cx);
        this.watch_write(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        if matches!(this.stage, Stage::Swallow | Stage::File) && this.swallows > 0 {
            let end = Instant::now() + SWALLOW_TIME;
            let patience = this.stalled.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if patience.as_mut().poll(cx).is_pending() && this.poll_swallow(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(head: &str) -> Verdict {
        judge(head.as_bytes(), &Limits::default())
    }

    fn status(head: &str) -> u16 {
        match of(head) {
            Verdict::Refused(status) => status.as_u16(),
            other => panic!("{other:?}: {head:?}"),
        }
    }

    #[test]
    fn a_head_is_found_in_what_follows() {
        let head = "GET /a?b HTTP/1.1\r\nHost: localhost:1\r\n\r\n";
        let both = format!("{head}GET /");
        assert_eq!(of(&both), Verdict::Head { len: head.len(), next: Next::Head });
        assert_eq!(of(&head[..head.len() - 1]), Verdict::Partial);
        assert_eq!(of(""), Verdict::Partial);
    }

    #[test]
    fn what_follows_a_head_is_known() {
        let next = |fields: &str| match of(&format!("POST / HTTP/1.1\r\n{fields}\r\n")) {
            Verdict::Head { next, .. } => next,
            other => panic!("{other:?}"),
        };
        assert_eq!(next("Content-Length: 0\r\n"), Next::Head);
        assert_eq!(next("Content-Length: 10\r\n"), Next::Body);
        assert_eq!(next("Upgrade: websocket\r\n"), Next::Upgrade);
        assert_eq!(next("Upgrade: websocket\r\nContent-Length: 1\r\n"), Next::Body);
    }

    #[test]
    fn each_broken_head_has_its_status() {
        assert_eq!(status("nonsense\r\n\r\n"), 400);
        assert_eq!(status("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
        assert_eq!(status("GET http://localhost:1/ HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("OPTIONS * HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("CONNECT a:1 HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nkith-refused: 200\r\n\r\n"), 400);
        assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), 400);
        assert_eq!(status("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), 411);
        assert_eq!(status("POST / HTTP/1.1\r\nContent-Length: 99999999999999999\r\n\r\n"), 413);
        assert_eq!(status(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000))), 414);
        assert_eq!(status(&format!("GET /{}", "a".repeat(40_000))), 414);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\na: {}", "a".repeat(40_000))), 431);
        assert_eq!(status(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65))), 431);
    }

    #[test]
    fn a_file_that_is_handed_in_says_once_where_it_ends() {
        let head = |path: &str, version: &str, fields: &str| {
            of(&format!("POST {path} HTTP/{version}\r\nHost: a\r\n{fields}\r\n"))
        };
        let is_file = |verdict| matches!(verdict, Verdict::Head { next: Next::File, .. });
        for fields in [
            "Content-Length: 10\r\n",
            "Content-Length: 10\r\nExpect: 100-continue\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding: Chunked\r\n",
        ] {
            assert!(is_file(head("/.kith/blobs?name=a", "1.1", fields)), "{fields:?}");
            assert!(!is_file(head("/.kith/api", "1.1", fields)), "{fields:?}");
            assert!(!is_file(head("/.kith/%62lobs", "1.1", fields)), "{fields:?}");
            assert!(!is_file(head("/.kith/blobs/", "1.1", fields)), "{fields:?}");
        }
        assert!(is_file(head("/.kith/blobs", "1.0", "Content-Length: 1\r\n")));
        let empty = head("/.kith/blobs", "1.1", "Content-Length: 0\r\n");
        assert!(matches!(empty, Verdict::Head { next: Next::Head, .. }));
        for (version, fields) in [
            ("1.0", "Transfer-Encoding: chunked\r\n"),
            ("1.1", "Content-Length: 1\r\nContent-Length: 1\r\n"),
            ("1.1", "Content-Length: 1, 1\r\n"),
            ("1.1", "Content-Length: +1\r\n"),
            ("1.1", "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
            ("1.1", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            ("1.1", "Transfer-Encoding: gzip, chunked\r\n"),
            ("1.1", "Transfer-Encoding: chunked, identity\r\n"),
            ("1.1", "Transfer-Encoding: \x0bchunked\r\n"),
            ("1.1", "Transfer-Encoding: identity\r\n"),
            ("1.1", "Transfer-Encoding:\r\n"),
            ("1.1", "Content-Length: 1\r\nUpgrade: websocket\r\n"),
            ("1.1", "Content-Length: 1\r\nHost: b\r\n"),
        ] {
            let verdict = head("/.kith/blobs", version, fields);
            assert_eq!(verdict, Verdict::Refused(StatusCode::BAD_REQUEST), "{fields:?}");
        }
        assert_eq!(head("/.kith/blobs", "1.1", ""), Verdict::Refused(StatusCode::LENGTH_REQUIRED));
    }
}
