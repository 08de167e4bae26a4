//! What the fuzz target checks of arbitrary bytes; `fuzz/fuzz_targets` includes this file.

use kith_api::rpc::{Outgoing, Request};

/// A message is a request that can be written and read again, or is answered by an error.
pub(crate) fn message(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Request::read(text) {
        Ok(request) => {
            assert!(request.params.is_null() || request.params.is_object());
            let again = serde_json::to_string(&request).expect("a request is plain data");
            let again = Request::read(&again).expect("what was read can be written");
            // Numbers of parameters may be rounded once more.
            assert_eq!((again.id, again.method), (request.id, request.method));
        }
        Err(answer) => {
            let Outgoing::Failed { error, .. } = *answer else { panic!("{answer:?}") };
            assert!(matches!(error.code, -32700 | -32600 | -32602));
        }
    }
}
