//! One socket's life.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use futures_util::StreamExt;
use kith_api::rpc::{Outgoing, Request};
use kith_api::{Caller, Error, ErrorCode, Place, Service, Session};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::Limits;

/// The code by which the page of a space that was left is told; one for private use (RFC 6455,
/// section 7.4.2). The reason is the name of [`ErrorCode::SpaceLeft`].
const SPACE_LEFT: u16 = 4_410;

/// Who may speak through the socket.
pub(super) enum Door {
    /// The page of a space, whose cookie was good.
    Page(Caller),
    /// The dashboard, which has to show its token first.
    Dashboard,
}

/// A socket's beginning.
pub(super) struct Talk {
    service: Arc<dyn Service>,
    limits: Limits,
    door: Door,
}

/// Why the socket ends.
enum End {
    /// It is gone, or does not take what it is sent.
    Gone,
    /// It is told, by a code of RFC 6455, section 7.4.
    Close(u16, &'static str),
}

impl Talk {
    pub(super) fn new(service: Arc<dyn Service>, door: Door, limits: Limits) -> Self {
        Self { service, limits, door }
    }

    /// Talks until either side ends it.
    pub(super) async fn run(self, socket: WebSocket, stop: &CancellationToken) {
        let mut line = Line { socket, stall: self.limits.socket_stall };
        let Err(end) = self.talk(&mut line, stop).await;
        if let End::Close(code, reason) = end {
            debug!(code, reason, "a socket is closed");
            line.close(code, reason).await;
        }
    }

    async fn talk(self, line: &mut Line, stop: &CancellationToken) -> Result<Infallible, End> {
        let Self { service, limits, door } = self;
        let stopping = || End::Close(close_code::AWAY, "kith is stopping");
        let caller = match door {
            Door::Page(caller) => caller,
            Door::Dashboard => {
                let proof = prove(line, &*service, limits.auth_tries);
                let in_time = timeout_at(Instant::now() + limits.auth_time, proof);
                let in_time = stop.run_until_cancelled(in_time).await.ok_or_else(stopping)?;
                in_time.map_err(|_| End::Close(close_code::POLICY, "no token was shown"))??;
                Caller::Owner
            }
        };
        let place_lost = service.place_lost(&caller);
        tokio::pin!(place_lost);
        let mut session = Session::new(Arc::clone(&service), caller.clone());
        let mut heard = Instant::now();
        let mut ping = interval_at(heard + limits.ping_every, limits.ping_every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Err(stopping()),
                () = &mut place_lost => return Err(End::Close(SPACE_LEFT, "space_left")),
                _ = ping.tick() => {
                    if heard.elapsed() > limits.silence {
                        return Err(End::Gone);
                    }
                    line.put(Message::Ping(Default::default())).await?;
                }
                message = session.next() => line.say(&message).await?,
                message = line.socket.next() => {
                    heard = Instant::now();
                    let answer = match hear(message)? {
                        Heard::Text(text) => session.receive(&text),
                        Heard::Bytes => Some(not_text()),
                        Heard::Nothing => None,
                    };
                    if let Some(answer) = answer {
                        line.say(&answer).await?;
                    }
                }
            }
        }
    }
}

/// Waits until the dashboard has shown a good token, or the session that an earlier one gave.
async fn prove(line: &mut Line, service: &dyn Service, tries: u32) -> Result<(), End> {
    let mut wrong = 0;
    while wrong < tries {
        let request = match hear(line.socket.next().await)? {
            Heard::Text(text) => Request::read(&text),
            Heard::Bytes => Err(Box::new(not_text())),
            Heard::Nothing => continue,
        };
        let request = match request {
            Ok(request) => request,
            Err(answer) => {
                line.say(&answer).await?;
                continue;
            }
        };
        let session = match request.method.as_str() {
            "auth" => redeem(service, &request.params),
            _ => Err(unproven()),
        };
        let proven = session.is_ok();
        wrong += u32::from(!proven);
        let answer = session.map(|session| json!({ "session": session }));
        line.say(&Outgoing::answer(request.id.unwrap_or_default(), answer)).await?;
        if proven {
            return Ok(());
        }
    }
    Err(End::Close(close_code::POLICY, "no good token was shown"))
}

fn redeem(service: &dyn Service, params: &Value) -> kith_api::Result<String> {
    let field = |name: &str| params.get(name).and_then(Value::as_str);
    match (field("token"), field("session")) {
        (Some(token), None) => service.redeem(token, &Place::Dashboard),
        (None, Some(session)) => {
            service.admits(session, &Place::Dashboard).then(|| session.to_owned())
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::new(ErrorCode::InvalidParams, "Give a token, or a session."));
        }
    }
    .ok_or_else(unproven)
}

/// What a message of the socket says.
enum Heard {
    Text(Utf8Bytes),
    Bytes,
    /// That the other side is there.
    Nothing,
}

fn hear(message: Option<Result<Message, axum::Error>>) -> Result<Heard, End> {
    match message {
        None | Some(Ok(Message::Close(_))) => Err(End::Gone),
        Some(Err(error)) => Err(failed(&error)),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(Heard::Nothing),
        Some(Ok(Message::Binary(_))) => Ok(Heard::Bytes),
        Some(Ok(Message::Text(text))) => Ok(Heard::Text(text)),
    }
}

/// A message over the limit or against the protocol is told; all else is a lost connection.
fn failed(error: &axum::Error) -> End {
    let text = error.to_string();
    if text.contains("too long") {
        End::Close(close_code::SIZE, "the message is too large")
    } else if text.to_lowercase().contains("utf-8") {
        End::Close(close_code::INVALID, "the message is not UTF-8")
    } else if text.to_lowercase().contains("protocol") {
        End::Close(close_code::PROTOCOL, "the message breaks the protocol")
    } else {
        End::Gone
    }
}

fn not_text() -> Outgoing {
    let error = Error::new(ErrorCode::InvalidRequest, "Messages are text.");
    Outgoing::answer(Value::Null, Err(error))
}

fn unproven() -> Error {
    Error::new(ErrorCode::NotPermitted, "kith does not know this page.")
        .why("It has not shown a token, or its token was used before, or is too old.")
        .todo("Open the dashboard from kith: by its icon, or the command “kith”.")
}

/// A socket to write to, within the time that a message may take.
struct Line {
    socket: WebSocket,
    stall: Duration,
}

impl Line {
    async fn say(&mut self, message: &Outgoing) -> Result<(), End> {
        let text = serde_json::to_string(message).expect("messages are plain data");
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), End> {
        match timeout(self.stall, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                debug!("a socket takes nothing");
                Err(End::Gone)
            }
        }
    }

    async fn close(mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: reason.into() };
        let closing = async {
            // Nobody needs to hear of a socket that was gone before it was closed.
            let _ = self.socket.send(Message::Close(Some(frame))).await;
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        let _ = timeout(self.stall, closing).await;
    }
}
