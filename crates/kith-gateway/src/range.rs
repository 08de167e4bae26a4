//! The part of a file that a request asks for: one range (RFC 9110, section 14). Media players want
//! it. Several at once, or one that can't be read, mean all of the file.

use axum::response::Response;
use http::header::{CONTENT_RANGE, IF_RANGE, RANGE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

/// What a request wants of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// All of its bytes: so many.
    All(u64),
    /// Those from the first to before the second, at least one.
    Part(u64, u64),
    /// What the file does not have.
    Nothing,
}

impl Wanted {
    /// What a request wants of `len` bytes with this entity tag.
    pub(crate) fn of(request: &Parts, len: u64, tag: &str) -> Self {
        let other = |wanted: &HeaderValue| wanted.as_bytes() != tag.as_bytes();
        if request.method != Method::GET || request.headers.get(IF_RANGE).is_some_and(other) {
            return Self::All(len);
        }
        let range = request.headers.get(RANGE).and_then(|range| range.to_str().ok());
        let (start, end) = match range.and_then(one_range) {
            Some((Some(first), Some(last))) => (first, last.saturating_add(1).min(len)),
            Some((Some(first), None)) => (first, len),
            Some((None, Some(tail))) => (len.saturating_sub(tail), len),
            Some((None, None)) | None => return Self::All(len),
        };
        if start < end { Self::Part(start, end) } else { Self::Nothing }
    }

    /// The first byte's place.
    pub(crate) fn start(self) -> u64 {
        match self {
            Self::Part(start, _) => start,
            Self::All(_) | Self::Nothing => 0,
        }
    }

    /// The place after the last byte.
    pub(crate) fn end(self) -> u64 {
        match self {
            Self::All(end) | Self::Part(_, end) => end,
            Self::Nothing => 0,
        }
    }

    /// Puts status and range on a response about `len` bytes.
    pub(crate) fn tell(self, response: &mut Response, len: u64) {
        let (status, range) = match self {
            Self::All(_) => return,
            Self::Part(start, end) => {
                (StatusCode::PARTIAL_CONTENT, format!("bytes {start}-{}/{len}", end - 1))
            }
            Self::Nothing => (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{len}")),
        };
        *response.status_mut() = status;
        let range = HeaderValue::from_str(&range).expect("digits are visible ASCII");
        response.headers_mut().insert(CONTENT_RANGE, range);
    }
}

fn one_range(range: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let number = |text: &str| match text {
        "" => Some(None),
        text => text.parse().ok().map(Some),
    };
    Some((number(first)?, number(last)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_several_are_not() {
        assert_eq!(one_range("bytes=0-9"), Some((Some(0), Some(9))));
        assert_eq!(one_range("bytes=5-"), Some((Some(5), None)));
        assert_eq!(one_range("bytes=-5"), Some((None, Some(5))));
        for range in ["bytes=0-1,4-5", "bytes=a-b", "lines=1-2", "bytes=1", "bytes=--1"] {
            assert_eq!(one_range(range), None, "{range}");
        }
    }
}
