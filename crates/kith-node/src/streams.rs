//! Streams of events, each with a bound: of states only the newest waits, of messages so many.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kith_api::{Event, EventStream};
use tokio::sync::{broadcast, watch};

/// The stream of a state: at once, then whenever it changes, never more often than `gap`. A slow
/// subscriber misses what was in between, and nothing is lost by that. Ends with its sender.
pub(crate) fn states<T, F>(receiver: watch::Receiver<T>, gap: Duration, event: F) -> EventStream
where
    T: Clone + Send + Sync + 'static,
    F: Fn(T) -> Event + Send + 'static,
{
    let start = (receiver, event, true);
    let states = stream::unfold(start, move |(mut receiver, event, first)| async move {
        if !first {
            tokio::time::sleep(gap).await;
            receiver.changed().await.ok()?;
        }
        let state = receiver.borrow_and_update().clone();
        Some((event(state), (receiver, event, false)))
    });
    states.boxed()
}

/// The stream of messages as they come. A slow subscriber is told how many it missed.
pub(crate) fn messages<T, F>(receiver: broadcast::Receiver<T>, event: F) -> EventStream
where
    T: Clone + Send + 'static,
    F: Fn(T) -> Event + Send + 'static,
{
    let messages = stream::unfold((receiver, event), |(mut receiver, event)| async move {
        let next = match receiver.recv().await {
            Ok(message) => event(message),
            Err(broadcast::error::RecvError::Lagged(count)) => Event::Missed { count },
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        Some((next, (receiver, event)))
    });
    messages.boxed()
}
