//! Takes files in: the one request that has a body.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};
use kith_api::{Error, ErrorCode, FileRef, Files, NewFile, Origin, Result};
use percent_encoding::percent_decode_str;

use super::refusal;
use crate::Limits;
use crate::places::{Held, Places};

/// Where files are handed in.
const PATH: &str = "/.kith/blobs";
/// Bytes of the largest file: what a number of JavaScript can count.
const MAX_FILE: u64 = (1 << 53) - 1;

/// Whether a request hands a file in. The target is compared as it was sent, so that all who look
/// at a request agree.
pub(crate) fn is_upload(method: &Method, path: &str) -> bool {
    *method == Method::POST && path == PATH
}

/// The files that are being handed in.
#[derive(Debug, Default)]
pub(crate) struct Uploads(Places);

impl Uploads {
    fn begin(&self, host: &str, limits: &Limits) -> Result<Held> {
        self.0.take(host, limits.uploads, limits.uploads_per_origin).ok_or_else(|| {
            Error::new(ErrorCode::TooMany, "Too many files are added at once.")
                .why(format!("{} at a time are taken.", limits.uploads_per_origin))
                .todo("Wait for one of them.")
        })
    }
}

/// The answer to a POST of a file into the space.
pub(crate) async fn receive(
    service: &(impl Files + ?Sized),
    origin: &Origin,
    (host, uploads, limits): (&str, &Uploads, &Limits),
    request: &Parts,
    body: Body,
) -> Response {
    let taken = async {
        let _place = uploads.begin(host, limits)?;
        take(service, origin, request, body).await
    };
    match taken.await {
        Ok(file) => created(&file),
        Err(error) => refusal::json(&error),
    }
}

async fn take(
    service: &(impl Files + ?Sized),
    origin: &Origin,
    request: &Parts,
    body: Body,
) -> Result<FileRef> {
    let mut file = described(request.uri.query().unwrap_or_default())?;
    let length = request.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    file.size = length.and_then(|length| length.parse().ok());
    if file.size.is_some_and(|size| size > MAX_FILE) {
        return Err(too_large());
    }
    let mut sink = service.receive_file(&origin.space, file).await?;
    let mut body = body.into_data_stream();
    let mut taken = 0;
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|_| {
            Error::new(ErrorCode::Cancelled, "The file was not sent to its end.")
                .todo("Add it again.")
        })?;
        taken += bytes.len() as u64;
        if taken > MAX_FILE {
            return Err(too_large());
        }
        sink.write(bytes).await?;
    }
    sink.finish().await
}

fn too_large() -> Error {
    Error::new(ErrorCode::TooLarge, "The file is too large for kith.")
        .why("It has more bytes than a page can count.")
}

/// What the address says of the file. Where a word stands twice, the first counts.
fn described(query: &str) -> Result<NewFile> {
    let value = |wanted: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let value = pairs.find(|(key, _)| *key == wanted).map_or("", |(_, value)| value);
        // As forms write it (URL standard, section 5.1).
        let value = value.replace('+', " ");
        let decoded = percent_decode_str(&value).decode_utf8().map(|value| value.into_owned());
        decoded.map_err(|_| {
            Error::new(ErrorCode::InvalidParams, format!("The file's {wanted} can't be read."))
                .why("It is not UTF-8.")
        })
    };
    Ok(NewFile { name: value("name")?, media_type: value("type")?, size: None })
}

fn created(file: &FileRef) -> Response {
    let text = serde_json::to_string(file).expect("references are plain data");
    let mut response = Response::new(text.into());
    *response.status_mut() = StatusCode::CREATED;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(url) = HeaderValue::from_str(&file.url) {
        headers.insert(LOCATION, url);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_says_what_the_file_is() {
        let file = described("name=a+b%2B%C3%A4.png&type=image%2Fpng&name=other").unwrap();
        assert_eq!((file.name.as_str(), file.media_type.as_str()), ("a b+ä.png", "image/png"));
        let nothing = NewFile { name: String::new(), media_type: String::new(), size: None };
        assert_eq!(described("").unwrap(), nothing);
        assert_eq!(described("name=%ff").unwrap_err().code, ErrorCode::InvalidParams);
    }
}
