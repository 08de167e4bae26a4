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
use crate::{Error, Event};

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
