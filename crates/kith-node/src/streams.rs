//! Streams of events, each with a bound: of states only the newest waits, of messages so many.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use kith_api::{Event, EventStream};
use tokio::sync::{broadcast, watch};

/// The stream of a state: at once, then whenever it changes; never more often than `gap`, but for a
/// state that can't wait. A slow subscriber misses what was in between, and nothing is lost by that.
/// Ends with its sender.
pub(crate) fn states<T, F>(
    receiver: watch::Receiver<T>,
    gap: Duration,
    urgent: fn(&T) -> bool,
    event: F,
) -> EventStream
where
    T: Clone + Send + Sync + 'static,
    F: Fn(T) -> Event + Send + 'static,
{
    let start = (receiver, event, true);
    let states = stream::unfold(start, move |(mut receiver, event, first)| async move {
        if !first {
            next_state(&mut receiver, gap, urgent).await?;
        }
        let state = receiver.borrow_and_update().clone();
        Some((event(state), (receiver, event, false)))
    });
    states.boxed()
}

/// Waits for a change that is to be told: an urgent one, or any once the gap is over.
async fn next_state<T>(
    receiver: &mut watch::Receiver<T>,
    gap: Duration,
    urgent: fn(&T) -> bool,
) -> Option<()> {
    let rest = tokio::time::sleep(gap);
    tokio::pin!(rest);
    let (mut changed, mut rested) = (false, false);
    while !(changed && rested) {
        tokio::select! {
            () = &mut rest, if !rested => rested = true,
            more = receiver.changed() => {
                if more.is_err() {
                    return changed.then_some(());
                }
                changed = true;
                rested |= urgent(&receiver.borrow_and_update());
            }
        }
    }
    Some(())
}

/// The stream of messages as they come, but for those that make no event. A slow subscriber is told
/// how many it missed.
pub(crate) fn messages<T, F>(receiver: broadcast::Receiver<T>, event: F) -> EventStream
where
    T: Clone + Send + 'static,
    F: Fn(T) -> Option<Event> + Send + 'static,
{
    let messages = stream::unfold((receiver, event), |(mut receiver, event)| async move {
        let next = loop {
            match receiver.recv().await {
                Ok(message) => {
                    if let Some(event) = event(message) {
                        break event;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(count)) => break Event::Missed { count },
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        };
        Some((next, (receiver, event)))
    });
    messages.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers as counts of missed messages; hundreds can't wait.
    fn numbers(receiver: watch::Receiver<u64>) -> EventStream {
        let urgent = |number: &u64| number.is_multiple_of(100);
        states(receiver, Duration::from_secs(60), urgent, |count| Event::Missed { count })
    }

    #[tokio::test(start_paused = true)]
    async fn states_keep_their_gap_but_for_the_urgent() {
        let sender = watch::Sender::new(1);
        let mut stream = numbers(sender.subscribe());
        let started = tokio::time::Instant::now();
        assert_eq!(stream.next().await, Some(Event::Missed { count: 1 }));
        sender.send_replace(2);
        sender.send_replace(3);
        assert_eq!(stream.next().await, Some(Event::Missed { count: 3 }));
        assert_eq!(started.elapsed(), Duration::from_secs(60));
        sender.send_replace(100);
        assert_eq!(stream.next().await, Some(Event::Missed { count: 100 }));
        assert_eq!(started.elapsed(), Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_state_is_told_though_its_sender_went() {
        let sender = watch::Sender::new(1);
        let mut stream = numbers(sender.subscribe());
        assert_eq!(stream.next().await, Some(Event::Missed { count: 1 }));
        sender.send_replace(2);
        drop(sender);
        assert_eq!(stream.next().await, Some(Event::Missed { count: 2 }));
        assert_eq!(stream.next().await, None);
    }
}
