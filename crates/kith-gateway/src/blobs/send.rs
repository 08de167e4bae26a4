//! Hands files out.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG,
};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use kith_api::{FileBytes, Files, Origin};
use tracing::debug;

use super::{description, refusal};
use crate::client::Reader;
use crate::policy::Policy;
use crate::range::Wanted;
use crate::{encoding, files};

/// Under it are the files, by their hashes.
const FOLDER: &str = ".kith/blobs/";
/// Bytes that are asked of a file at once: enough for the disk, and little to hold for each reader.
const MOST: usize = 256 * 1024;
/// Bytes of the largest file of which the browser keeps a copy. Above, the disk has it once already.
const COPIED: u64 = 8 * 1024 * 1024;
/// The parameter of a file's address that has it saved, not shown.
const DOWNLOAD: &str = "download";

/// Which file an address names: `HASH` or `HASH/path`.
pub(crate) fn path(uri: &Uri) -> Option<String> {
    let name = files::name(uri).filter(|_| !uri.path().ends_with('/'))?;
    Some(name.strip_prefix(FOLDER)?.to_owned())
}

/// The answer to a GET or HEAD of a file of the space.
pub(crate) async fn send(
    service: &(impl Files + ?Sized),
    origin: &Origin,
    path: &str,
    request: &Parts,
) -> Response {
    let file = match service.open_file(&origin.space, path).await {
        Ok(file) => file,
        Err(error) => return refusal::words(request, &error),
    };
    let tag = format!("\"{}\"", encoding::tag(&file.tag));
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ETAG, HeaderValue::from_str(&tag).expect("base64url is visible ASCII"));
    // Whoever may read it can change, so the browser asks each time; the tag saves the bytes.
    let kept = if file.size <= COPIED { "private, no-cache" } else { "no-store" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    response.extensions_mut().insert(Policy::File);
    if encoding::has_tag(request, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return response;
    }
    let wanted = Wanted::of(request, file.size, &tag);
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, description::content_type(&file.media_type));
    let download = request
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(|pair| pair.split('=').next() == Some(DOWNLOAD)));
    headers.insert(CONTENT_DISPOSITION, description::disposition(&file.name, download));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(wanted.end() - wanted.start()));
    wanted.tell(&mut response, file.size);
    if request.method == Method::GET && wanted.start() < wanted.end() {
        let reader = request.extensions.get::<Reader>().cloned();
        *response.body_mut() = Body::from_stream(bytes(file.bytes, reader, wanted));
    }
    response
}

/// The bytes that are wanted, read as the client takes them. They end early, and with them the
/// connection, where they can't be had, and where the client hangs up while it waits.
fn bytes(
    file: Arc<dyn FileBytes>,
    reader: Option<Reader>,
    wanted: Wanted,
) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, reader, wanted.start()), move |(file, reader, at)| async move {
        let left = wanted.end() - at;
        if left == 0 {
            return Ok(None);
        }
        let most = usize::try_from(left).map_or(MOST, |left| left.min(MOST));
        let gone = async {
            match &reader {
                Some(reader) => reader.gone().await,
                None => std::future::pending().await,
            }
        };
        let read = tokio::select! {
            biased;
            read = file.read(at, most) => read,
            () = gone => return Err(io::ErrorKind::ConnectionAborted.into()),
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                debug!(%error, "a file could not be read to its end");
                // hyper sends what it has while it waits, and nothing of it after an error.
                tokio::task::yield_now().await;
                return Err(io::Error::other(error));
            }
        };
        if read.is_empty() || read.len() > most {
            return Err(io::Error::other("a file's bytes are not those asked for"));
        }
        let at = at + read.len() as u64;
        Ok(Some((read, (file, reader, at))))
    })
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn an_address_names_a_file_and_no_address_climbs() {
        let of = |target: &str| path(&target.parse().unwrap());
        assert_eq!(of("/.kith/blobs/ab?download").as_deref(), Some("ab"));
        assert_eq!(of("/.kith/blobs/ab/c%20d/%C3%A4").as_deref(), Some("ab/c d/ä"));
        for target in [
            "/.kith/blobs",
            "/.kith/blobs/",
            "/.kith/blobs/ab/",
            "/.kith/blobs//ab",
            "/.kith/blobs/ab/..",
            "/.kith/blobs/ab/%2e%2e/x",
            "/.kith/blobs/ab/%2e%2e%2fx",
            "/.kith/blobs/ab/%00",
        ] {
            assert_eq!(of(target), None, "{target}");
        }
    }
}
