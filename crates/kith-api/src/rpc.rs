//! JSON-RPC 2.0, as both sockets speak it.
//!
//! A request has an `id`; its response repeats it. Three methods are the door's own:
//! `subscribe` (params: a [`Subscription`]) answers `{"subscription": n}` and from then on
//! `event` notifications come with `{"subscription": n, "event": …}`; `unsubscribe`
//! (`{"subscription": n}`) ends one; `cancel` (`{"id": …}`) ends a request that is under way, which
//! then answers with `cancelled`. The dashboard's first message is `auth` (`{"token": …}` or
//! `{"session": …}`), answered by `{"session": …}`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(doc)]
use crate::Subscription;
use crate::{Error, ErrorCode, Event};

/// A message to the node.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Request {
    /// Must be `"2.0"`.
    pub jsonrpc: Version,
    /// Absent in notifications, which get no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Value>,
    /// The method's name.
    pub method: String,
    /// The method's parameters: an object, or absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub params: Value,
}

/// Longest id of a request, in bytes: it is kept while the request is under way.
const MAX_ID: usize = 64;

impl Request {
    /// Reads one message: a request whose id can be kept, with an object as its parameters.
    ///
    /// # Errors
    /// The answer that says what is wrong, with the request's id where that can be read:
    /// [`ErrorCode::Malformed`], [`ErrorCode::InvalidRequest`], [`ErrorCode::InvalidParams`].
    pub fn read(text: &str) -> Result<Self, Box<Outgoing>> {
        let wrong = |id: Option<Value>, error| {
            Box::new(Outgoing::answer(id.unwrap_or_default(), Err(error)))
        };
        let value: Value = serde_json::from_str(text).map_err(|error| {
            let what = "The message is not JSON.";
            let error = Error::new(ErrorCode::Malformed, what).why(error.to_string());
            wrong(None, error)
        })?;
        if value.is_array() {
            let what = "Several requests in one message are not supported.";
            let error = Error::new(ErrorCode::InvalidRequest, what)
                .todo("Send each as a message of its own.");
            return Err(wrong(None, error));
        }
        let id = value.get("id").filter(|id| is_id(id)).cloned();
        if id.is_none() && value.get("id").is_some() {
            let why = "An id is a whole number, or a string of up to 64 bytes.";
            return Err(wrong(None, no_request(why)));
        }
        let request: Self = serde_json::from_value(value)
            .map_err(|error| wrong(id.clone(), no_request(&error.to_string())))?;
        if !request.params.is_null() && !request.params.is_object() {
            let what = "Parameters are an object, or absent.";
            let error = Error::new(ErrorCode::InvalidParams, what);
            return Err(wrong(id, error));
        }
        Ok(request)
    }
}

fn no_request(why: &str) -> Error {
    Error::new(ErrorCode::InvalidRequest, "The message is no request of JSON-RPC 2.0.").why(why)
}

fn is_id(id: &Value) -> bool {
    match id {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        Value::String(text) => text.len() <= MAX_ID,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// A message from the node.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Outgoing {
    /// A method's result.
    Result {
        /// Always `"2.0"`.
        jsonrpc: Version,
        /// The request's.
        id: Value,
        /// The method's reply.
        result: Value,
    },
    /// A method's error.
    Failed {
        /// Always `"2.0"`.
        jsonrpc: Version,
        /// The request's; null where it could not be read.
        id: Value,
        /// What went wrong.
        error: Failure,
    },
    /// An event of a subscription.
    Event {
        /// Always `"2.0"`.
        jsonrpc: Version,
        /// Always `"event"`.
        method: EventMethod,
        /// Which subscription, and what happened.
        params: EventParams,
    },
}

/// The error object of JSON-RPC, with ours as its data.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Failure {
    /// [`ErrorCode::number`](crate::ErrorCode::number).
    pub code: i32,
    /// What happened, why and what to do, in one line.
    pub message: String,
    /// The same in parts, with the stable code.
    pub data: Error,
}

/// An event and its subscription.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct EventParams {
    /// The number that `subscribe` answered.
    pub subscription: u64,
    /// What happened.
    pub event: Event,
}

/// The version string `"2.0"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Version {
    /// The only one.
    #[default]
    #[serde(rename = "2.0")]
    V2,
}

/// The method of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum EventMethod {
    /// The only one.
    #[default]
    #[serde(rename = "event")]
    Event,
}

impl Outgoing {
    /// The answer to request `id`.
    pub fn answer(id: Value, result: Result<Value, Error>) -> Self {
        match result {
            Ok(result) => Self::Result { jsonrpc: Version::V2, id, result },
            Err(error) => Self::Failed { jsonrpc: Version::V2, id, error: error.into() },
        }
    }

    /// An event of a subscription.
    pub fn event(subscription: u64, event: Event) -> Self {
        Self::Event {
            jsonrpc: Version::V2,
            method: EventMethod::Event,
            params: EventParams { subscription, event },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { code: error.code.number(), message: error.to_string(), data: error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> (Value, i32) {
        match Request::read(text).map_err(|answer| *answer) {
            Err(Outgoing::Failed { id, error, .. }) => (id, error.code),
            other => panic!("{other:?}: {text}"),
        }
    }

    #[test]
    fn a_request_is_read() {
        let request = Request::read(r#"{"jsonrpc":"2.0","id":1,"method":"me"}"#).unwrap();
        assert_eq!((request.id, request.method.as_str()), (Some(1.into()), "me"));
        assert!(Request::read(r#"{"jsonrpc":"2.0","method":"cancel","params":{"id":1}}"#).is_ok());
    }

    #[test]
    fn what_is_no_request_has_its_code_and_its_id_where_it_can_be_read() {
        assert_eq!(code("{"), (Value::Null, -32700));
        assert_eq!(code(&"[".repeat(100_000)), (Value::Null, -32700));
        assert_eq!(code(r#"[{"jsonrpc":"2.0","id":1,"method":"me"}]"#), (Value::Null, -32600));
        assert_eq!(code("1"), (Value::Null, -32600));
        assert_eq!(code(r#"{"jsonrpc":"1.0","id":1,"method":"me"}"#), (1.into(), -32600));
        assert_eq!(code(r#"{"id":"a","method":"me"}"#), ("a".into(), -32600));
        assert_eq!(code(r#"{"jsonrpc":"2.0","id":7}"#), (7.into(), -32600));
        for id in ["null", "1.5", "{}", "true", &format!("\"{}\"", "a".repeat(65))] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"me"}}"#);
            assert_eq!(code(&text), (Value::Null, -32600));
        }
        let array = r#"{"jsonrpc":"2.0","id":1,"method":"me","params":[]}"#;
        assert_eq!(code(array), (1.into(), -32602));
    }
}
