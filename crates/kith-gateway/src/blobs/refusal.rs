//! Errors of the node as answers.

use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use kith_api::{Error, ErrorCode};

use crate::notice::Notice;

/// The answer to somebody who reads a file, perhaps in a tab of its own.
pub(super) fn words(request: &Parts, error: &Error) -> Response {
    let more = format!("{} {}", error.why, error.todo);
    Notice { status: status(error.code), what: &error.what, more: more.trim() }.answer(request)
}

/// The answer to a script: the error as the socket has it.
pub(super) fn json(error: &Error) -> Response {
    let text = serde_json::to_string(error).expect("errors are plain data");
    let mut response = Response::new(text.into());
    *response.status_mut() = status(error.code);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Malformed
        | ErrorCode::InvalidRequest
        | ErrorCode::InvalidParams
        | ErrorCode::BadLink
        | ErrorCode::BadBundle
        | ErrorCode::BadSignature => StatusCode::BAD_REQUEST,
        ErrorCode::NotPermitted => StatusCode::FORBIDDEN,
        ErrorCode::NotFound | ErrorCode::UnknownMethod => StatusCode::NOT_FOUND,
        ErrorCode::SpaceLeft => StatusCode::GONE,
        ErrorCode::AlreadyExists | ErrorCode::OlderVersion => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::TooMany | ErrorCode::Stopping | ErrorCode::Cancelled => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorCode::Unreachable => StatusCode::GATEWAY_TIMEOUT,
        ErrorCode::ReadOnly | ErrorCode::Storage | ErrorCode::Internal => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
