//! Sends a file's bytes as the browser wants them: not at all where it has them, compressed where
//! that helps.

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use data_encoding::BASE64URL_NOPAD;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, RANGE, VARY,
};
use http::request::Parts;
use http::{HeaderValue, StatusCode};

use crate::Limits;
use crate::policy::Policy;
use crate::range::Wanted;

/// Files below this size fit a packet or two as they are.
const WORTH_COMPRESSING: usize = 1_024;
/// Fast: the network is this machine's own.
const LEVEL: u32 = 3;

/// A file to send.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// BLAKE3 of the bytes.
    pub(crate) hash: [u8; 32],
    pub(crate) content_type: &'static str,
}

/// Sends files, and keeps compressed ones.
#[derive(Debug)]
pub(crate) struct Sender {
    limits: Limits,
    kept: Arc<Mutex<Kept>>,
}

/// Compressed files by the hash of the plain ones; the oldest goes first.
#[derive(Debug, Default)]
struct Kept {
    files: HashMap<[u8; 32], Bytes>,
    order: VecDeque<[u8; 32]>,
    bytes: usize,
}

impl Sender {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, kept: Arc::default() }
    }

    /// The answer to a GET or HEAD of `content`.
    pub(crate) async fn send(&self, request: &Parts, content: Content, policy: Policy) -> Response {
        let tag = tag(&content.hash);
        let compress = takes_gzip(request)
            && !request.headers.contains_key(RANGE)
            && is_text(content.content_type)
            && (WORTH_COMPRESSING..self.limits.compress_below).contains(&content.bytes.len());
        let tag = if compress { format!("\"{tag}-gz\"") } else { format!("\"{tag}\"") };
        let mut response = Response::new(Body::empty());
        let headers = response.headers_mut();
        headers.insert(ETAG, HeaderValue::from_str(&tag).expect("base64url is visible ASCII"));
        // Whoever may read it can change, so the browser asks each time; the tag saves the bytes.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        response.extensions_mut().insert(policy);
        if has_tag(request, &tag) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content.content_type));
        let bytes = if compress {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            self.compressed(content).await
        } else {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            part(request, content.bytes, &tag, &mut response)
        };
        *response.body_mut() = Body::from(bytes);
        response
    }

    async fn compressed(&self, content: Content) -> Bytes {
        if let Some(bytes) = lock(&self.kept).files.get(&content.hash) {
            return bytes.clone();
        }
        let kept = Arc::clone(&self.kept);
        let limit = self.limits.compressed;
        let work = tokio::task::spawn_blocking(move || {
            let bytes = gzip(&content.bytes);
            lock(&kept).keep(content.hash, bytes.clone(), limit);
            bytes
        });
        work.await.expect("compressing memory into memory does not fail")
    }
}

impl Kept {
    fn keep(&mut self, hash: [u8; 32], bytes: Bytes, limit: usize) {
        if bytes.len() > limit || self.files.contains_key(&hash) {
            return;
        }
        self.bytes += bytes.len();
        self.order.push_back(hash);
        self.files.insert(hash, bytes);
        while self.bytes > limit {
            let Some(oldest) = self.order.pop_front() else { return };
            self.bytes -= self.files.remove(&oldest).map_or(0, |bytes| bytes.len());
        }
    }
}

fn lock(kept: &Mutex<Kept>) -> std::sync::MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::new(LEVEL));
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all").into()
}

/// What the request wants of the bytes, with the status and the header that say so.
fn part(request: &Parts, bytes: Bytes, tag: &str, response: &mut Response) -> Bytes {
    let len = bytes.len();
    let wanted = Wanted::of(request, len as u64, tag);
    wanted.tell(response, len as u64);
    // What is wanted lies within the bytes, whose length is one of memory.
    let at = |offset: u64| usize::try_from(offset).unwrap_or(len);
    bytes.slice(at(wanted.start())..at(wanted.end()))
}

/// What tells the bytes of one file from another's: half of a hash is enough.
pub(crate) fn tag(hash: &[u8; 32]) -> String {
    BASE64URL_NOPAD.encode(&hash[..hash.len() / 2])
}

fn takes_gzip(request: &Parts) -> bool {
    let accepted = request.headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|accepted| accepted.split(',').any(|one| one.trim() == "gzip"))
}

pub(crate) fn has_tag(request: &Parts, tag: &str) -> bool {
    let tags = request.headers.get_all(IF_NONE_MATCH).iter();
    tags.filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|one| one.trim().trim_start_matches("W/") == tag)
}

fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/")
        || ["javascript", "json", "xml", "wasm", "manifest"]
            .iter()
            .any(|kind| content_type.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_stays_within_the_limit_and_the_oldest_goes() {
        let mut kept = Kept::default();
        for n in 0..10 {
            kept.keep([n; 32], Bytes::from(vec![0; 40]), 100);
            assert!(kept.bytes <= 100 && kept.files.len() == kept.order.len());
        }
        assert_eq!(kept.order, [[8; 32], [9; 32]]);
        kept.keep([10; 32], Bytes::from(vec![0; 101]), 100);
        assert_eq!(kept.order, [[8; 32], [9; 32]]);
    }
}
