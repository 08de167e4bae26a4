//! What waits for one session: control messages to send, and news for the handler.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use kith_app::AppId;
use tokio::sync::Notify;

use super::SpaceRef;
use super::control::Control;
use super::entering::Step;
use super::limits::{CONTROL_QUEUE, MAX_UNMATCHED_TAGS};

/// News for the handler.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum News {
    Entered(SpaceRef),
    Left(SpaceRef),
    FramesLost(AppId),
}

#[derive(Debug, Default)]
struct Waiting {
    messages: VecDeque<Control>,
    // Bounded, like Enter and Leave among the messages, by what this node's person does.
    news: VecDeque<News>,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    to_send: Notify,
    to_tell: Notify,
}

impl Outbox {
    pub(crate) fn step(&self, step: Step) {
        let mut waiting = self.waiting();
        let (send, tell) = (!step.send.is_empty(), !step.entered.is_empty());
        for tag in step.send {
            match waiting.messages.back_mut() {
                Some(Control::Enter { tags }) if tags.len() < MAX_UNMATCHED_TAGS => tags.push(tag),
                _ => waiting.messages.push_back(Control::Enter { tags: vec![tag] }),
            }
        }
        waiting.news.extend(step.entered.into_iter().map(News::Entered));
        drop(waiting);
        if send {
            self.to_send.notify_one();
        }
        if tell {
            self.to_tell.notify_one();
        }
    }

    pub(crate) fn left(&self, at: SpaceRef) {
        self.waiting().news.push_back(News::Left(at));
        self.to_tell.notify_one();
    }

    /// The peer stopped an app's frames. Told once, however often it happens before it is told.
    pub(crate) fn frames_lost(&self, app: AppId) {
        let mut waiting = self.waiting();
        if !waiting.news.contains(&News::FramesLost(app)) {
            waiting.news.push_back(News::FramesLost(app));
        }
        drop(waiting);
        self.to_tell.notify_one();
    }

    /// False where the queue is full; Leave always finds room.
    pub(crate) fn push(&self, message: Control) -> bool {
        let mut waiting = self.waiting();
        if waiting.messages.len() >= CONTROL_QUEUE && !matches!(message, Control::Leave { .. }) {
            return false;
        }
        waiting.messages.push_back(message);
        drop(waiting);
        self.to_send.notify_one();
        true
    }

    /// The next message to send, without waiting.
    pub(crate) fn next_message(&self) -> Option<Control> {
        self.waiting().messages.pop_front()
    }

    /// Waits until there may be a message.
    pub(crate) async fn message_waits(&self) {
        self.to_send.notified().await;
    }

    /// The next news, without waiting.
    pub(crate) fn next_news(&self) -> Option<News> {
        self.waiting().news.pop_front()
    }

    /// Waits until there may be news.
    pub(crate) async fn news_waits(&self) {
        self.to_tell.notified().await;
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
