//! One connection of a door, without its bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, SelectAll, StreamExt};
use futures_util::{future, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rpc::{Outgoing, Request};
use crate::service::EventStream;
use crate::{BoxFuture, Caller, Error, ErrorCode, Event, Result, Service, Subscription, dispatch};

/// Requests under way in one session. Bounds what a caller that never waits can make the node hold.
pub const MAX_CALLS: usize = 64;
/// Subscriptions of one session. A page needs four.
pub const MAX_SUBSCRIPTIONS: usize = 32;

/// The JSON-RPC of one connection, the same for every door. Texts go in by [`Session::receive`],
/// which may answer at once; all other messages come out of [`Session::next`]. The door owns the
/// socket, writes each message before it takes the next one, and does not read while it writes: so
/// nothing queues up here, and a slow reader holds back only itself.
pub struct Session {
    service: Arc<dyn Service>,
    caller: Caller,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Requests under way that can be cancelled, with their ids.
    under_way: Vec<(Value, AbortHandle)>,
    events: SelectAll<Events>,
    subscriptions: BTreeMap<u64, AbortHandle>,
    next_subscription: u64,
}

/// Events with their subscription; `None` at the end of one.
type Events = std::pin::Pin<Box<Tagged>>;
#[cfg(not(target_arch = "wasm32"))]
type Tagged = dyn stream::Stream<Item = (u64, Option<Event>)> + Send;
#[cfg(target_arch = "wasm32")]
type Tagged = dyn stream::Stream<Item = (u64, Option<Event>)>;

/// A request that is done.
struct Done {
    id: Option<Value>,
    reply: Result<Answer>,
}

enum Answer {
    Reply(Value),
    Subscribed(EventStream),
}

#[derive(Deserialize)]
struct Unsubscribe {
    subscription: u64,
}

#[derive(Deserialize)]
struct Cancel {
    id: Value,
}

impl Session {
    /// A session of `caller`, whom the door knows.
    pub fn new(service: Arc<dyn Service>, caller: Caller) -> Self {
        Self {
            service,
            caller,
            calls: FuturesUnordered::new(),
            under_way: Vec::new(),
            events: SelectAll::new(),
            subscriptions: BTreeMap::new(),
            next_subscription: 1,
        }
    }

    /// Takes one message of the caller's. Returns its answer where that needs no waiting.
    #[must_use = "the caller waits for the answer"]
    pub fn receive(&mut self, text: &str) -> Option<Outgoing> {
        let Request { id, method, params, .. } = match serde_json::from_str(text) {
            Ok(request) => request,
            Err(error) => {
                let error =
                    Error::new(ErrorCode::InvalidParams, "This is no JSON-RPC 2.0 request.")
                        .why(error.to_string());
                return Some(Outgoing::answer(Value::Null, Err(error)));
            }
        };
        let reply = match method.as_str() {
            "subscribe" => self.subscribe(id.clone(), params),
            "unsubscribe" => read(params).map(|params: Unsubscribe| {
                if let Some(subscription) = self.subscriptions.remove(&params.subscription) {
                    subscription.abort();
                }
                Some(json!({}))
            }),
            "cancel" => read(params).map(|params: Cancel| {
                self.cancel(&params.id);
                Some(json!({}))
            }),
            _ => self.call(id.clone(), method, params),
        };
        // Notifications, which have no id, get no answer.
        Some(Outgoing::answer(id?, reply.transpose()?))
    }

    /// The next message to the caller; waits until there is one. May be dropped and called again.
    pub async fn next(&mut self) -> Outgoing {
        future::poll_fn(|cx| {
            // Calls first: there are few of them at most, so events get their turn.
            while let Poll::Ready(Some(done)) = self.calls.poll_next_unpin(cx) {
                if let Some(message) = self.done(done) {
                    return Poll::Ready(message);
                }
            }
            while let Poll::Ready(Some((subscription, event))) = self.events.poll_next_unpin(cx) {
                if let Some(message) = self.event(subscription, event) {
                    return Poll::Ready(message);
                }
            }
            Poll::Pending
        })
        .await
    }

    fn call(&mut self, id: Option<Value>, method: String, params: Value) -> Result<Option<Value>> {
        let (service, caller) = (Arc::clone(&self.service), self.caller.clone());
        self.start(
            id,
            Box::pin(async move {
                dispatch(&*service, &caller, &method, params).await.map(Answer::Reply)
            }),
        )
    }

    fn subscribe(&mut self, id: Option<Value>, params: Value) -> Result<Option<Value>> {
        let subscription: Subscription = read(params)?;
        if !subscription.access().admits(&self.caller) {
            return Err(Error::new(
                ErrorCode::NotPermitted,
                "This can't be subscribed to from here.",
            ));
        }
        let (service, caller) = (Arc::clone(&self.service), self.caller.clone());
        self.start(
            id,
            Box::pin(async move {
                service.subscribe(&caller, subscription).await.map(Answer::Subscribed)
            }),
        )
    }

    /// Lets a request go on beside others.
    fn start(
        &mut self,
        id: Option<Value>,
        work: BoxFuture<'static, Result<Answer>>,
    ) -> Result<Option<Value>> {
        if self.calls.len() >= MAX_CALLS {
            return Err(Error::new(ErrorCode::TooMany, "Too many requests are under way.")
                .why(format!("{MAX_CALLS} may wait for their answers at a time."))
                .todo("Wait for answers before asking on."));
        }
        let (handle, registration) = AbortHandle::new_pair();
        if let Some(id) = &id {
            self.under_way.push((id.clone(), handle));
        }
        let work = Abortable::new(work, registration);
        self.calls.push(Box::pin(async move {
            let cancelled = |_| Err(Error::new(ErrorCode::Cancelled, "The request was cancelled."));
            Done { id, reply: work.await.unwrap_or_else(cancelled) }
        }));
        Ok(None)
    }

    fn done(&mut self, done: Done) -> Option<Outgoing> {
        let reply = done.reply.and_then(|answer| match answer {
            Answer::Reply(reply) => Ok(reply),
            Answer::Subscribed(stream) => self.subscribed(stream),
        });
        let id = done.id?;
        if let Some(index) = self.under_way.iter().position(|(other, _)| *other == id) {
            self.under_way.swap_remove(index);
        }
        Some(Outgoing::answer(id, reply))
    }

    fn event(&mut self, subscription: u64, event: Option<Event>) -> Option<Outgoing> {
        let Some(event) = event else {
            self.subscriptions.remove(&subscription);
            return None;
        };
        // One that was ended may have had an event on its way.
        self.subscriptions.contains_key(&subscription).then(|| Outgoing::event(subscription, event))
    }

    fn subscribed(&mut self, stream: EventStream) -> Result<Value> {
        if self.subscriptions.len() >= MAX_SUBSCRIPTIONS {
            return Err(Error::new(ErrorCode::TooMany, "Too many subscriptions.")
                .why(format!("One connection may have {MAX_SUBSCRIPTIONS}."))
                .todo("End some with `unsubscribe`."));
        }
        let subscription = self.next_subscription;
        self.next_subscription += 1;
        let (handle, registration) = AbortHandle::new_pair();
        self.subscriptions.insert(subscription, handle);
        let end = stream::once(future::ready((subscription, None)));
        let tagged = Abortable::new(stream, registration)
            .map(move |event| (subscription, Some(event)))
            .chain(end);
        self.events.push(Box::pin(tagged));
        Ok(json!({ "subscription": subscription }))
    }

    fn cancel(&mut self, id: &Value) {
        if let Some((_, handle)) = self.under_way.iter().find(|(other, _)| other == id) {
            handle.abort();
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(params: Value) -> Result<T> {
    serde_json::from_value(params).map_err(|error| {
        Error::new(ErrorCode::InvalidParams, "The parameters do not fit the method.")
            .why(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::methods::tests::Nothing;

    fn session() -> Session {
        Session::new(Arc::new(Nothing), Caller::Owner)
    }

    fn code(message: Option<Outgoing>) -> (Value, ErrorCode) {
        match message {
            Some(Outgoing::Failed { id, error, .. }) => (id, error.data.code),
            other => panic!("no error: {other:?}"),
        }
    }

    fn next(session: &mut Session) -> Option<Outgoing> {
        session.next().now_or_never()
    }

    #[test]
    fn a_request_is_answered_with_its_id() {
        let mut session = session();
        let text = r#"{"jsonrpc":"2.0","id":"a","method":"node.status"}"#;
        assert!(session.receive(text).is_none());
        assert_eq!(code(next(&mut session)), (json!("a"), ErrorCode::Internal));
        assert!(next(&mut session).is_none());
    }

    #[test]
    fn what_is_no_request_is_answered_without_an_id() {
        for text in ["", "[]", "{}", r#"{"jsonrpc":"1.0","id":1,"method":"me"}"#] {
            assert_eq!(code(session().receive(text)), (Value::Null, ErrorCode::InvalidParams));
        }
    }

    #[test]
    fn a_notification_gets_no_answer() {
        let mut session = session();
        assert!(session.receive(r#"{"jsonrpc":"2.0","method":"node.status"}"#).is_none());
        assert!(next(&mut session).is_none());
    }

    #[test]
    fn a_subscription_ends_by_unsubscribe() {
        let mut session = session();
        let subscribe = r#"{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"to":"status"}}"#;
        assert!(session.receive(subscribe).is_none());
        let Some(Outgoing::Result { result, .. }) = next(&mut session) else { panic!() };
        assert_eq!(result, json!({"subscription": 1}));
        let Some(Outgoing::Event { params, .. }) = next(&mut session) else { panic!() };
        assert_eq!((params.subscription, params.event), (1, Event::Missed { count: 7 }));
        let unsubscribe =
            r#"{"jsonrpc":"2.0","id":2,"method":"unsubscribe","params":{"subscription":1}}"#;
        assert!(matches!(session.receive(unsubscribe), Some(Outgoing::Result { .. })));
        assert!(next(&mut session).is_none());
        assert!(session.subscriptions.is_empty() && session.events.is_empty());
    }

    #[test]
    fn a_subscription_of_the_other_access_is_refused() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"to":"messages"}}"#;
        assert_eq!(code(session().receive(text)).1, ErrorCode::NotPermitted);
    }

    #[test]
    fn a_request_that_waits_can_be_cancelled_and_too_many_are_refused() {
        let mut session = session();
        for id in 0..MAX_CALLS {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"apps.list"}}"#);
            assert!(session.receive(&text).is_none());
        }
        assert!(next(&mut session).is_none(), "it waits");
        let more = r#"{"jsonrpc":"2.0","id":"more","method":"apps.list"}"#;
        assert_eq!(code(session.receive(more)), (json!("more"), ErrorCode::TooMany));
        let cancel = r#"{"jsonrpc":"2.0","id":"c","method":"cancel","params":{"id":3}}"#;
        assert!(matches!(session.receive(cancel), Some(Outgoing::Result { .. })));
        assert_eq!(code(next(&mut session)), (json!(3), ErrorCode::Cancelled));
        assert!(session.receive(more).is_none(), "there is room again");
    }
}
