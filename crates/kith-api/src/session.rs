//! One connection of a door, without its bytes.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, SelectAll, StreamExt};
use futures_util::{FutureExt, future, stream};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rpc::{Outgoing, Request};
use crate::service::EventStream;
use crate::{BoxFuture, Caller, Error, ErrorCode, Event, Result, Service, Subscription, dispatch};

/// Requests under way at once in one session. Bounds what a caller that never waits can make the
/// node do.
pub const MAX_CALLS: usize = 64;
/// Bytes of the requests of one session that are under way: 1 MiB, or one request. Parsed, JSON can
/// take sixteen times its length.
pub const MAX_CALL_BYTES: usize = 1024 * 1024;
/// Requests of one session that wait for those under way; beyond, they are refused.
pub const MAX_WAITING: usize = 1_024;
/// Bytes of the requests of one session that wait: 4 MiB; beyond, they are refused.
pub const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Subscriptions of one session. A page needs four.
pub const MAX_SUBSCRIPTIONS: usize = 32;

/// The JSON-RPC of one connection, the same for every door. Texts go in by [`Session::receive`],
/// which may answer at once; all other messages come out of [`Session::next`]. The door owns the
/// socket, writes each message before it takes the next one, and does not read while it writes: so
/// nothing queues up here, and a slow reader holds back only itself. Requests begin in the order in
/// which they came.
pub struct Session {
    service: Arc<dyn Service>,
    caller: Caller,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    /// Requests under way that can be cancelled, with their ids.
    under_way: Vec<(Value, AbortHandle)>,
    call_bytes: usize,
    /// Requests that wait for those, with their ids: as text, which is smaller.
    waiting: VecDeque<(Option<Value>, String)>,
    waiting_bytes: usize,
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
    /// How many bytes the request had.
    bytes: usize,
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
            call_bytes: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            events: SelectAll::new(),
            subscriptions: BTreeMap::new(),
            next_subscription: 1,
        }
    }

    /// Takes one message of the caller's. Returns its answer where that needs no waiting.
    #[must_use = "the caller waits for the answer"]
    pub fn receive(&mut self, text: &str) -> Option<Outgoing> {
        let request = match Request::read(text) {
            Ok(request) => request,
            Err(answer) => return Some(*answer),
        };
        let id = request.id.clone();
        let reply = match request.method.as_str() {
            "unsubscribe" => read(request.params).map(|params: Unsubscribe| {
                if let Some(subscription) = self.subscriptions.remove(&params.subscription) {
                    subscription.abort();
                }
                json!({})
            }),
            "cancel" => match read(request.params) {
                Ok(Cancel { id: other }) => {
                    self.cancel(other);
                    Ok(json!({}))
                }
                Err(error) => Err(error),
            },
            _ => match self.take(request, text) {
                Ok(()) => return None,
                Err(error) => Err(error),
            },
        };
        // Notifications, which have no id, get no answer.
        Some(Outgoing::answer(id?, reply))
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

    /// Begins a request, or lets it wait.
    fn take(&mut self, request: Request, text: &str) -> Result<()> {
        let mut ids = self.under_way.iter().map(|(id, _)| id);
        let mut waiting = self.waiting.iter().filter_map(|(id, _)| id.as_ref());
        if let Some(id) = &request.id
            && (ids.any(|other| other == id) || waiting.any(|other| other == id))
        {
            let what = "Another request with this id is under way.";
            return Err(Error::new(ErrorCode::InvalidRequest, what));
        }
        if self.waiting.is_empty() && self.has_room(text.len()) {
            self.start(request, text.len());
            return Ok(());
        }
        if self.waiting.len() >= MAX_WAITING || self.waiting_bytes + text.len() > MAX_WAITING_BYTES
        {
            return Err(Error::new(ErrorCode::TooMany, "Too many requests are under way.")
                .why("They come faster than kith can answer.")
                .todo("Wait for answers before asking on."));
        }
        self.waiting_bytes += text.len();
        self.waiting.push_back((request.id, text.to_owned()));
        Ok(())
    }

    /// Whether a request of so many bytes may go on beside those that do.
    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.call_bytes == 0 || self.call_bytes + bytes <= MAX_CALL_BYTES;
        fits && self.calls.len() < MAX_CALLS
    }

    /// Lets a request go on beside others.
    fn start(&mut self, request: Request, bytes: usize) {
        self.call_bytes += bytes;
        let (handle, registration) = AbortHandle::new_pair();
        let id = request.id.clone();
        if let Some(id) = &id {
            self.under_way.push((id.clone(), handle));
        }
        let work = run(Arc::clone(&self.service), self.caller.clone(), request);
        let work = Abortable::new(AssertUnwindSafe(work).catch_unwind(), registration);
        self.calls.push(Box::pin(async move {
            let reply = match work.await {
                Ok(Ok(reply)) => reply,
                Ok(Err(_panic)) => Err(Error::new(ErrorCode::Internal, "kith made a mistake.")
                    .todo("Try again; if it stays so, please report it.")),
                Err(_aborted) => Err(cancelled()),
            };
            Done { id, reply, bytes }
        }));
    }

    fn done(&mut self, done: Done) -> Option<Outgoing> {
        self.call_bytes -= done.bytes;
        while self.waiting.front().is_some_and(|(_, text)| self.has_room(text.len()))
            && let Some((_, text)) = self.waiting.pop_front()
        {
            self.waiting_bytes -= text.len();
            let request = Request::read(&text).expect("it was read when it came");
            self.start(request, text.len());
        }
        // Nobody could end a subscription that was asked for without an id: it is dropped.
        let id = done.id?;
        let reply = done.reply.and_then(|answer| match answer {
            Answer::Reply(reply) => Ok(reply),
            Answer::Subscribed(stream) => self.subscribed(stream),
        });
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

    /// Ends a request, which then answers as cancelled.
    fn cancel(&mut self, id: Value) {
        if let Some((_, handle)) = self.under_way.iter().find(|(other, _)| *other == id) {
            handle.abort();
            return;
        }
        let is = |(other, _): &(Option<Value>, String)| other.as_ref() == Some(&id);
        if let Some((_, text)) =
            self.waiting.iter().position(is).and_then(|at| self.waiting.remove(at))
        {
            self.waiting_bytes -= text.len();
            let done = Done { id: Some(id), reply: Err(cancelled()), bytes: 0 };
            self.calls.push(Box::pin(future::ready(done)));
        }
    }
}

async fn run(service: Arc<dyn Service>, caller: Caller, request: Request) -> Result<Answer> {
    if request.method != "subscribe" {
        let reply = dispatch(&*service, &caller, &request.method, request.params).await?;
        return Ok(Answer::Reply(reply));
    }
    let subscription: Subscription = read(request.params)?;
    if !subscription.access().admits(&caller) {
        let what = "This can't be subscribed to from here.";
        return Err(Error::new(ErrorCode::NotPermitted, what));
    }
    service.subscribe(&caller, subscription).await.map(Answer::Subscribed)
}

fn cancelled() -> Error {
    Error::new(ErrorCode::Cancelled, "The request was cancelled.")
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
        assert_eq!(code(session().receive("")), (Value::Null, ErrorCode::Malformed));
        assert_eq!(code(session().receive("[]")), (Value::Null, ErrorCode::InvalidRequest));
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
        let mut session = session();
        assert!(session.receive(text).is_none());
        assert_eq!(code(next(&mut session)).1, ErrorCode::NotPermitted);
    }

    fn request(id: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"apps.list"}}"#)
    }

    fn cancel(id: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":"c","method":"cancel","params":{{"id":"{id}"}}}}"#)
    }

    #[test]
    fn requests_wait_their_turn_can_be_cancelled_and_too_many_are_refused() {
        let mut session = session();
        for id in 0..MAX_CALLS + MAX_WAITING {
            assert!(session.receive(&request(&id.to_string())).is_none());
        }
        assert!(next(&mut session).is_none(), "they wait");
        assert_eq!(session.under_way.len(), MAX_CALLS);
        assert_eq!(code(session.receive(&request("more"))), (json!("more"), ErrorCode::TooMany));
        for id in ["3", "1000"] {
            assert!(matches!(session.receive(&cancel(id)), Some(Outgoing::Result { .. })));
            assert_eq!(code(next(&mut session)), (json!(id), ErrorCode::Cancelled));
        }
        assert_eq!((session.under_way.len(), session.waiting.len()), (MAX_CALLS, MAX_WAITING - 2));
        assert!(session.receive(&request("more")).is_none(), "there is room again");
    }

    #[test]
    fn requests_that_wait_are_limited_in_bytes_too() {
        let mut session = session();
        for id in 0..MAX_CALLS {
            assert!(session.receive(&request(&id.to_string())).is_none());
        }
        let large = |id: &str| format!("{}{}", request(id), " ".repeat(MAX_WAITING_BYTES / 2));
        assert!(session.receive(&large("one")).is_none());
        assert_eq!(code(session.receive(&large("two"))), (json!("two"), ErrorCode::TooMany));
    }

    fn under_way(session: &Session) -> std::collections::BTreeSet<&str> {
        session.under_way.iter().filter_map(|(id, _)| id.as_str()).collect()
    }

    #[test]
    fn requests_under_way_are_limited_in_bytes_too_and_begin_in_order() {
        let mut session = session();
        let large = |id: &str| format!("{}{}", request(id), " ".repeat(MAX_CALL_BYTES / 3));
        for id in ["a", "b", "c", "d"] {
            assert!(session.receive(&large(id)).is_none());
        }
        assert!(session.receive(&request("small")).is_none());
        assert_eq!(under_way(&session), ["a", "b"].into());
        assert!(matches!(session.receive(&cancel("a")), Some(Outgoing::Result { .. })));
        assert_eq!(code(next(&mut session)), (json!("a"), ErrorCode::Cancelled));
        assert_eq!(under_way(&session), ["b", "c"].into());
    }

    #[test]
    fn a_request_alone_may_have_any_size() {
        let mut session = session();
        let huge = format!("{}{}", request("huge"), " ".repeat(2 * MAX_CALL_BYTES));
        assert!(session.receive(&huge).is_none());
        assert!(session.receive(&request("small")).is_none());
        assert_eq!(under_way(&session), ["huge"].into());
    }

    #[test]
    fn an_id_that_is_in_use_is_refused() {
        let mut session = session();
        assert!(session.receive(&request("a")).is_none());
        assert_eq!(code(session.receive(&request("a"))), (json!("a"), ErrorCode::InvalidRequest));
    }
}
