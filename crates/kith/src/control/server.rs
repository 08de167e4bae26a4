//! The node's side of the socket.

use std::io::{Error, ErrorKind, Result};
use std::path::Path;
use std::string::FromUtf8Error;
use std::sync::Arc;
use std::time::Duration;

use kith_api::rpc::Outgoing;
use kith_api::{Caller, ErrorCode, Service, Session};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::lines::Lines;
use super::{MAX_CONNECTIONS, MAX_REQUEST, socket};

/// Pause after accepting failed, for want of descriptors: trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves commands until it is dropped. Connections live on, so that a command which stops the node
/// sees the end of the process, not of the socket.
pub(crate) struct Server {
    _accepting: AbortOnDropHandle<()>,
}

impl Server {
    /// Serves `service` to its owner. The caller holds the data directory's lock.
    ///
    /// # Errors
    /// When the socket can't be made.
    pub(crate) fn start(data_dir: &Path, service: Arc<dyn Service>) -> Result<Self> {
        let listener = socket::Listener::bind(data_dir)?;
        let accepting = tokio::spawn(accept(listener, service));
        Ok(Self { _accepting: AbortOnDropHandle::new(accepting) })
    }
}

async fn accept(mut listener: socket::Listener, service: Arc<dyn Service>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Who comes when all places are taken waits in the socket's own queue.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(stream) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    let _place = place;
                    if let Err(error) = talk(stream, service).await {
                        tracing::debug!(%error, "a command's connection broke");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a command could not connect");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Speaks with one command until it hangs up.
async fn talk(stream: socket::Stream, service: Arc<dyn Service>) -> Result<()> {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = Lines::new(reader, MAX_REQUEST);
    let mut session = Session::new(service, Caller::Owner);
    loop {
        let message = tokio::select! {
            line = lines.next() => match line {
                Ok(Some(line)) => session.receive(&line),
                Ok(None) => return Ok(()),
                // Where the next line begins can't be told: it hears why, and is hung up on.
                Err(error) if error.kind() == ErrorKind::InvalidData => {
                    write(&mut writer, &unreadable(&error)).await?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            },
            message = session.next() => Some(message),
        };
        if let Some(message) = message {
            write(&mut writer, &message).await?;
        }
    }
}

/// The answer to a line that is too long, or no text.
fn unreadable(error: &Error) -> Outgoing {
    let is_text = !error.get_ref().is_some_and(|inner| inner.is::<FromUtf8Error>());
    let (code, what) = if is_text {
        (ErrorCode::TooLarge, "The message is too long.")
    } else {
        (ErrorCode::Malformed, "The message is no UTF-8.")
    };
    let error = kith_api::Error::new(code, what).why(format!("{error}."));
    Outgoing::answer(serde_json::Value::Null, Err(error.todo("Connect again, and send another.")))
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), message: &Outgoing) -> Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    writer.write_all(&line).await?;
    writer.flush().await
}
