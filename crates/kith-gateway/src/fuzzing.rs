//! What the fuzz target `gateway_head` checks of arbitrary bytes on a connection; the tests replay
//! its corpus.

use std::convert::Infallible;

use axum::body::Body;
use futures_util::TryStreamExt;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::head::{self, Guarded};
use crate::{Limits, answer, blobs, files, session};

/// Bytes that the connection holds each way; more than any input.
const PIPE: usize = 1 << 20;
/// A header that only our answers have.
const OURS: &str = "ours";
/// What hyper says by itself before it reads a file: no answer, and of no use to a page.
const CONTINUE: &str = "HTTP/1.1 100 Continue";

/// Whatever comes on a connection, it is answered, and never by hyper alone.
///
/// # Panics
/// When it is not.
pub fn connection(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let is_answered = head::is_answered(bytes, &Limits::default());
    let answers = runtime.expect("a runtime needs nothing here").block_on(answers(bytes));
    assert_eq!(!answers.is_empty(), is_answered);
    let answers = String::from_utf8(answers).expect("our answers are ASCII");
    for answer in answers.split_terminator("\r\n\r\n") {
        assert!(answer.contains(OURS) || answer == CONTINUE, "hyper answered alone: {answer:?}");
    }
}

/// Whatever a target is, the file that it names is in the bundle, and its token is taken out.
///
/// # Panics
/// When it is not.
pub fn target(bytes: &[u8]) {
    let Ok(uri) = Uri::try_from(bytes) else { return };
    if let Some(name) = files::name(&uri) {
        assert!(!name.starts_with('/') && !name.contains('\\') && !name.contains('\0'));
        assert!(name.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
    if let Some(path) = blobs::path(&uri) {
        assert!(path.split('/').all(|part| !matches!(part, "" | "." | "..")));
    }
    if let Some((_, rest)) = uri.query().and_then(session::split_token) {
        assert!(session::split_token(&rest).is_none());
    }
}

async fn answers(bytes: &[u8]) -> Vec<u8> {
    let (mut client, server) = tokio::io::duplex(PIPE);
    let service = service_fn(|request: Request<hyper::body::Incoming>| async move {
        let (request, body) = request.into_parts();
        let mut status = head::refused(&request.headers).unwrap_or(StatusCode::OK);
        if blobs::is_upload(&request.method, request.uri.path()) {
            let read = Body::new(body).into_data_stream().try_for_each(|_| async { Ok(()) }).await;
            status = read.map_or(StatusCode::BAD_REQUEST, |()| status);
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response.headers_mut().insert(OURS, HeaderValue::from_static("1"));
        if answer::ends_connection(&request.headers, status) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok::<_, Infallible>(response)
    });
    let io = TokioIo::new(Guarded::new(server, Limits::default()));
    let serving = crate::serve::builder().serve_connection(io, service).with_upgrades();
    let talking = async {
        let mut answers = Vec::new();
        // The other side may hang up in the middle.
        let _ = client.write_all(bytes).await;
        let _ = client.shutdown().await;
        let _ = client.read_to_end(&mut answers).await;
        answers
    };
    let (_, answers) = tokio::join!(serving, talking);
    answers
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn the_corpora_hold() {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/");
        for (name, check) in [
            ("gateway_head", super::connection as fn(&[u8])),
            ("gateway_target", super::target as fn(&[u8])),
        ] {
            let mut count = 0;
            for file in fs::read_dir(format!("{corpus}{name}")).unwrap() {
                check(&fs::read(file.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "{name} has no corpus");
        }
    }
}
