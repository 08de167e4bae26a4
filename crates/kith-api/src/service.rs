//! Futures and streams that a [`Service`](crate::Service) returns.

use std::pin::Pin;

use futures_util::stream::Stream;

use crate::{Caller, Event, Result, Subscription};

/// A boxed future; `Send` except in a browser, where nothing is.
#[cfg(not(target_arch = "wasm32"))]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A boxed future; `Send` except in a browser, where nothing is.
#[cfg(target_arch = "wasm32")]
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A stream of events. Dropping it ends the subscription.
#[cfg(not(target_arch = "wasm32"))]
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;
/// A stream of events. Dropping it ends the subscription.
#[cfg(target_arch = "wasm32")]
pub type EventStream = Pin<Box<dyn Stream<Item = Event>>>;

/// The node's events.
pub trait Events {
    /// Begins a subscription.
    ///
    /// Entries are read from the store at the subscriber's own pace, so a slow one misses nothing;
    /// of all else a slow subscriber misses the oldest, and is told how many by [`Event::Missed`].
    ///
    /// # Errors
    /// [`ErrorCode::NotPermitted`](crate::ErrorCode::NotPermitted) for a caller that may not see it,
    /// [`ErrorCode::NotFound`](crate::ErrorCode::NotFound) where there is no such thing.
    fn subscribe<'a>(
        &'a self,
        caller: &'a Caller,
        subscription: Subscription,
    ) -> BoxFuture<'a, Result<EventStream>>;

    /// Waits until the caller has lost its place: the space of its page was left. Its door then ends
    /// the connection with [`ErrorCode::SpaceLeft`](crate::ErrorCode::SpaceLeft).
    fn place_lost<'a>(&'a self, _caller: &'a Caller) -> BoxFuture<'a, ()> {
        Box::pin(std::future::pending())
    }
}
